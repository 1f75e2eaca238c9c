//! Whatever order deliveries are settled in, over several channels, while links are cut and the prefetch changes: no message
//! leaves its queue before it is settled as done, or its copy is in another one.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, reason = "a test may panic")]
#![allow(unreachable_pub, reason = "modules that several tests share")]

#[path = "support/proxy.rs"]
mod proxy;
#[path = "support/seed.rs"]
mod seed;
#[path = "support/service.rs"]
mod service;
#[path = "support/vhost.rs"]
#[allow(clippy::cast_possible_truncation, reason = "a test may cut")]
mod vhost;

use std::{
    collections::{BTreeMap, BTreeSet},
    num::NonZeroU16,
    time::Duration,
};

use event_driven::{
    client::{Client, ClientSettings, RawDelivery, Settlement, Source},
    lapin::{Channel, options::BasicGetOptions},
    names::{Attempt, Priority},
    publisher::{Publication, Publisher},
    topology::{self, QueueType, TopologySettings},
};
use proxy::Proxy;
use seed::Seed;
use service::{LONG, channel, depth, settings, within};
use vhost::Vhost;

const COUNT: usize = 1_000;
const PREFETCH: NonZeroU16 = NonZeroU16::new(60).unwrap();
const RETRY_QUEUE: &str = "attempt.0.tasks";
const DEAD_QUEUE: &str = "dead.tasks";

/// What was decided so far.
#[derive(Default)]
struct Decisions {
    /// Done, and committed; whatever comes of these again is acked.
    committed: BTreeSet<usize>,
    /// The queues that a copy was asked for into.
    copies: BTreeMap<usize, BTreeSet<&'static str>>,
}

impl Decisions {
    /// Settles it in one of the ways that there are.
    fn settle(&mut self, delivery: RawDelivery, seed: &mut Seed) {
        let id = id(&delivery.body);
        let error = "e".to_owned();
        let settlement = match seed.below(10) {
            _ if self.committed.contains(&id) => Settlement::Ack,
            0..=4 => {
                self.committed.insert(id);
                Settlement::Ack
            }
            5 | 6 => {
                self.copies.entry(id).or_default().insert(RETRY_QUEUE);
                Settlement::Retry { attempt: Attempt::new(1), error }
            }
            7 => {
                self.copies.entry(id).or_default().insert(DEAD_QUEUE);
                Settlement::DeadLetter { error }
            }
            8 => Settlement::Release,
            // Its handler panicked, or its commit failed.
            _ => return drop(delivery),
        };
        delivery.settle(settlement);
    }
}

fn id(body: &[u8]) -> usize {
    std::str::from_utf8(body).unwrap().parse().unwrap()
}

async fn all_of(channel: &Channel, queue: &str) -> BTreeSet<usize> {
    let mut ids = BTreeSet::new();
    while let Some(message) = channel.basic_get(queue.into(), BasicGetOptions { no_ack: true }).await.unwrap() {
        ids.insert(id(&message.data));
    }
    ids
}

async fn nothing_leaves_its_queue_unsettled(queue_type: QueueType) {
    let (vhost, mut seed) = (Vhost::create(), Seed::new());
    let proxy = Proxy::start(vhost.server()).await;
    // What waits for its retry stays where it is.
    let queues = TopologySettings { queue_type, retry_delay: Duration::from_secs(600), ..TopologySettings::default() };
    let by_proxy = ClientSettings { topology: queues.clone(), ..settings("warren", &vhost.url_by(proxy.port)) };
    let client = Client::connect_with(by_proxy, topology::plan(&queues)).await.unwrap();
    let direct = Client::connect_with(settings("shop", &vhost.url()), Vec::new()).await.unwrap();
    let message = |n: usize| Publication::new("", "tasks", Default::default(), n.to_string().into());
    for published in Publisher::new(&direct).publish_all((0..COUNT).map(message)).await {
        published.unwrap();
    }
    let mut deliveries = client.consume(Source::tasks(Priority::Normal, 3, PREFETCH, NonZeroU16::new(4).unwrap()));
    let (prefetch, (_connection, channel)) = (deliveries.prefetch(), channel(&vhost).await);
    let (mut decisions, mut held, mut cuts) = (Decisions::default(), Vec::new(), 0);
    loop {
        let patience = Duration::from_millis(if held.is_empty() { 5_000 } else { 20 });
        match tokio::time::timeout(patience, deliveries.recv()).await {
            Ok(delivery) => held.push(delivery.unwrap()),
            Err(_) if !held.is_empty() => decisions.settle(held.swap_remove(seed.below(held.len())), &mut seed),
            // Nothing comes any more.
            Err(_) if depth(&channel, "tasks").await == 0 => break,
            Err(_) => {}
        }
        while held.len() > seed.below(40) {
            decisions.settle(held.swap_remove(seed.below(held.len())), &mut seed);
        }
        match seed.below(150) {
            0 if cuts < 10 => {
                cuts += 1;
                proxy.cut();
            }
            1..=3 => prefetch.set(seed.pick(&[3, 10, 59, 60])),
            _ => {}
        }
    }
    assert!(within(client.close(LONG)).await);
    let left = depth(&channel, "tasks").await;
    let found = [(RETRY_QUEUE, all_of(&channel, RETRY_QUEUE).await), (DEAD_QUEUE, all_of(&channel, DEAD_QUEUE).await)];
    for n in 0..COUNT {
        let copies = decisions.copies.get(&n).into_iter().flatten();
        let has_copy = copies.clone().any(|queue| found.iter().any(|(name, ids)| name == queue && ids.contains(&n)));
        assert!(decisions.committed.contains(&n) || has_copy, "{n} is missing; copies asked for: {copies:?}");
    }
    eprintln!("{cuts} cuts, {} committed, {} copied", decisions.committed.len(), decisions.copies.len());
    assert_eq!(left, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn no_message_leaves_a_quorum_queue_unsettled() {
    nothing_leaves_its_queue_unsettled(QueueType::Quorum).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_message_leaves_a_classic_queue_unsettled() {
    nothing_leaves_its_queue_unsettled(QueueType::Classic).await;
}
