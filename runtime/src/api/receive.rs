//! Takes in the bytes of an upload: no more than a component may have, no slower than a patience, few at once.

use std::time::Duration;

use axum::{
    body::Body,
    http::{HeaderMap, header},
};
use bytes::Bytes;
use bytesize::ByteSize;
use futures_util::StreamExt;
use tokio::{
    sync::{Mutex, MutexGuard, Semaphore, SemaphorePermit},
    time::{Instant, timeout_at},
};

use super::problem::Problem;

/// The longest that an upload may take, however steadily it drips: the largest component at 1.2 Mbit/s.
const LONGEST: Duration = Duration::from_secs(15 * 60);

/// The uploads of one interface.
#[derive(Debug)]
pub(super) struct Uploads {
    places: Semaphore,
    turn: Mutex<()>,
    largest: ByteSize,
    patience: Duration,
    longest: Duration,
}

impl Uploads {
    /// So many at once, each of at most so many bytes, none standing still for longer than `patience`.
    pub(super) fn new(at_once: usize, largest: ByteSize, patience: Duration) -> Self {
        Self { places: Semaphore::new(at_once), turn: Mutex::default(), largest, patience, longest: LONGEST }
    }

    /// Reads the body of a request, and gives it to `then`, all in one of the places.
    ///
    /// # Errors
    /// 503 if all places are taken, 413 as soon as it is too large, 408 if it stands still, 400 if it is cut off; and
    /// what `then` says.
    pub(super) async fn receive<T>(
        &self,
        headers: &HeaderMap,
        body: Body,
        then: impl AsyncFnOnce(Bytes) -> Result<T, Problem>,
    ) -> Result<T, Problem> {
        let announced = headers.get(header::CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse().ok());
        if announced.is_some_and(|length: u64| length > self.largest.as_u64()) {
            return Err(self.too_large());
        }
        let _place = self.place()?;
        let bytes = self.read(body).await?;
        then(bytes).await
    }

    /// One of the places: for an upload, or for another request that reads a whole file.
    ///
    /// # Errors
    /// 503 if all are taken.
    pub(super) fn place(&self) -> Result<SemaphorePermit<'_>, Problem> {
        let taken = "as many uploads as may be at once are under way (http.uploads); try again";
        self.places.try_acquire().map_err(|_| Problem::unavailable(taken))
    }

    /// Waits for the turn to be checked. One has it at a time: the compiler's other places are left to tasks, for which
    /// somebody waits.
    pub(super) async fn turn(&self) -> MutexGuard<'_, ()> {
        self.turn.lock().await
    }

    async fn read(&self, body: Body) -> Result<Bytes, Problem> {
        let (mut stream, mut bytes, end) = (body.into_data_stream(), Vec::new(), Instant::now() + self.longest);
        loop {
            let patience = end.min(Instant::now() + self.patience);
            let Ok(chunk) = timeout_at(patience, stream.next()).await else {
                return Err(self.too_slow(patience == end));
            };
            match chunk {
                None => return Ok(bytes.into()),
                Some(Err(error)) => {
                    return Err(Problem::bad_request(format!("the upload was cut off, nothing has changed: {error}")));
                }
                Some(Ok(chunk)) if (bytes.len() + chunk.len()) as u64 > self.largest.as_u64() => {
                    return Err(self.too_large());
                }
                Some(Ok(chunk)) => bytes.extend_from_slice(&chunk),
            }
        }
    }

    fn too_slow(&self, in_all: bool) -> Problem {
        let (what, time, setting) = match in_all {
            true => ("took longer than", self.longest, ""),
            false => ("stood still for", self.patience, " (http.upload_patience)"),
        };
        let time = humantime::format_duration(time);
        Problem::timeout(format!("the upload {what} {time}{setting}; nothing has changed"))
    }

    fn too_large(&self) -> Problem {
        Problem::too_large(format!("a component has at most {} (setting components.max_size)", self.largest))
    }
}

#[cfg(test)]
mod tests {
    use futures_util::stream;

    use super::*;

    #[tokio::test]
    async fn one_that_drips_without_standing_still_is_given_up_too() {
        let patience = Duration::from_secs(3600);
        let uploads = Uploads { longest: Duration::from_millis(200), ..Uploads::new(1, ByteSize::mib(1), patience) };
        let drips = stream::unfold((), async |()| {
            tokio::time::sleep(Duration::from_millis(5)).await;
            Some((Ok::<_, std::io::Error>(Bytes::from_static(b".")), ()))
        });
        let received = uploads.receive(&HeaderMap::new(), Body::from_stream(drips), async |_| Ok(())).await;
        let told = serde_json::to_value(received.unwrap_err()).unwrap();
        assert_eq!(
            (&told["status"], told["detail"].as_str().unwrap()),
            (&408.into(), "the upload took longer than 200ms; nothing has changed")
        );
    }
}
