//! For how long a task wants to be the only one of its kind: the header `x-unique-for`.

use std::time::Duration;

use lapin::{BasicProperties, types::AMQPValue};

use super::{DecodeError, properties};
use crate::names::{MAX_UNIQUE_FOR, header};

/// For how long no other task like one is to be executed: whole milliseconds, at least one, at most [`MAX_UNIQUE_FOR`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct UniqueFor(Duration);

/// Why a task can't be the only one of its kind for so long.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be longer than nothing and at most {} days", properties::days(MAX_UNIQUE_FOR))]
pub struct NotUniqueFor;

impl UniqueFor {
    /// For this time, rounded up to whole milliseconds.
    ///
    /// # Errors
    /// If it is none, or longer than [`MAX_UNIQUE_FOR`].
    pub fn new(time: Duration) -> Result<Self, NotUniqueFor> {
        let whole = Duration::from_millis(u64::try_from(time.as_nanos().div_ceil(1_000_000)).unwrap_or(u64::MAX));
        match !whole.is_zero() && whole <= MAX_UNIQUE_FOR {
            true => Ok(Self(whole)),
            false => Err(NotUniqueFor),
        }
    }

    /// The time.
    pub const fn time(self) -> Duration {
        self.0
    }

    /// What a message says. No time at all is the same as nothing said.
    pub(super) fn read(of: &BasicProperties) -> Result<Option<Self>, DecodeError> {
        let name = header::UNIQUE_FOR;
        let Some(value) = properties::header_value(of, name) else { return Ok(None) };
        match properties::milliseconds(value, MAX_UNIQUE_FOR) {
            Ok(time) => Ok(Self::new(time).ok()),
            Err(reason) => Err(DecodeError::BadHeader { name, reason }),
        }
    }

    /// The same properties, with what says this.
    pub(super) fn write(self, of: BasicProperties) -> BasicProperties {
        let ms = i64::try_from(self.0.as_millis()).unwrap_or(i64::MAX);
        properties::with_header(of, header::UNIQUE_FOR, AMQPValue::LongLongInt(ms))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(value: AMQPValue) -> Result<Option<UniqueFor>, String> {
        let properties = properties::with_header(BasicProperties::default(), header::UNIQUE_FOR, value);
        UniqueFor::read(&properties).map_err(|error| error.to_string())
    }

    #[test]
    fn a_wrong_time_is_refused_with_the_reason() {
        for (value, told) in [
            (AMQPValue::LongLongInt(-1), "not -1"),
            (AMQPValue::LongLongInt(2_592_000_001), "from 0 to 2592000000 (30 days), not 2592000001"),
            (AMQPValue::LongString("1h".into()), "not \"1h\""),
            (AMQPValue::Boolean(true), "not of AMQP type Boolean"),
        ] {
            let error = read(value).unwrap_err();
            assert!(error.starts_with("header x-unique-for must be a whole number") && error.contains(told), "{error}");
        }
        assert_eq!(read(AMQPValue::LongInt(0)), Ok(None));
        assert_eq!(UniqueFor::new(Duration::ZERO), Err(NotUniqueFor));
        assert_eq!(UniqueFor::new(MAX_UNIQUE_FOR + Duration::from_nanos(1)), Err(NotUniqueFor));
    }

    proptest! {
        #[test]
        fn a_time_is_read_as_it_was_written(ms in 1..=2_592_000_000_u64) {
            let time = UniqueFor::new(Duration::from_millis(ms)).unwrap();
            prop_assert_eq!(UniqueFor::read(&time.write(BasicProperties::default())), Ok(Some(time)));
        }

        #[test]
        fn no_text_makes_it_panic(value: String) {
            let _ = read(AMQPValue::LongString(value.as_str().into()));
        }
    }
}
