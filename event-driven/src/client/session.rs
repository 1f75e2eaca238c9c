//! The life of one consuming channel: deliveries out, settlements in, acks and copies to RabbitMQ.
//!
//! One task does all of it, so nothing needs a lock. What is settled is acked in groups: a moment later, or as soon as a quarter of
//! the prefetch can be acked with one.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use lapin::{
    Channel,
    message::Delivery,
    options::{BasicAckOptions, BasicNackOptions},
};
use tokio::{
    sync::mpsc::{self, error::TrySendError},
    task::JoinSet,
    time::{Interval, MissedTickBehavior},
};
use tokio_util::sync::CancellationToken;

use super::{
    Ack, AckWindow, Link, RawDelivery, Receipt, Shared, Source, copying,
    lane::{Consuming, Lane},
    subscriptions::{ConsumerId, Next, Subscriptions},
    ticket::{Settled, Tag, Ticket},
};
use crate::{message::first_routing_key, names::TASKS_QUEUE, topology::is_probe};

/// How long RabbitMQ may take to cancel a consumer. On a link that was cut without a word it never does.
const CANCEL: Duration = Duration::from_secs(5);

/// How long an ack waits at most for others to become one with. Each is a command that a quorum queue logs and syncs, and the
/// next deliveries come as many at a time as it frees. What is done has been committed, so nobody else waits for that.
const GATHER: Duration = Duration::from_millis(5);

/// How often it is looked at what is done and held back by a slower delivery. [`AckWindow::take_late`] says at how many looks that may be, since a
/// commit of a thousand rows takes about as long, and which of them are told first is chance.
const LATE: Duration = Duration::from_millis(20);

/// Why a session is over.
#[derive(Debug)]
pub(super) enum End {
    /// No more deliveries are wanted, and all is settled or may no longer be.
    Stopped,
    /// RabbitMQ ended it.
    Lost(String),
}

/// One channel and what is unsettled on it.
pub(super) struct Session {
    source: Arc<Source>,
    link: Arc<Link>,
    copying: Arc<copying::Context>,
    channel: Channel,
    subscriptions: Subscriptions,
    window: AckWindow,
    /// Kept open by `tell`, so that it does not end while nothing is unsettled.
    settled: mpsc::Receiver<Settled>,
    tell: mpsc::Sender<Settled>,
    out: mpsc::Sender<RawDelivery>,
    /// Taken from the channel, and no room for it in `out` yet.
    waiting: Option<RawDelivery>,
    /// Begins anew with the first that is not held back.
    gather: Interval,
    late: Interval,
    copies: JoinSet<Tag>,
    stop: CancellationToken,
    closed: CancellationToken,
}

impl Session {
    pub(super) async fn open(lane: &Lane, link: &Arc<Link>, shared: &Shared) -> Result<Self, lapin::Error> {
        let channel = link.consuming.create_channel().await?;
        let subscriptions = Subscriptions::open(channel.clone(), &lane.source.queue, lane.share.clone()).await?;
        // Room for one settlement of each delivery that can be unsettled.
        let (tell, settled) = mpsc::channel(usize::from(lane.share.most).max(1));
        let copying =
            copying::Context { link: Arc::clone(link), source: Arc::clone(&lane.source), plan: shared.plan() };
        Ok(Self {
            source: Arc::clone(&lane.source),
            link: Arc::clone(link),
            copying: Arc::new(copying),
            channel,
            window: AckWindow::new(subscriptions.wanted()),
            subscriptions,
            settled,
            tell,
            out: lane.out.clone(),
            waiting: None,
            gather: every(GATHER),
            late: every(LATE),
            copies: JoinSet::new(),
            stop: lane.stop.clone(),
            closed: shared.closed.clone(),
        })
    }

    /// Runs until RabbitMQ ends the channel, or until consuming is stopped and all is settled. `consuming` is dropped as soon
    /// as no further delivery can come from here.
    pub(super) async fn run(mut self, consuming: Consuming) -> Result<End, lapin::Error> {
        let end = self.consume().await?;
        // What is done is acked before anything else may take long or fail: it would be done twice.
        if let Some(end) = end {
            // Copies that are wanted and not begun are made of what comes again.
            let _ = tokio::time::timeout(CANCEL, self.ack_all()).await;
            return Ok(end);
        }
        let Ok(acked) = tokio::time::timeout(CANCEL, self.ack_what_is_done()).await else { return Ok(silent()) };
        acked?;
        let Ok(cancelled) = tokio::time::timeout(CANCEL, self.cancel()).await else {
            return Ok(silent());
        };
        cancelled?;
        drop(consuming);
        self.finish().await?;
        self.channel.close(200, "stopped".into()).await?;
        Ok(End::Stopped)
    }

    /// Until consuming is stopped: then none. Each branch waits for a queue or a stream and loses nothing when dropped.
    async fn consume(&mut self) -> Result<Option<End>, lapin::Error> {
        let (stop, out) = (self.stop.clone(), self.out.clone());
        loop {
            tokio::select! {
                // Once it is stopped, nothing more is handed out.
                biased;
                () = stop.cancelled() => return Ok(None),
                Some(settled) = self.settled.recv() => self.settle(settled).await?,
                Some(copied) = self.copies.join_next() => self.copied(copied).await?,
                _ = self.gather.tick(), if self.window.is_ready() || self.window.is_used_up() => {
                    if self.window.is_used_up() { self.ack_late().await? } else { self.flush().await? }
                }
                _ = self.late.tick(), if self.window.holds_back() => self.ack_late().await?,
                next = self.subscriptions.next(), if self.waiting.is_none() => match next? {
                    Next::Delivery(from, delivery) => self.deliver(from, delivery),
                    Next::Prefetch(prefetch) => self.window.set_prefetch(prefetch),
                    Next::Lost(reason) => return Ok(Some(End::Lost(reason.to_owned()))),
                },
                room = out.reserve(), if self.waiting.is_some() => match room {
                    Ok(room) => if let Some(delivery) = self.waiting.take() { room.send(delivery) },
                    // Nobody will ever take it: the receiver is gone.
                    Err(_) => return Ok(None),
                },
            }
        }
    }

