//! What bounds one execution, and the limiter that wasmtime asks before a memory or a table grows.

use std::time::Duration;

use bytesize::ByteSize;
use wasmtime::ResourceLimiter;

use super::engine::TABLE_ELEMENTS;

/// What bounds one execution.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Wall time from the instantiation to the result.
    pub timeout: Duration,
    /// All linear memories of the guest together.
    pub memory: ByteSize,
    /// The result's length.
    pub output: ByteSize,
}

/// A request for memory that was refused.
#[derive(Debug, Clone, Copy)]
pub(super) struct MemoryLimit {
    /// The limit, in bytes.
    pub(super) limit: u64,
    /// What all memories together would have had, in bytes.
    pub(super) asked: u64,
}

/// Counts all memories of one guest together: several small ones must not add up to more than one large.
pub(super) struct Limiter {
    limit: u64,
    used: u64,
    refused: Option<MemoryLimit>,
}

impl Limiter {
    pub(super) fn new(limit: ByteSize) -> Self {
        Self { limit: limit.as_u64(), used: 0, refused: None }
    }

    pub(super) fn refused(&self) -> Option<MemoryLimit> {
        self.refused
    }
}

impl ResourceLimiter for Limiter {
    fn memory_growing(&mut self, current: usize, desired: usize, _: Option<usize>) -> wasmtime::Result<bool> {
        let asked = self.used.saturating_add(desired.saturating_sub(current) as u64);
        if asked > self.limit {
            self.refused.get_or_insert(MemoryLimit { limit: self.limit, asked });
            return Ok(false);
        }
        self.used = asked;
        Ok(true)
    }

    fn table_growing(&mut self, _: usize, desired: usize, _: Option<usize>) -> wasmtime::Result<bool> {
        Ok(desired <= TABLE_ELEMENTS)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn several_memories_count_together() {
        let mut limiter = Limiter::new(ByteSize::kib(192));
        assert!(limiter.memory_growing(0, 128 << 10, None).unwrap());
        assert!(limiter.memory_growing(0, 64 << 10, None).unwrap());
        assert!(!limiter.memory_growing(64 << 10, 128 << 10, None).unwrap());
        let refused = limiter.refused().unwrap();
        assert_eq!((refused.limit, refused.asked), (192 << 10, 256 << 10));
    }
}
