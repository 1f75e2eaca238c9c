//! When a task is to be executed: the headers `x-delay-ms` and `x-run-at`.

use std::time::{Duration, SystemTime};

use chrono::{DateTime, SecondsFormat, Utc};
use lapin::{BasicProperties, types::AMQPValue};

use super::{DecodeError, properties};
use crate::names::{MAX_TASK_DELAY, header};

/// When a task is to be executed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Start {
    /// As soon as somebody can.
    #[default]
    AtOnce,
    /// So long after the service has got its message; whole milliseconds, at most [`MAX_TASK_DELAY`].
    After(Duration),
    /// At this time; one that has passed is at once.
    At(DateTime<Utc>),
}

/// Why a task can't wait for so long.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("is more than {} days ahead: {asked}", properties::days(MAX_TASK_DELAY))]
pub struct TooFarAhead {
    asked: String,
}

impl Start {
    /// After this time, rounded up to whole milliseconds.
    ///
    /// # Errors
    /// If it is longer than [`MAX_TASK_DELAY`].
    pub fn after(delay: Duration) -> Result<Self, TooFarAhead> {
        let whole = Duration::from_millis(u64::try_from(delay.as_nanos().div_ceil(1_000_000)).unwrap_or(u64::MAX));
        match whole <= MAX_TASK_DELAY {
            true => Ok(Self::After(whole)),
            false => Err(TooFarAhead { asked: format!("{} s", delay.as_secs()) }),
        }
    }

    /// At this time.
    ///
    /// # Errors
    /// If that is further ahead than [`MAX_TASK_DELAY`], by this machine's clock.
    pub fn at(at: DateTime<Utc>) -> Result<Self, TooFarAhead> {
        match at.signed_duration_since(DateTime::<Utc>::from(SystemTime::now())).to_std() {
            Ok(delay) if delay > MAX_TASK_DELAY => {
                Err(TooFarAhead { asked: at.to_rfc3339_opts(SecondsFormat::Secs, true) })
            }
            Ok(_) | Err(_) => Ok(Self::At(at)),
        }
    }

    /// What a message says.
    pub(super) fn read(of: &BasicProperties) -> Result<Self, DecodeError> {
        let (delay, run_at) =
            (properties::header_value(of, header::DELAY), properties::header_value(of, header::RUN_AT));
        match (delay, run_at) {
            (None, None) => Ok(Self::AtOnce),
            (Some(delay), None) => properties::milliseconds(delay, MAX_TASK_DELAY)
                .map(Self::After)
                .map_err(|reason| bad(header::DELAY, reason)),
            (None, Some(run_at)) => read_run_at(run_at)
                .and_then(|at| Self::at(at).map_err(|error| error.to_string()))
                .map_err(|reason| bad(header::RUN_AT, reason)),
            (Some(_), Some(_)) => Err(bad(header::DELAY, format!("stands beside {}: one of them", header::RUN_AT))),
        }
    }

    /// The same properties, with what says this.
    pub(super) fn write(self, of: BasicProperties) -> BasicProperties {
        let (name, value) = match self {
            Self::AtOnce => return of,
            // Whole milliseconds within the bound fit.
            Self::After(delay) => {
                (header::DELAY, AMQPValue::LongLongInt(i64::try_from(delay.as_millis()).unwrap_or(i64::MAX)))
            }
            Self::At(at) => {
                let text = at.to_rfc3339_opts(SecondsFormat::Millis, true);
                (header::RUN_AT, AMQPValue::LongString(text.into()))
            }
        };
        properties::with_header(of, name, value)
    }
}

fn bad(name: &'static str, reason: String) -> DecodeError {
    DecodeError::BadHeader { name, reason }
}

fn read_run_at(value: &AMQPValue) -> Result<DateTime<Utc>, String> {
    let Some(text) = properties::text(value) else {
        return Err(format!(
            "must be a text as 2030-01-31T08:00:00Z (RFC 3339), not of AMQP type {}",
            value.get_type()
        ));
    };
    DateTime::parse_from_rfc3339(text).map(|at| at.to_utc()).map_err(|error| {
        format!("must be a time as 2030-01-31T08:00:00Z (RFC 3339), not {:?}: {error}", properties::shown(text))
    })
}

