//! Publishes the copy of a delivery to its retry queue or dead-letter queue, as often as it takes.

use std::sync::Arc;

use super::{FIRST_PAUSE, Link, Original, Settlement, Source, ticket::Tag};
use crate::{
    backoff::Backoff,
    message::{dead_properties, retry_properties},
    names::DEFAULT_EXCHANGE,
    publisher::{Publication, PublishError},
    topology::Declaration,
};

/// What copying needs; the same for all copies of a session.
#[derive(Debug)]
pub(super) struct Context {
    pub(super) link: Arc<Link>,
    pub(super) source: Arc<Source>,
    pub(super) plan: Vec<Declaration>,
}

/// Publishes the copy until RabbitMQ has confirmed it, and gives the tag of the original, which may then be acked. Goes
/// on for as long as the session lives: without the copy the original must not leave its queue.
pub(super) async fn copy(context: Arc<Context>, tag: Tag, original: Original, settlement: Settlement) -> Tag {
    let copy = Arc::new(publication(&context, original, &settlement));
    let mut backoff = Backoff::starting_at(FIRST_PAUSE);
    while let Err(error) = context.link.copies.publish_shared(Arc::clone(&copy)).await {
        tracing::warn!(%error, queue = copy.routing_key, "the copy of a message is not in its queue yet; trying again");
        if matches!(error, PublishError::Disconnected(_)) {
            context.link.notice(error.to_string());
        }
        tokio::time::sleep(backoff.pause()).await;
        if matches!(error, PublishError::Unroutable { .. } | PublishError::Refused(_))
            && let Err(error) = context.link.declare(&context.plan).await
        {
            tracing::warn!(%error, "the queue for copies can't be declared");
        }
    }
    tag
}

fn publication(context: &Context, original: Original, settlement: &Settlement) -> Publication {
    let Original { routing_key: key, properties, body } = original;
    let (source, max_bytes) = (&context.source, context.link.max_header_bytes());
    if let Settlement::Retry { attempt, error } = settlement
        && let Some(queue) = source.waits_in(*attempt)
    {
        let properties = retry_properties(&properties, &key, *attempt, error, max_bytes);
        return Publication::new(DEFAULT_EXCHANGE, queue, properties, body);
    }
    let error = match settlement {
        Settlement::Retry { error, .. } | Settlement::DeadLetter { error } => error.as_str(),
        Settlement::Ack | Settlement::Release => "",
    };
    let properties = dead_properties(&properties, &key, error, max_bytes);
    Publication::new(&source.dead_exchange, &source.dead_key, properties, body)
}
