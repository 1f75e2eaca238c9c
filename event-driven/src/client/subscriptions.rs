//! The consumers of one channel, and how many deliveries they may hold together.
//!
//! RabbitMQ counts unsettled deliveries by consumer, and a consumer's prefetch never changes. So there are several: for
//! more, one is added; for less, the youngest is cancelled. What a cancelled one has delivered stays with the channel and
//! can be settled; it counts until then. So no more is handed out and unsettled at any moment than was allowed (RabbitMQ may
//! count more: those whose acks wait for others), and nothing stands still while that changes.

use std::time::Duration;

use futures_util::{
    FutureExt, StreamExt,
    future::{BoxFuture, OptionFuture},
    stream::{self, BoxStream, SelectAll},
};
use lapin::{
    Channel, Consumer,
    message::Delivery,
    options::{BasicCancelOptions, BasicConsumeOptions, BasicQosOptions},
    types::{FieldTable, ShortString},
};
use tokio::time::timeout;

use super::{
    allowance::{Holder, Step, step},
    prefetch::Share,
};

/// How long RabbitMQ may take to add or cancel a consumer. A channel without one would look alive and consume nothing.
const CHANGE: Duration = Duration::from_secs(30);

/// Which of a channel's consumers a delivery came by.
pub(super) type ConsumerId = u64;

/// What comes out of a consumer; none at its end.
type Event = (ConsumerId, Option<Result<Delivery, lapin::Error>>);

/// What RabbitMQ has done.
enum Change {
    Added { consumer: Consumer, prefetch: u16 },
    Cancelled,
}

/// What RabbitMQ was asked for; none if it does not answer.
type Changing = BoxFuture<'static, Option<Result<Change, lapin::Error>>>;

/// What one channel consumes.
pub(super) struct Subscriptions {
    channel: Channel,
    queue: ShortString,
    share: Share,
    /// As the share was last looked at.
    wanted: u16,
    holders: Vec<(Holder, ShortString)>,
    streams: SelectAll<BoxStream<'static, Event>>,
    /// One at a time.
    changing: Option<Changing>,
    next_id: ConsumerId,
}

/// What [`Subscriptions::next`] waits for.
#[expect(clippy::large_enum_variant, reason = "it is taken apart at once, and nearly always a delivery")]
pub(super) enum Next {
    Delivery(ConsumerId, Delivery),
    /// Another prefetch is wanted from now on.
    Prefetch(u16),
    /// RabbitMQ has cancelled a consumer, or does not answer.
    Lost(&'static str),
}

impl Subscriptions {
    /// Begins to consume with the share as it is now.
    pub(super) async fn open(channel: Channel, queue: &str, mut share: Share) -> Result<Self, lapin::Error> {
        let (queue, wanted) = (ShortString::from(queue), share.now());
        let (holders, streams, changing) = (Vec::new(), SelectAll::new(), None);
        let mut subscriptions = Self { channel, queue, share, wanted, holders, streams, changing, next_id: 0 };
        if wanted > 0 {
            let added = add(subscriptions.channel.clone(), subscriptions.queue.clone(), wanted).await?;
            subscriptions.changed(added);
        }
        Ok(subscriptions)
    }

    /// How many deliveries may be unsettled now.
    pub(super) fn wanted(&self) -> u16 {
        self.wanted
    }

    /// The next delivery, or what else is new. Loses nothing when it is dropped.
    pub(super) async fn next(&mut self) -> Result<Next, lapin::Error> {
        loop {
            self.begin_change();
            tokio::select! {
                biased;
                change = under_way(&mut self.changing) => {
                    self.changing = None;
                    let Some(change) = change else { return Ok(Next::Lost("RabbitMQ does not answer")) };
                    self.changed(change?);
                }
                wanted = self.share.changed() => {
                    self.wanted = wanted;
                    return Ok(Next::Prefetch(wanted));
                }
                Some(event) = self.streams.next() => match event {
                    (from, Some(delivery)) => return Ok(Next::Delivery(from, self.delivered(from, delivery?))),
                    (id, None) if self.ended(id) => {}
                    (_, None) => return Ok(Next::Lost("RabbitMQ cancelled the consumer")),
                },
            }
        }
    }

