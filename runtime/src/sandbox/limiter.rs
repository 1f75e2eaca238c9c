//! What wasmtime asks before a memory or a table grows.

use bytesize::ByteSize;
use wasmtime::ResourceLimiter;

use super::{bytes, engine::TABLE_ELEMENTS, exceeded, ledger::Ledger};
use crate::outcome::ErrorClass;

/// The size of one element of a table, in bytes.
const ELEMENT: u64 = size_of::<usize>() as u64;

/// Counts all memories and tables of one guest together: several small ones must not add up to more than one large.
pub(super) struct Limiter {
    limit: u64,
    used: u64,
    ledger: Ledger,
}

impl Limiter {
    pub(super) fn new(limit: ByteSize, ledger: Ledger) -> Self {
        Self { limit: limit.as_u64(), used: 0, ledger }
    }

    fn grow(&mut self, by: u64) -> bool {
        let asked = self.used.saturating_add(by);
        if asked > self.limit {
            let text = exceeded("memory", "asked for", &bytes(asked), &bytes(self.limit));
            self.ledger.refused(ErrorClass::OutOfMemory, text);
            return false;
        }
        self.used = asked;
        self.ledger.memory_is(asked);
        true
    }
}

impl ResourceLimiter for Limiter {
    fn memory_growing(&mut self, current: usize, desired: usize, _: Option<usize>) -> wasmtime::Result<bool> {
        Ok(self.grow(desired.saturating_sub(current) as u64))
    }

    fn table_growing(&mut self, current: usize, desired: usize, _: Option<usize>) -> wasmtime::Result<bool> {
        Ok(desired <= TABLE_ELEMENTS && self.grow(desired.saturating_sub(current) as u64 * ELEMENT))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn several_memories_and_tables_count_together() {
        let mut limiter = Limiter::new(ByteSize::kib(192), Ledger::default());
        assert!(limiter.memory_growing(0, 128 << 10, None).unwrap());
        assert!(limiter.table_growing(0, 4 << 10, None).unwrap());
        assert!(limiter.memory_growing(0, 32 << 10, None).unwrap());
        assert!(limiter.ledger.memory() == 192 << 10 && limiter.ledger.refusal().is_none());
        assert!(!limiter.table_growing(4 << 10, 8 << 10, None).unwrap());
        assert_eq!(limiter.ledger.memory(), 192 << 10);
        let refusal = limiter.ledger.refusal().unwrap();
        assert!(refusal.class == ErrorClass::OutOfMemory && refusal.message.contains("229376 bytes"), "{refusal}");
    }

    #[test]
    fn a_table_has_a_bound_of_its_own() {
        let mut limiter = Limiter::new(ByteSize::gib(1), Ledger::default());
        assert!(!limiter.table_growing(0, TABLE_ELEMENTS + 1, None).unwrap());
    }
}
