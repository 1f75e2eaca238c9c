//! A stream whose incoming AMQP frames are made harmless before lapin sees them.
//!
//! Frames that say something (methods, headers) are held until they are whole and then mended in place: nothing changes
//! its length, so nothing else needs to change. Bodies pass through.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll, ready},
};

use futures_io::{AsyncRead, AsyncWrite};

use super::frame;

/// Bytes read from the socket at once.
const CHUNK: usize = 64 * 1024;
/// The largest frame that is held. RabbitMQ's own limit is 128 KiB; a larger one passes as it is.
const MAX_HELD: usize = 1024 * 1024;
/// Type, channel and size.
const HEAD: usize = 7;
/// The mark at a frame's end.
const END: usize = 1;

/// The filter around a stream.
pub(super) struct Filter<S> {
    inner: S,
    frames: Frames,
    /// Read from the socket, to be looked at.
    chunk: Box<[u8]>,
    /// Looked at, to be read by lapin.
    clean: Vec<u8>,
    position: usize,
}

impl<S> Filter<S> {
    pub(super) fn new(inner: S) -> Self {
        let chunk = vec![0; CHUNK].into_boxed_slice();
        Self { inner, frames: Frames::default(), chunk, clean: Vec::new(), position: 0 }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Filter<S> {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        loop {
            let rest = this.clean.get(this.position..).unwrap_or_default();
            if !rest.is_empty() {
                let length = rest.len().min(buffer.len());
                let (now, to) = (rest.split_at(length).0, buffer.split_at_mut(length).0);
                to.copy_from_slice(now);
                this.position += length;
                return Poll::Ready(Ok(length));
            }
            this.clean.clear();
            this.position = 0;
            let length = ready!(Pin::new(&mut this.inner).poll_read(context, &mut this.chunk))?;
            if length == 0 {
                return Poll::Ready(Ok(0));
            }
            this.frames.push(this.chunk.get(..length).unwrap_or_default(), &mut this.clean);
        }
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Filter<S> {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().inner).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().inner).poll_write_vectored(context, bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().inner).poll_flush(context)
    }

    fn poll_close(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().inner).poll_close(context)
    }
}

/// Where in the stream of frames we are.
#[derive(Debug, Default)]
struct Frames {
    /// The beginning of a frame, or a whole one that is held.
    held: Vec<u8>,
    /// Bytes of a frame that pass.
    passing: usize,
    /// What comes is no AMQP.
    foreign: bool,
}

impl Frames {
    /// Takes what came and adds to `clean` what may go on.
    fn push(&mut self, mut bytes: &[u8], clean: &mut Vec<u8>) {
        while !bytes.is_empty() {
            let wanted = if self.foreign { bytes.len() } else { self.wanted() };
            let (now, later) = bytes.split_at(wanted.min(bytes.len()));
            bytes = later;
            if self.foreign {
                clean.extend_from_slice(now);
            } else if self.passing > 0 {
                self.passing -= now.len();
                clean.extend_from_slice(now);
            } else {
                self.held.extend_from_slice(now);
                self.decide(clean);
            }
        }
    }

    /// How many bytes are to be treated alike.
    fn wanted(&self) -> usize {
        match (self.passing, frame_length(&self.held)) {
            (0, Some((_, length))) => length - self.held.len(),
            (0, None) => HEAD - self.held.len(),
            (passing, _) => passing,
        }
    }

    /// What to do with the frame whose beginning is held.
    fn decide(&mut self, clean: &mut Vec<u8>) {
        let Some((kind, length)) = frame_length(&self.held) else { return };
        match kind {
            frame::METHOD | frame::HEADER if length <= MAX_HELD => {
                if self.held.len() < length {
                    return;
                }
                let payload = self.held.get_mut(HEAD..length - END).unwrap_or_default();
                if frame::mend(kind, payload) {
                    tracing::warn!("a message with unreadable properties was delivered; they were mended");
                }
            }
            // Headers that are too large, bodies, heartbeats.
            frame::METHOD | frame::HEADER | frame::BODY | frame::HEARTBEAT => self.passing = length - self.held.len(),
            _ => self.foreign = true,
        }
        clean.append(&mut self.held);
    }
}

/// The type and the whole length of a frame, once its head is there.
fn frame_length(held: &[u8]) -> Option<(u8, usize)> {
    let [kind, _, _, size @ ..] = held.first_chunk::<HEAD>()?;
    let size = usize::try_from(u32::from_be_bytes(*size)).ok()?;
    Some((*kind, size.checked_add(HEAD + END)?))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn frame(kind: u8, payload: &[u8]) -> Vec<u8> {
        let size = u32::try_from(payload.len()).unwrap().to_be_bytes();
        [&[kind, 0, 1][..], &size, payload, &[0xce]].concat()
    }

    proptest! {
        #[test]
        fn what_is_sound_passes_unchanged_however_it_is_cut(
            payloads in proptest::collection::vec((prop_oneof![Just(3_u8), Just(8)], proptest::collection::vec(any::<u8>(), 0..300)), 0..8),
            cuts in proptest::collection::vec(1_usize..40, 1..40),
        ) {
            let stream: Vec<u8> = payloads.iter().flat_map(|(kind, payload)| frame(*kind, payload)).collect();
            let (mut frames, mut clean, mut rest, mut cuts) = (Frames::default(), Vec::new(), &stream[..], cuts.into_iter().cycle());
            while !rest.is_empty() {
                let (now, later) = rest.split_at(cuts.next().unwrap().min(rest.len()));
                frames.push(now, &mut clean);
                rest = later;
            }
            prop_assert_eq!(clean, stream);
        }

        #[test]
        fn arbitrary_bytes_keep_their_length(bytes in proptest::collection::vec(any::<u8>(), 0..600), kind in 1_u8..3) {
            let stream = [frame(kind, &bytes), bytes.clone()].concat();
            let (mut frames, mut clean) = (Frames::default(), Vec::new());
            frames.push(&stream, &mut clean);
            prop_assert!(clean.len() + frames.held.len() == stream.len());
        }
    }

    #[test]
    fn another_protocol_passes() {
        let (mut frames, mut clean) = (Frames::default(), Vec::new());
        for part in [&b"HTTP/1"[..], b".1 400 Bad Request\r\n"] {
            frames.push(part, &mut clean);
        }
        assert_eq!(clean, b"HTTP/1.1 400 Bad Request\r\n");
    }
}