    /// A delivery of this consumer is settled.
    pub(super) fn settled(&mut self, from: ConsumerId) {
        if let Some((holder, _)) = self.holders.iter_mut().find(|(holder, _)| holder.id == from) {
            holder.open = holder.open.saturating_sub(1);
        }
        self.holders.retain(|(holder, _)| !holder.is_over());
    }

    /// Cancels all consumers; then gives what was still on its way, until there is nothing more.
    pub(super) async fn cancel(&mut self) -> Result<(), lapin::Error> {
        if let Some(Some(change)) = OptionFuture::from(self.changing.take()).await {
            self.changed(change?);
        }
        for (holder, tag) in &mut self.holders {
            if !std::mem::replace(&mut holder.cancelled, true) {
                self.channel.basic_cancel(tag.clone(), BasicCancelOptions::default()).await?;
            }
        }
        Ok(())
    }

    /// What was on its way when all were [cancelled](Self::cancel); none when that is all.
    pub(super) async fn last(&mut self) -> Option<(ConsumerId, Delivery)> {
        while let Some(event) = self.streams.next().await {
            // An error is that of the channel, which whatever is done next on it tells.
            if let (from, Some(Ok(delivery))) = event {
                return Some((from, self.delivered(from, delivery)));
            }
        }
        None
    }

    fn begin_change(&mut self) {
        if self.changing.is_some() {
            return;
        }
        self.changing = match step(self.holders.iter().map(|(holder, _)| *holder), self.wanted) {
            None => None,
            Some(Step::Add(prefetch)) => Some(changing(add(self.channel.clone(), self.queue.clone(), prefetch))),
            Some(Step::Cancel(id)) => {
                self.holders.iter_mut().find(|(holder, _)| holder.id == id).map(|(holder, tag)| {
                    holder.cancelled = true;
                    changing(cancel(self.channel.clone(), tag.clone()))
                })
            }
        };
    }

    fn changed(&mut self, change: Change) {
        let Change::Added { consumer, prefetch } = change else { return };
        let id = self.next_id;
        self.next_id += 1;
        self.holders.push((Holder { id, prefetch, open: 0, cancelled: false, ended: false }, consumer.tag()));
        let deliveries = consumer.map(move |delivery| (id, Some(delivery)));
        self.streams.push(deliveries.chain(stream::once(async move { (id, None) })).boxed());
    }

    fn delivered(&mut self, from: ConsumerId, delivery: Delivery) -> Delivery {
        if let Some((holder, _)) = self.holders.iter_mut().find(|(holder, _)| holder.id == from) {
            holder.open += 1;
        }
        delivery
    }

    /// Whether that was wanted.
    fn ended(&mut self, id: ConsumerId) -> bool {
        let Some((holder, _)) = self.holders.iter_mut().find(|(holder, _)| holder.id == id) else { return true };
        holder.ended = true;
        let wanted = holder.cancelled;
        self.holders.retain(|(holder, _)| !holder.is_over());
        wanted
    }
}

async fn add(channel: Channel, queue: ShortString, prefetch: u16) -> Result<Change, lapin::Error> {
    channel.basic_qos(prefetch, BasicQosOptions::default()).await?;
    let (options, tag) = (BasicConsumeOptions::default(), ShortString::default());
    let consumer = channel.basic_consume(queue, tag, options, FieldTable::default()).await?;
    Ok(Change::Added { consumer, prefetch })
}

async fn cancel(channel: Channel, tag: ShortString) -> Result<Change, lapin::Error> {
    channel.basic_cancel(tag, BasicCancelOptions::default()).await?;
    Ok(Change::Cancelled)
}

fn changing(change: impl Future<Output = Result<Change, lapin::Error>> + Send + 'static) -> Changing {
    timeout(CHANGE, change).map(Result::ok).boxed()
}

/// Waits for the change; for ever if there is none.
async fn under_way(changing: &mut Option<Changing>) -> Option<Result<Change, lapin::Error>> {
    match changing {
        Some(changing) => changing.await,
        None => std::future::pending().await,
    }
}
