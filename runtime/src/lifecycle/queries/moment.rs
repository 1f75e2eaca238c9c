//! A time as people say it: a date, or how long ago.

use std::{fmt, str::FromStr, time::Duration};

use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};

/// A moment. Its text is RFC 3339 (`2030-01-31T08:00:00Z`) or a duration (`2h`, `7d`); how long ago counts from now by the
/// database's clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Moment {
    /// This one.
    At(DateTime<Utc>),
    /// So long ago.
    Ago(Duration),
}

impl Moment {
    /// The moment as a time. What lies before 1970 is 1970: nothing is older.
    pub fn resolve(self, now: DateTime<Utc>) -> DateTime<Utc> {
        match self {
            Self::At(at) => at,
            Self::Ago(ago) => TimeDelta::from_std(ago)
                .ok()
                .and_then(|ago| now.checked_sub_signed(ago))
                .unwrap_or(DateTime::UNIX_EPOCH)
                .max(DateTime::UNIX_EPOCH),
        }
    }
}

/// The text is no moment.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is no time: it takes one as 2030-01-31T08:00:00Z, or how long ago that is, as 2h or 7d")]
pub struct InvalidMoment {
    /// What was given.
    pub text: String,
}

impl FromStr for Moment {
    type Err = InvalidMoment;

    fn from_str(text: &str) -> Result<Self, InvalidMoment> {
        if let Ok(at) = DateTime::parse_from_rfc3339(text) {
            return Ok(Self::At(at.to_utc()));
        }
        let ago = humantime::parse_duration(text);
        ago.map(Self::Ago).map_err(|_| InvalidMoment { text: text.to_owned() })
    }
}

impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::At(at) => f.write_str(&at.to_rfc3339_opts(SecondsFormat::AutoSi, true)),
            Self::Ago(ago) => write!(f, "{}", humantime::format_duration(*ago)),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_time_and_a_while_ago_are_moments() {
        let now = DateTime::from_timestamp(2_000_000_000, 0).unwrap();
        let resolve = |text: &str| text.parse::<Moment>().map(|moment| (now - moment.resolve(now)).num_seconds());
        assert_eq!(resolve("2h"), Ok(7200));
        assert_eq!(resolve("1d 1s"), Ok(86_401));
        assert_eq!(resolve("2033-05-18T03:33:10Z"), Ok(10));
        assert_eq!(resolve("2033-05-18T05:33:10+02:00"), Ok(10));
        assert_eq!(resolve("10000000y"), Ok(2_000_000_000), "all of it");
        for text in ["", "yesterday", "2033-05-18", "-2h", "2"] {
            assert!(resolve(text).is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn a_moment_survives_its_text(micros in 0_i64..253_402_300_799_999_999, ago_ms: u64) {
            let at = Moment::At(DateTime::from_timestamp_micros(micros).unwrap());
            prop_assert_eq!(at.to_string().parse(), Ok(at));
            let ago = Moment::Ago(Duration::from_millis(ago_ms));
            prop_assert_eq!(ago.to_string().parse(), Ok(ago));
        }

        #[test]
        fn no_text_makes_it_panic(text: String) {
            let _ = text.parse::<Moment>();
        }
    }
}
