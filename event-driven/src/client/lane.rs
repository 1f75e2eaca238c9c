//! One consuming channel, begun anew whenever it ends before it should.

use std::{sync::Arc, time::Duration};

use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

use super::{
    FIRST_PAUSE, Link, RawDelivery, Shared, Source,
    prefetch::Share,
    session::{End, Session},
};
use crate::backoff::Backoff;

/// A share of a queue's deliveries.
#[derive(Debug, Clone)]
pub(super) struct Lane {
    pub(super) source: Arc<Source>,
    pub(super) share: Share,
    pub(super) out: mpsc::Sender<RawDelivery>,
    /// No more deliveries of this queue are wanted.
    pub(super) stop: CancellationToken,
}

/// Counts a lane among those that may hand out a delivery.
pub(super) struct Consuming(Arc<Shared>);

impl Consuming {
    fn new(shared: Arc<Shared>) -> Self {
        shared.consuming.send_modify(|lanes| *lanes += 1);
        Self(shared)
    }
}

impl Drop for Consuming {
    fn drop(&mut self) {
        self.0.consuming.send_modify(|lanes| *lanes -= 1);
    }
}

impl Lane {
    /// A lane with this share of the prefetch.
    pub(super) fn new(
        source: &Arc<Source>,
        share: Share,
        out: mpsc::Sender<RawDelivery>,
        stop: CancellationToken,
    ) -> Self {
        Self { source: Arc::clone(source), share, out, stop }
    }

    /// Consumes until that is stopped and all that this lane delivered is settled.
    pub(super) async fn run(self, shared: Arc<Shared>) {
        self.consume(&shared).await;
        // What was wrong with it is nobody's trouble any more.
        shared.health.well(&self.name());
    }

    async fn consume(&self, shared: &Arc<Shared>) {
        let mut links = shared.link.subscribe();
        let mut backoff = Backoff::starting_at(FIRST_PAUSE);
        loop {
            // Before the look at `stop`: who stops waits for this, or is seen here.
            let consuming = Consuming::new(Arc::clone(shared));
            let Some(link) = next_link(&self.stop, &mut links).await else { return };
            // lapin never resolves some futures of a connection that died; so nothing waits longer than its link lives.
            let end = tokio::select! {
                end = self.serve(shared, &link, consuming, &mut backoff) => end,
                () = replaced(&link, &mut links) => Ok(End::Lost("the connection was lost".to_owned())),
            };
            match end {
                Ok(End::Stopped) => return,
                Ok(End::Lost(reason)) => self.tell(shared, &link, &reason),
                Err(error) => self.tell(shared, &link, &error.to_string()),
            }
            // Dropping the pause or the declaration at stop loses nothing.
            tokio::select! {
                () = self.recover(shared, &link, &mut links, backoff.pause()) => {}
                () = self.stop.cancelled() => return,
            }
        }
    }

    /// Waits a little; then, if the channel alone is gone, perhaps the queue was deleted.
    async fn recover(&self, shared: &Shared, link: &Arc<Link>, links: &mut Links, pause: Duration) {
        tokio::time::sleep(pause).await;
        if !link.is_up() {
            return;
        }
        let plan = shared.plan();
        let declared = tokio::select! {
            declared = link.declare(&plan) => declared,
            () = replaced(link, links) => return,
        };
        if let Err(error) = declared {
            self.tell(shared, link, &error.to_string());
        }
    }

    async fn serve(
        &self,
        shared: &Shared,
        link: &Arc<Link>,
        consuming: Consuming,
        backoff: &mut Backoff,
    ) -> Result<End, lapin::Error> {
        // A channel that is half open is closed when it is dropped.
        let session = tokio::select! {
            session = Session::open(self, link, shared) => session?,
            () = self.stop.cancelled() => return Ok(End::Stopped),
            () = tokio::time::sleep(shared.settings.connect_timeout) => {
                return Ok(End::Lost("RabbitMQ does not open a channel".to_owned()));
            }
        };
        backoff.reset();
        shared.health.well(&self.name());
        session.run(consuming).await
    }

    fn tell(&self, shared: &Shared, link: &Link, reason: &str) {
        link.notice(reason.to_owned());
        if link.is_up() {
            tracing::warn!(queue = self.source.queue, reason, "consuming was interrupted; beginning anew");
            shared.health.trouble(&self.name(), &format!("queue {}: {reason}", self.source.queue));
        } else {
            // The supervisor tells of that.
            shared.health.well(&self.name());
        }
    }

    fn name(&self) -> String {
        format!("consumer {} of {}", self.share.number, self.source.queue)
    }
}

type Links = watch::Receiver<Option<Arc<Link>>>;

/// Waits until `link` is no longer the one in use.
async fn replaced(link: &Arc<Link>, links: &mut Links) {
    let other = |now: &Option<Arc<Link>>| now.as_ref().is_none_or(|now| !Arc::ptr_eq(now, link));
    // An error means that the client is gone.
    let _ = links.wait_for(other).await;
}

/// The link in use, or the next one; none once no more deliveries are wanted.
async fn next_link(stop: &CancellationToken, links: &mut Links) -> Option<Arc<Link>> {
    let up = |link: &Option<Arc<Link>>| link.as_ref().is_some_and(|link| link.is_up());
    // Waiting for a link can be dropped without loss.
    tokio::select! {
        biased;
        () = stop.cancelled() => None,
        link = links.wait_for(up) => link.ok()?.clone(),
    }
}
