//! `[retention]`: how long rows are kept of what is over.

use std::{fmt, str::FromStr, time::Duration};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};

/// `[retention]`: what a runtime deletes by itself. One runtime at a time does so, once an hour.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Retention {
    /// How long tasks are kept that are COMPLETED, FAILED or CANCELLED, with their attempts: `30d`, from 1h on, or `forever`.
    /// What is not over is always kept. A message whose task was deleted is executed if it comes again.
    pub tasks: Kept,
    /// How long events are kept: as above.
    pub events: Kept,
}

/// For how long something is kept. As text a duration, or `forever`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Kept {
    /// Until somebody deletes it.
    #[default]
    Forever,
    /// For so long.
    For(Duration),
}

impl fmt::Display for Kept {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Forever => f.write_str("forever"),
            Self::For(time) => write!(f, "{}", humantime::format_duration(*time)),
        }
    }
}

impl FromStr for Kept {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            // A variable without its value deletes nothing.
            "" | "forever" => Ok(Self::Forever),
            text => humantime::parse_duration(text)
                .map(Self::For)
                .map_err(|error| format!("takes a duration like 30d, or forever, not {text:?}: {error}")),
        }
    }
}

impl Serialize for Kept {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Kept {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_is_said_as_a_duration_or_forever() {
        let day = Kept::For(Duration::from_secs(24 * 60 * 60));
        for (text, kept) in [("forever", Kept::Forever), ("", Kept::Forever), ("1day", day), ("24h", day)] {
            assert_eq!(text.parse(), Ok(kept), "{text}");
        }
        for kept in [Kept::Forever, day] {
            assert_eq!(kept.to_string().parse(), Ok(kept));
        }
        assert!("30".parse::<Kept>().unwrap_err().contains("30d"), "a number alone says no unit");
    }
}
