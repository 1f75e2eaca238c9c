//! When the ticks of a schedule are: a cron line, and the zone whose clock it means.

use chrono::{DateTime, Utc};
use chrono_tz::Tz;
use croner::{
    Cron,
    errors::CronError,
    parser::{CronParser, Seconds},
};

use super::{line::Line, wall_clock};

/// A longer name is no zone's, and is not repeated to who has asked.
const LONGEST_ZONE: usize = 64;

/// The times of a schedule, to the second. They do not depend on when the schedule was made.
///
/// Where clocks are put forward or back: a line whose second, minute and hour are said without `*` means times of the day. One
/// that the clock leaps over comes at the first moment after that, one that the clock shows twice comes the first time. Any
/// other line means moments: it comes whenever the clock shows one of its times, and so twice or not at all.
#[derive(Debug, Clone)]
pub struct Timetable {
    /// The line, with one space between its fields.
    line: String,
    cron: Cron,
    is_wall_clock: bool,
    zone: Tz,
}

/// Why a cron line and a zone say no times.
#[derive(Debug, thiserror::Error)]
pub enum TimetableError {
    /// It has not the form of a cron line.
    #[error("this is no cron line, of 5 fields (minute hour day month weekday) or 6 with the second first: {reason}")]
    Unreadable {
        /// What is wrong with it.
        reason: String,
    },
    /// It has the form, and no time is such a one.
    #[error("the cron line {line:?} never comes: there is no such day")]
    Never {
        /// The line.
        line: String,
    },
    /// There is no such zone.
    #[error("time_zone {name:?} is no zone of the IANA database: a name as Europe/Berlin or UTC is needed")]
    UnknownZone {
        /// The name, or its beginning.
        name: String,
    },
}

impl Timetable {
    /// Reads a cron line and the name of a zone.
    ///
    /// # Errors
    /// See [`TimetableError`].
    pub fn parse(line: &str, zone: &str) -> Result<Self, TimetableError> {
        let unreadable = |reason| TimetableError::Unreadable { reason };
        let Line { text: line, is_wall_clock } = Line::parse(line).map_err(unreadable)?;
        let parser = CronParser::builder().seconds(Seconds::Optional).build();
        let cron = parser.parse(&line).map_err(|error| unreadable(reason(error)))?;
        let timetable = Self { line, cron, is_wall_clock, zone: zone_of(zone)? };
        // Without a year in the line, what comes at all has come since then.
        match timetable.next_after(DateTime::UNIX_EPOCH) {
            Some(_) => Ok(timetable),
            None => Err(TimetableError::Never { line: timetable.line }),
        }
    }

    /// The cron line, with one space between its fields.
    pub fn cron(&self) -> &str {
        &self.line
    }

    /// The zone's name.
    pub fn time_zone(&self) -> &'static str {
        self.zone.name()
    }

    /// The first time after `time`; `None` if there is none before the year 5000.
    pub fn next_after(&self, time: DateTime<Utc>) -> Option<DateTime<Utc>> {
        if self.is_wall_clock {
            return wall_clock::next_after(&self.cron, self.zone, time);
        }
        let next = self.cron.find_next_occurrence(&time.with_timezone(&self.zone), false);
        next.ok().map(|next| next.to_utc())
    }

    /// The latest time from `earliest` to `now`; `None` if there is none.
    pub(super) fn latest(&self, earliest: DateTime<Utc>, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
        // Halved, second by second: it may be years, of a tick each second. At the first second after which nothing comes up
        // to now, the latest has just come.
        let comes_after = |second: i64| {
            let next = DateTime::from_timestamp(second, 0).and_then(|time| self.next_after(time));
            next.is_some_and(|next| next <= now)
        };
        let (mut before, mut after) = (earliest.timestamp() - 1, now.timestamp());
        if !comes_after(before) {
            return None;
        }
        while after - before > 1 {
            let middle = before + (after - before) / 2;
            if comes_after(middle) { before = middle } else { after = middle }
        }
        DateTime::from_timestamp(after, 0)
    }
}

fn zone_of(name: &str) -> Result<Tz, TimetableError> {
    let shown = name.get(..name.floor_char_boundary(LONGEST_ZONE)).unwrap_or_default();
    name.parse().map_err(|_| TimetableError::UnknownZone { name: shown.to_owned() })
}

/// What the parser says, as the end of a sentence.
fn reason(error: CronError) -> String {
    let said = match error {
        CronError::InvalidPattern(said) | CronError::IllegalCharacters(said) | CronError::ComponentError(said) => said,
        error => error.to_string(),
    };
    let (first, rest) = said.split_at_checked(1).unwrap_or_default();
    format!("{}{}", first.to_lowercase(), rest.trim_end_matches('.'))
}
