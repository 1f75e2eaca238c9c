//! Publishes some messages on one channel and judges RabbitMQ's answers when all are there.

use std::sync::Arc;

use futures_util::future::join_all;
use lapin::{
    BasicProperties, Channel, Confirmation, ErrorKind, PublisherConfirm, message::BasicReturnMessage,
    options::BasicPublishOptions, types::ShortString,
};

use super::{Publication, PublishError};

/// One result for each publication, in the same order. [`PublishError::Refused`] if the channel was closed before the
/// answer: any message of the round may be the cause.
pub(super) async fn publish(channel: &Channel, publications: &[Arc<Publication>]) -> Vec<Result<(), PublishError>> {
    let sent = join_all(publications.iter().map(|publication| send(channel, publication))).await;
    let mut answers = Vec::with_capacity(sent.len());
    for confirm in sent {
        answers.push(match confirm {
            Ok(confirm) => confirm.await,
            Err(error) => Err(error),
        });
    }
    judge(publications, answers)
}

async fn send(channel: &Channel, publication: &Publication) -> Result<PublisherConfirm, lapin::Error> {
    let options = BasicPublishOptions { mandatory: publication.mandatory, ..BasicPublishOptions::default() };
    let short = |name: &str| ShortString::try_new(name).unwrap_or_default();
    channel
        .basic_publish(
            short(&publication.exchange),
            short(&publication.routing_key),
            options,
            &publication.body,
            publication.properties.clone(),
        )
        .await
}

/// lapin hands a returned message to whichever confirm is resolved next, not to the one that it belongs to. RabbitMQ
/// returns a message before it confirms it, so at the end of a round all returns have been handed to somebody; each is
/// given here to a publication that is equal to it. Which of two equal ones does not matter.
fn judge(
    publications: &[Arc<Publication>],
    answers: Vec<Result<Confirmation, lapin::Error>>,
) -> Vec<Result<(), PublishError>> {
    let mut returned = Vec::new();
    let mut results = Vec::with_capacity(answers.len());
    for (answer, publication) in answers.into_iter().zip(publications) {
        results.push(match answer {
            Ok(Confirmation::Ack(message)) => {
                returned.extend(message);
                Ok(())
            }
            Ok(Confirmation::Nack(message)) => {
                returned.extend(message);
                Err(PublishError::nacked(publication))
            }
            Ok(Confirmation::NotRequested) => Err(PublishError::Refused("the channel has no confirms".to_owned())),
            Err(error) if closed_channel(&error) => Err(PublishError::Refused(error.to_string())),
            Err(error) => Err(PublishError::Disconnected(error.to_string())),
        });
    }
    for message in returned {
        let owner = publications
            .iter()
            .zip(&mut results)
            .find(|(publication, result)| publication.mandatory && result.is_ok() && is_same(publication, &message));
        match owner {
            Some((publication, result)) => *result = Err(PublishError::unroutable(publication)),
            // RabbitMQ changed it on its way back: rather publish some twice than lose one.
            None => unroutable_by_key(publications, &mut results, &message),
        }
    }
    results
}

/// Whether the error is of the channel alone.
fn closed_channel(error: &lapin::Error) -> bool {
    error.is_amqp_soft_error() || matches!(error.kind(), ErrorKind::InvalidChannelState(..))
}

fn unroutable_by_key(
    publications: &[Arc<Publication>],
    results: &mut [Result<(), PublishError>],
    message: &BasicReturnMessage,
) {
    for (publication, result) in publications.iter().zip(results) {
        let same_way = publication.exchange == message.delivery.exchange.as_str()
            && publication.routing_key == message.delivery.routing_key.as_str();
        if publication.mandatory && same_way && result.is_ok() {
            *result = Err(PublishError::unroutable(publication));
        }
    }
}

fn is_same(publication: &Publication, message: &BasicReturnMessage) -> bool {
    publication.routing_key == message.delivery.routing_key.as_str()
        && publication.exchange == message.delivery.exchange.as_str()
        && publication.body == message.delivery.data
        && shown(&publication.properties) == shown(&message.delivery.properties)
}

/// Properties can't be compared themselves: a header that is NaN would differ from itself.
fn shown(properties: &BasicProperties) -> String {
    format!("{properties:?}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn publication(key: &str, body: &'static str) -> Arc<Publication> {
        Arc::new(Publication::new("e", key, BasicProperties::default(), body.into()))
    }

    #[test]
    fn without_returns_the_answers_stand() {
        let publications = [publication("a", "1"), publication("a", "2")];
        let results = judge(&publications, vec![Ok(Confirmation::Ack(None)), Ok(Confirmation::Nack(None))]);
        assert!(results[0].is_ok());
        assert!(matches!(results[1], Err(PublishError::Nacked { .. })));
    }
}
