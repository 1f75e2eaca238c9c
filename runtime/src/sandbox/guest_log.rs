//! Where a guest's stdout and stderr go: the last few KiB are kept, so that a trap can be told with the panic message
//! that came before it. A guest can write as much as it likes; it costs the host no memory (invariant 4).

use std::{
    collections::VecDeque,
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll},
};

use bytes::Bytes;
use tokio::io::AsyncWrite;
use wasmtime_wasi::{
    async_trait,
    cli::{IsTerminal, StdoutStream},
    p2::{OutputStream, Pollable, StreamResult},
};

/// How much of a guest's output is kept, in bytes. A panic message of Rust fits several times.
const KEPT: usize = 2048;

/// How much a guest may write in one call, in bytes.
const WRITE_PERMIT: usize = 64 * 1024;

/// The shared end of a guest's output streams. The lock is held for a copy of at most [`KEPT`] bytes, never across an
/// await.
#[derive(Clone, Default)]
pub(super) struct GuestLog(Arc<Mutex<VecDeque<u8>>>);

impl GuestLog {
    /// The kept end of the output as text, without white space around it.
    pub(super) fn tail(&self) -> String {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        String::from_utf8_lossy(kept.make_contiguous()).trim().to_owned()
    }

    fn append(&self, bytes: &[u8]) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (_, new) = bytes.split_at(bytes.len().saturating_sub(KEPT));
        let surplus = (kept.len() + new.len()).saturating_sub(KEPT);
        kept.drain(..surplus);
        kept.extend(new);
    }
}

impl IsTerminal for GuestLog {
    fn is_terminal(&self) -> bool {
        false
    }
}

impl StdoutStream for GuestLog {
    fn async_stream(&self) -> Box<dyn AsyncWrite + Send + Sync> {
        Box::new(self.clone())
    }

    fn p2_stream(&self) -> Box<dyn OutputStream> {
        Box::new(self.clone())
    }
}

#[async_trait]
impl Pollable for GuestLog {
    async fn ready(&mut self) {}
}

#[async_trait]
impl OutputStream for GuestLog {
    fn write(&mut self, bytes: Bytes) -> StreamResult<()> {
        self.append(&bytes);
        Ok(())
    }

    fn flush(&mut self) -> StreamResult<()> {
        Ok(())
    }

    fn check_write(&mut self) -> StreamResult<usize> {
        Ok(WRITE_PERMIT)
    }
}

impl AsyncWrite for GuestLog {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<std::io::Result<usize>> {
        self.append(bytes);
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_the_output_is_kept() {
        let log = GuestLog::default();
        for n in 0..10_000 {
            log.append(format!("line {n}\n").as_bytes());
        }
        log.append(&vec![b'x'; 3 * KEPT]);
        log.append(b" the end\n");
        let tail = log.tail();
        assert!(tail.ends_with("x the end"), "{tail}");
        assert!(tail.len() <= KEPT);
    }
}