    /// Settles what was handed out before, until nothing is left or nobody waits for it any more.
    async fn finish(&mut self) -> Result<(), lapin::Error> {
        let closed = self.closed.clone();
        while !(self.window.is_settled() && self.copies.is_empty()) {
            tokio::select! {
                () = closed.cancelled() => return self.ack_what_is_done().await,
                Some(settled) = self.settled.recv() => self.settle(settled).await?,
                Some(copied) = self.copies.join_next() => self.copied(copied).await?,
            }
        }
        self.flush().await
    }

    /// No more deliveries; those on their way are given back.
    async fn cancel(&mut self) -> Result<(), lapin::Error> {
        self.subscriptions.cancel().await?;
        // Dropping a delivery releases it.
        drop(self.waiting.take());
        while let Some((from, delivery)) = self.subscriptions.last().await {
            self.window.delivered(delivery.delivery_tag);
            self.release(Tag { number: delivery.delivery_tag, from }).await?;
        }
        Ok(())
    }

    /// Hands a delivery out, or keeps it until there is room.
    fn deliver(&mut self, from: ConsumerId, delivery: Delivery) {
        let number = delivery.delivery_tag;
        self.window.delivered(number);
        let ticket = Ticket { tag: Tag { number, from }, settled: self.tell.clone() };
        if self.source.queue == TASKS_QUEUE && is_probe(&delivery.properties, &delivery.data) {
            ticket.acknowledge();
            return;
        }
        let (exchange, key) = (delivery.exchange.as_str(), delivery.routing_key.as_str());
        let delivery = RawDelivery {
            routing_key: first_routing_key(exchange, key, &self.source.queue, &delivery.properties),
            properties: delivery.properties,
            body: Bytes::from(delivery.data),
            redelivered: delivery.redelivered,
            receipt: Receipt::new(ticket),
        };
        self.waiting = self.out.try_send(delivery).err().map(TrySendError::into_inner);
    }

    /// Takes all settlements that are there, then acks if they are many.
    async fn settle(&mut self, first: Settled) -> Result<(), lapin::Error> {
        self.record(first).await?;
        self.record_waiting().await?;
        // At the end nobody looks at the time.
        if self.window.is_ripe() || self.stop.is_cancelled() {
            self.flush().await?;
        }
        Ok(())
    }

    /// What was settled and not looked at yet.
    async fn record_waiting(&mut self) -> Result<(), lapin::Error> {
        while let Ok(settled) = self.settled.try_recv() {
            self.record(settled).await?;
        }
        Ok(())
    }

    async fn record(&mut self, settled: Settled) -> Result<(), lapin::Error> {
        match settled {
            Settled::Ack { tag } => self.done(tag),
            Settled::Release { tag } => self.release(tag).await?,
            Settled::Copy { tag, original, settlement } => {
                // At most one for each unsettled delivery.
                self.copies.spawn(copying::copy(Arc::clone(&self.copying), tag, *original, settlement));
            }
        }
        Ok(())
    }

    async fn copied(&mut self, copied: Result<Tag, tokio::task::JoinError>) -> Result<(), lapin::Error> {
        match copied {
            Ok(tag) => self.done(tag),
            // Which one is unknown; the channel must end, so that RabbitMQ delivers the original again.
            Err(error) => {
                tracing::error!(%error, "copying a message failed");
                self.link.notice(error.to_string());
                self.ack_all().await?;
                self.channel.close(500, "copying a message failed".into()).await?;
            }
        }
        while let Some(Ok(tag)) = self.copies.try_join_next() {
            self.done(tag);
        }
        self.flush().await
    }

    async fn flush(&mut self) -> Result<(), lapin::Error> {
        if self.stop.is_cancelled() {
            return self.ack_all().await;
        }
        let acks = self.window.take();
        self.ack(acks).await
    }

    /// With what was settled and not looked at yet.
    async fn ack_what_is_done(&mut self) -> Result<(), lapin::Error> {
        self.record_waiting().await?;
        self.ack_all().await
    }

    /// What has been held back for too long.
    async fn ack_late(&mut self) -> Result<(), lapin::Error> {
        let acks = self.window.take_late();
        self.ack(acks).await
    }

    /// Nothing that is done is held back.
    async fn ack_all(&mut self) -> Result<(), lapin::Error> {
        let acks = self.window.take_all();
        self.ack(acks).await
    }

    async fn ack(&mut self, acks: Vec<Ack>) -> Result<(), lapin::Error> {
        for ack in acks {
            self.channel.basic_ack(ack.tag, BasicAckOptions { multiple: ack.multiple }).await?;
        }
        Ok(())
    }

    /// It may be acked.
    fn done(&mut self, tag: Tag) {
        let waits_already = self.window.is_ready();
        self.window.done(tag.number);
        if !waits_already && self.window.is_ready() {
            self.gather.reset();
        }
        self.subscriptions.settled(tag.from);
    }

    async fn release(&mut self, tag: Tag) -> Result<(), lapin::Error> {
        self.window.told(tag.number);
        self.subscriptions.settled(tag.from);
        self.channel.basic_nack(tag.number, BasicNackOptions { multiple: false, requeue: true }).await
    }
}

fn silent() -> End {
    End::Lost("RabbitMQ does not answer".to_owned())
}

fn every(period: Duration) -> Interval {
    let mut interval = tokio::time::interval(period);
    interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
    interval
}
