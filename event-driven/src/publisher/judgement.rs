//! What became of the messages of a round.
//!
//! RabbitMQ's returns carry no number, only the message itself, and lapin hands a returned message to whichever confirm is
//! resolved next. RabbitMQ returns a message before it confirms it. So only when all returns have been handed out it is
//! known what a confirm means; then each return is given to a message of the round that is equal to it, confirmed or not.
//! Which of two equal ones does not matter.

use std::sync::Arc;

use lapin::BasicProperties;

use super::{Publication, PublishError};

/// What came for one message.
#[derive(Debug)]
pub(super) struct Answer {
    /// What was said of it.
    pub(super) result: Result<(), PublishError>,
    /// What was handed out with it: a message of the round that no queue got.
    pub(super) returned: Option<Returned>,
}

/// A message as RabbitMQ gave it back.
#[derive(Debug)]
pub(super) struct Returned {
    pub(super) exchange: String,
    pub(super) routing_key: String,
    pub(super) properties: BasicProperties,
    pub(super) body: Vec<u8>,
}

/// The messages of one round.
#[derive(Debug)]
pub(super) struct Judgement {
    messages: Vec<Message>,
    returned: Vec<Returned>,
}

#[derive(Debug)]
struct Message {
    publication: Arc<Publication>,
    result: Option<Result<(), PublishError>>,
    told: bool,
}

impl Judgement {
    pub(super) fn new(publications: impl Iterator<Item = Arc<Publication>>) -> Self {
        let message = |publication| Message { publication, result: None, told: false };
        Self { messages: publications.map(message).collect(), returned: Vec::new() }
    }

    /// The answer to message number `index` came.
    pub(super) fn record(&mut self, index: usize, answer: Answer) {
        self.returned.extend(answer.returned);
        if let Some(message) = self.messages.get_mut(index) {
            // It may be known already that it was returned.
            message.result.get_or_insert(answer.result);
        }
    }

    /// A message of the round came back with an answer to something else.
    pub(super) fn returned(&mut self, returned: Returned) {
        self.returned.push(returned);
    }

    /// What became of each message of which that is known, by number; none is given twice. To be called when all returns
    /// that will be handed out are recorded.
    pub(super) fn known(&mut self) -> Vec<(usize, Result<(), PublishError>)> {
        self.give_back();
        let mut known = Vec::new();
        for (index, message) in self.messages.iter_mut().enumerate().filter(|(_, message)| !message.told) {
            if let Some(result) = message.result.clone() {
                message.told = true;
                known.push((index, result));
            }
        }
        known
    }

    /// Gives each message that was returned to the one that it is.
    fn give_back(&mut self) {
        for returned in std::mem::take(&mut self.returned) {
            let mut possible = self.messages.iter_mut().filter(|message| message.may_be_unroutable());
            match possible.find(|message| returned.is(&message.publication)) {
                Some(message) => message.be_unroutable(),
                // RabbitMQ changed it on its way back: rather publish some twice than lose one.
                None => {
                    let same_way = self.messages.iter_mut().filter(|message| {
                        message.may_be_unroutable() && returned.went_the_way_of(&message.publication)
                    });
                    same_way.for_each(Message::be_unroutable);
                }
            }
        }
    }
}

impl Message {
    fn may_be_unroutable(&self) -> bool {
        self.publication.mandatory && !self.told && self.result.as_ref().is_none_or(Result::is_ok)
    }

    fn be_unroutable(&mut self) {
        self.result = Some(Err(PublishError::unroutable(&self.publication)));
    }
}

impl Returned {
    fn went_the_way_of(&self, publication: &Publication) -> bool {
        publication.exchange == self.exchange && publication.routing_key == self.routing_key
    }

    fn is(&self, publication: &Publication) -> bool {
        self.went_the_way_of(publication)
            && publication.body == self.body
            && shown(&publication.properties) == shown(&self.properties)
    }
}

/// Properties can't be compared themselves: a header that is NaN would differ from itself.
fn shown(properties: &BasicProperties) -> String {
    format!("{properties:?}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judgement(bodies: &[&'static str]) -> Judgement {
        let publication = |body: &&'static str| Publication::new("e", "k", BasicProperties::default(), (*body).into());
        Judgement::new(bodies.iter().map(publication).map(Arc::new))
    }

    fn returned(body: &str) -> Option<Returned> {
        let (exchange, routing_key) = ("e".to_owned(), "k".to_owned());
        Some(Returned { exchange, routing_key, properties: BasicProperties::default(), body: body.into() })
    }

    fn ack(returned: Option<Returned>) -> Answer {
        Answer { result: Ok(()), returned }
    }

    /// `1+` for one that arrived, `1-` for one that did not.
    fn shown(told: &[(usize, Result<(), PublishError>)]) -> Vec<String> {
        told.iter().map(|(index, result)| format!("{index}{}", if result.is_ok() { '+' } else { '-' })).collect()
    }

    #[test]
    fn without_returns_each_answer_stands() {
        let mut judgement = judgement(&["a", "b", "c"]);
        judgement.record(2, ack(None));
        assert_eq!(shown(&judgement.known()), ["2+"]);
        assert_eq!(shown(&judgement.known()), [""; 0]);
        judgement.record(0, Answer { result: Err(PublishError::gone()), returned: None });
        judgement.record(1, ack(None));
        assert_eq!(shown(&judgement.known()), ["0-", "1+"]);
    }

    #[test]
    fn a_return_is_given_to_the_message_that_it_is_whatever_it_came_with() {
        let mut judgement = judgement(&["a", "b", "c", "d"]);
        judgement.record(0, ack(returned("b")));
        judgement.returned(returned("d").unwrap());
        // The confirms of "b" and "d" are still to come.
        assert_eq!(shown(&judgement.known()), ["0+", "1-", "3-"]);
        for index in [1, 2, 3] {
            judgement.record(index, ack(None));
        }
        assert_eq!(shown(&judgement.known()), ["2+"]);
    }

    #[test]
    fn of_equal_messages_one_that_was_told_is_not_meant() {
        let mut judgement = judgement(&["a", "a"]);
        judgement.record(0, ack(None));
        assert_eq!(shown(&judgement.known()), ["0+"]);
        judgement.record(1, ack(returned("a")));
        assert_eq!(shown(&judgement.known()), ["1-"]);
    }

    #[test]
    fn a_return_that_is_like_none_makes_all_that_went_its_way_unroutable() {
        let mut judgement = judgement(&["a", "b"]);
        judgement.record(0, ack(returned("changed on its way")));
        judgement.record(1, ack(None));
        assert_eq!(shown(&judgement.known()), ["0-", "1-"]);
    }
}