#[cfg(test)]
mod tests {
    use lapin::types::FieldTable;
    use proptest::prelude::*;

    use super::*;

    fn read(headers: &[(&str, AMQPValue)]) -> Result<Start, String> {
        let mut table = FieldTable::default();
        for (name, value) in headers {
            table.insert((*name).into(), value.clone());
        }
        Start::read(&BasicProperties::default().with_headers(table)).map_err(|error| error.to_string())
    }

    fn text(text: &str) -> AMQPValue {
        AMQPValue::LongString(text.into())
    }

    #[test]
    fn delays_of_every_integer_type_and_as_text_are_read() {
        let second = Start::After(Duration::from_secs(1));
        for value in [AMQPValue::ShortInt(1000), AMQPValue::LongInt(1000), AMQPValue::LongLongInt(1000), text("1000")] {
            assert_eq!(read(&[(header::DELAY, value)]), Ok(second));
        }
        assert_eq!(read(&[(header::DELAY, AMQPValue::LongLongInt(2_592_000_000))]), Ok(Start::After(MAX_TASK_DELAY)));
        assert_eq!(read(&[]), Ok(Start::AtOnce));
    }

    #[test]
    fn a_wrong_delay_is_refused_with_the_reason() {
        let hundred_years = 100 * 365 * 24 * 3600 * 1000;
        for (value, told) in [
            (AMQPValue::LongLongInt(-1), "not -1"),
            (AMQPValue::LongLongInt(2_592_000_001), "not 2592000001"),
            (AMQPValue::LongLongInt(hundred_years), "(30 days), not"),
            (AMQPValue::Double(1e99), "not of AMQP type Double"),
            (text("1e99"), "not \"1e99\""),
            (text(""), "not \"\""),
            (text("5s"), "not \"5s\""),
            (AMQPValue::Boolean(true), "not of AMQP type Boolean"),
        ] {
            let error = read(&[(header::DELAY, value)]).unwrap_err();
            assert!(error.starts_with("header x-delay-ms must be a whole number") && error.contains(told), "{error}");
        }
    }

    #[test]
    fn times_are_read_with_their_offset_and_those_that_are_none_are_refused() {
        let at = read(&[(header::RUN_AT, text("2020-01-01T02:00:00+02:00"))]);
        assert_eq!(at, Ok(Start::At("2020-01-01T00:00:00Z".parse().unwrap())), "one that has passed is a time");
        for (value, told) in [
            (text("2020-01-01 00:00"), "(RFC 3339), not \"2020-01-01 00:00\""),
            (text("2020-01-01T00:00:00"), "(RFC 3339), not"),
            (text("2999-01-01T00:00:00Z"), "is more than 30 days ahead: 2999"),
            (AMQPValue::Timestamp(7), "not of AMQP type Timestamp"),
        ] {
            let error = read(&[(header::RUN_AT, value)]).unwrap_err();
            assert!(error.starts_with("header x-run-at ") && error.contains(told), "{error}");
        }
        let both = [(header::RUN_AT, text("2020-01-01T00:00:00Z")), (header::DELAY, AMQPValue::LongInt(1))];
        assert_eq!(read(&both), Err("header x-delay-ms stands beside x-run-at: one of them".into()));
    }

    proptest! {
        #[test]
        fn a_start_is_read_as_it_was_written(ms in 0..2_592_000_000_u64, past in 0..1_700_000_000_000_i64) {
            let at = DateTime::from_timestamp_millis(past).unwrap();
            for start in [Start::AtOnce, Start::After(Duration::from_millis(ms)), Start::At(at)] {
                prop_assert_eq!(Start::read(&start.write(BasicProperties::default())), Ok(start));
            }
        }

        #[test]
        fn no_text_makes_it_panic(value: String) {
            let _ = read(&[(header::DELAY, text(&value))]);
            let _ = read(&[(header::RUN_AT, text(&value))]);
        }
    }
}
