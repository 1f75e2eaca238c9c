//! Where a guest's stdout and stderr go: the last few KiB are kept with the attempt, and a trap is told with the panic
//! message that came before it. What a guest writes is counted, and ends it beyond its limit; it costs the host no memory
//! (invariant 4).

use std::{
    collections::VecDeque,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll},
};

use bytes::Bytes;
use bytesize::ByteSize;
use tokio::{io::AsyncWrite, sync::mpsc::UnboundedSender};
use wasmtime_wasi::{
    async_trait,
    cli::{IsTerminal, StdoutStream},
    p2::{OutputStream, Pollable, StreamError, StreamResult},
};

use crate::receipt::LogTail;

/// How much of a guest's output is kept, in bytes.
const KEPT: usize = 16 * 1024;

/// How much of it stands in an error, in bytes. A panic message of Rust fits several times.
const LAST_WORDS: usize = 2048;

/// How much a guest may write in one call, in bytes.
const WRITE_PERMIT: usize = 64 * 1024;

/// The shared end of a guest's output streams. The lock is held for a copy of at most [`KEPT`] bytes, never across an
/// await.
#[derive(Clone)]
pub(super) struct GuestLog {
    written: Arc<Mutex<Written>>,
    limit: u64,
    /// Who hears all of it.
    listener: Option<UnboundedSender<Bytes>>,
}

#[derive(Default)]
struct Written {
    bytes: u64,
    kept: VecDeque<u8>,
}

impl GuestLog {
    pub(super) fn new(limit: ByteSize) -> Self {
        Self { written: Arc::default(), limit: limit.as_u64(), listener: None }
    }

    /// The same, and everything is sent to `listener` too.
    pub(super) fn heard(limit: ByteSize, listener: UnboundedSender<Bytes>) -> Self {
        Self { listener: Some(listener), ..Self::new(limit) }
    }

    /// The kept end of the output, and how much there was.
    pub(super) fn tail(&self) -> LogTail {
        let mut written = self.lock();
        let text = String::from_utf8_lossy(written.kept.make_contiguous()).into_owned();
        LogTail { bytes: written.bytes, text }
    }

    /// The last of that, without white space around it.
    pub(super) fn last_words(&self) -> String {
        let mut written = self.lock();
        let kept = written.kept.make_contiguous();
        let (_, last) = kept.split_at(kept.len().saturating_sub(LAST_WORDS));
        String::from_utf8_lossy(last).trim().to_owned()
    }

    /// How much was written, in bytes.
    pub(super) fn bytes(&self) -> u64 {
        self.lock().bytes
    }

    /// Whether more was written than the limit allows.
    pub(super) fn is_too_long(&self) -> bool {
        self.bytes() > self.limit
    }

    fn append(&self, bytes: &[u8]) {
        if let Some(listener) = self.listener.as_ref().filter(|_| !self.is_too_long()) {
            // Who listens no more has heard enough.
            let _ = listener.send(Bytes::copy_from_slice(bytes));
        }
        let mut written = self.lock();
        written.bytes = written.bytes.saturating_add(bytes.len() as u64);
        let (_, new) = bytes.split_at(bytes.len().saturating_sub(KEPT));
        let surplus = (written.kept.len() + new.len()).saturating_sub(KEPT);
        written.kept.drain(..surplus);
        written.kept.extend(new);
    }

    fn lock(&self) -> MutexGuard<'_, Written> {
        self.written.lock().unwrap_or_else(PoisonError::into_inner)
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
        // The guest ends here: with nothing but an error it could go on writing for ever.
        if self.is_too_long() { Err(StreamError::trap("the log is full")) } else { Ok(()) }
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
    fn a_guest_that_writes_more_than_its_limit_ends() {
        let mut log = GuestLog::new(ByteSize::b(10));
        assert!(log.write(Bytes::from_static(b"0123456789")).is_ok() && !log.is_too_long());
        assert!(matches!(log.write(Bytes::from_static(b"!")), Err(StreamError::Trap(_))));
        assert!(log.is_too_long());
    }

    #[test]
    fn the_end_of_the_output_is_kept() {
        let log = GuestLog::new(ByteSize::gib(1));
        for n in 0..10_000 {
            log.append(format!("line {n}\n").as_bytes());
        }
        log.append(&vec![b'x'; 3 * KEPT]);
        log.append(b" the end\n");
        let LogTail { bytes, text } = log.tail();
        assert!(text.ends_with("x the end\n"));
        assert!(text.len() == KEPT && bytes > 3 * KEPT as u64);
        assert!(log.last_words().ends_with("x the end") && log.last_words().len() <= LAST_WORDS);
    }
}
