//! Reads what RabbitMQ says of a thing that exists with another argument.
//!
//! The text is all there is: AMQP can't ask for the arguments of a queue. RabbitMQ names one argument at a time:
//! `PRECONDITION_FAILED - inequivalent arg 'x-message-ttl' for queue 'q' in vhost '/': received the value '3000' of type
//! 'long' but current is none`.

use std::fmt;

use super::Argument;

/// One argument in which an existing thing differs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mismatch {
    /// The argument: `type`, `durable`, `x-message-ttl`.
    pub argument: String,
    /// What was asked for, as RabbitMQ writes it.
    pub wanted: Current,
    /// What it is.
    pub current: Current,
}

/// The value of an argument, as told by RabbitMQ.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Current {
    /// The thing does not have the argument.
    None,
    /// It has this value.
    Value {
        /// The value.
        text: String,
        /// Its AMQP type, if told: `longstr`, `long`, `signedint`.
        amqp_type: Option<String>,
    },
    /// The text was cut before it (AMQP allows it 255 bytes).
    Untold,
}

impl From<&Argument> for Current {
    fn from(argument: &Argument) -> Self {
        let (text, amqp_type) = match argument {
            Argument::Text(text) => (text.clone(), "longstr"),
            Argument::Number(number) => (number.to_string(), "long"),
            Argument::Flag(flag) => (flag.to_string(), "bool"),
        };
        Self::Value { text, amqp_type: Some(amqp_type.to_owned()) }
    }
}

impl Mismatch {
    /// Reads the text of RabbitMQ's refusal; `None` if it says something else.
    pub fn parse(text: &str) -> Option<Self> {
        let (_, rest) = text.split_once("inequivalent arg '")?;
        let (argument, rest) = rest.split_once('\'')?;
        let (wanted, current) = match rest.split_once("': received ") {
            Some((_, values)) => values.split_once(" but current is ").unwrap_or((values, "")),
            None => ("", ""),
        };
        Some(Self { argument: argument.to_owned(), wanted: Current::parse(wanted), current: Current::parse(current) })
    }
}

impl Current {
    /// The value; `None` if there is none or it was not told.
    pub fn text(&self) -> Option<&str> {
        match self {
            Self::Value { text, .. } => Some(text),
            Self::None | Self::Untold => None,
        }
    }

    /// The value of a flag.
    pub(super) fn flag(&self) -> Option<bool> {
        self.text()?.parse().ok()
    }

    fn parse(text: &str) -> Self {
        let value = |text: &str, amqp_type: Option<&str>| Self::Value {
            text: text.to_owned(),
            amqp_type: amqp_type.map(str::to_owned),
        };
        if text == "none" {
            return Self::None;
        }
        if let Some(rest) = text.strip_prefix("the value '") {
            let whole = rest.strip_suffix('\'').and_then(|rest| rest.rsplit_once("' of type '"));
            return match (whole, rest.rsplit_once("' of t")) {
                (Some((text, amqp_type)), _) => value(text, Some(amqp_type)),
                // Cut in the type.
                (None, Some((text, _))) => value(text, None),
                (None, None) => Self::Untold,
            };
        }
        match text.strip_prefix('\'').and_then(|rest| rest.strip_suffix('\'')) {
            Some(text) => value(text, None),
            None => Self::Untold,
        }
    }
}

impl fmt::Display for Current {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => f.write_str("none"),
            Self::Value { text, .. } => write!(f, "'{text}'"),
            Self::Untold => f.write_str("something that RabbitMQ's message has no room for"),
        }
    }
}

/// `x-message-ttl is none instead of '3000'`
impl fmt::Display for Mismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} is {} instead of {}", self.argument, self.current, self.wanted)
    }
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::*, sample::select};

    use super::*;

    fn value(text: &str, amqp_type: Option<&str>) -> Current {
        Current::Value { text: text.to_owned(), amqp_type: amqp_type.map(str::to_owned) }
    }

    #[test]
    fn the_forms_that_rabbitmq_writes() {
        let parse = |rest: &str| Mismatch::parse(&format!("PRECONDITION_FAILED - inequivalent arg {rest}")).unwrap();
        let mismatch =
            parse("'type' for exchange 'task.exchange' in vhost '/': received 'direct' but current is 'topic'");
        assert_eq!(mismatch.argument, "type");
        assert_eq!((mismatch.wanted, mismatch.current), (value("direct", None), value("topic", None)));
        let mismatch = parse(
            "'x-message-ttl' for queue 'it's' in vhost '/': received the value '3000' of type 'long' but current is none",
        );
        assert_eq!((&mismatch.wanted, &mismatch.current), (&value("3000", Some("long")), &Current::None));
        assert_eq!(mismatch.to_string(), "x-message-ttl is none instead of '3000'");
        let mismatch =
            parse("'x-max-length' for queue 'q' in vhost '/': received none but current is the value '5' of ty");
        assert_eq!((mismatch.wanted, mismatch.current), (Current::None, value("5", None)));
        let mismatch = parse("'x-max-length' for queue 'q' in vhost '/': received none but current is the value '5");
        assert_eq!((mismatch.wanted, mismatch.current), (Current::None, Current::Untold));
        assert_eq!(parse("'durable' for queue 'a very long").current, Current::Untold);
        assert_eq!(Mismatch::parse("NOT_FOUND - no queue 'q' in vhost '/'"), None);
    }

    const WHOLE: &str = "PRECONDITION_FAILED - inequivalent arg 'x-message-ttl' for queue 'attempt.0.ü' in vhost '/': \
                         received the value '3000' of type 'long' but current is the value '77' of type 'signedint'";

    proptest! {
        #[test]
        fn no_text_makes_it_panic(parts in vec(prop_oneof![
            any::<String>(),
            select(vec!["inequivalent arg '", "'", "': received ", " but current is ", "the value '", "' of type '", "none"])
                .prop_map(str::to_owned),
        ], 0..12)) {
            Mismatch::parse(&parts.concat());
        }

        #[test]
        fn a_text_that_is_cut_never_tells_another_value(at in 0..WHOLE.len()) {
            let cut: String = WHOLE.chars().take(at).collect();
            if let Some(mismatch) = Mismatch::parse(&cut) {
                prop_assert_eq!(mismatch.argument, "x-message-ttl");
                prop_assert!(matches!(mismatch.wanted.text(), None | Some("3000")));
                prop_assert!(matches!(mismatch.current.text(), None | Some("77")));
            }
        }
    }
}
