//! The bytes of one request and its answer, counted and held to their limits.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::{Instant, Sleep, sleep_until},
};

use super::{super::ledger::Ledger, HttpBounds, connect::Stream, timed_out, too_much};

/// A connection that counts, and that ends when the request's time is over.
pub(super) struct Link {
    stream: Box<dyn Stream>,
    ledger: Ledger,
    bounds: HttpBounds,
    /// When the request has to be over.
    end: Pin<Box<Sleep>>,
    /// How long the guest wants to wait for more, if it said so, and until when that is.
    pause: Option<(Duration, Pin<Box<Sleep>>)>,
}

impl Link {
    pub(super) fn new(
        stream: Box<dyn Stream>,
        ledger: Ledger,
        bounds: HttpBounds,
        until: Instant,
        pause: Option<Duration>,
    ) -> Self {
        let pause = pause.and_then(|pause| Some((pause, Box::pin(sleep_until(Instant::now().checked_add(pause)?)))));
        Self { stream, ledger, bounds, end: Box::pin(sleep_until(until)), pause }
    }

    /// An error once the time is over.
    fn poll_time(&mut self, context: &mut Context<'_>) -> Result<(), io::Error> {
        if self.end.as_mut().poll(context).is_ready() {
            timed_out(&self.ledger, self.bounds.timeout);
            return Err(io::Error::from(io::ErrorKind::TimedOut));
        }
        Ok(())
    }
}

impl AsyncRead for Link {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.poll_time(context)?;
        let limit = self.bounds.received;
        let room = usize::try_from(limit.saturating_sub(self.ledger.received())).unwrap_or(usize::MAX);
        if room == 0 && buffer.remaining() > 0 {
            too_much(&self.ledger, "http_received", "received", limit);
            return Poll::Ready(Err(io::Error::from(io::ErrorKind::QuotaExceeded)));
        }
        let mut within = ReadBuf::new(buffer.initialize_unfilled_to(room.min(buffer.remaining())));
        let read = Pin::new(&mut self.stream).poll_read(context, &mut within);
        let more = within.filled().len();
        buffer.advance(more);
        self.ledger.add_received(more as u64);
        if read.is_pending() {
            if let Some((_, pause)) = &mut self.pause {
                ready!(pause.as_mut().poll(context));
                return Poll::Ready(Err(io::Error::from(io::ErrorKind::TimedOut)));
            }
            return Poll::Pending;
        }
        if let Some((length, pause)) = &mut self.pause
            && let Some(until) = Instant::now().checked_add(*length)
        {
            pause.as_mut().reset(until);
        }
        read
    }
}

impl AsyncWrite for Link {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.poll_time(context)?;
        let limit = self.bounds.sent;
        let room = usize::try_from(limit.saturating_sub(self.ledger.sent())).unwrap_or(usize::MAX);
        if room == 0 && !bytes.is_empty() {
            too_much(&self.ledger, "http_sent", "sent", limit);
            return Poll::Ready(Err(io::Error::from(io::ErrorKind::QuotaExceeded)));
        }
        let (bytes, _) = bytes.split_at(room.min(bytes.len()));
        let written = ready!(Pin::new(&mut self.stream).poll_write(context, bytes))?;
        self.ledger.add_sent(written as u64);
        Poll::Ready(Ok(written))
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_time(context)?;
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
