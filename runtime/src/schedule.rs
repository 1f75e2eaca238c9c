//! Schedules: the same task again and again, at times that a cron line says.
//!
//! What one is, apart from where it is kept (`lifecycle`) and who publishes its ticks (`service`). It is checked once, when it is
//! added, by [`Schedule::new`]. A tick is known by the schedule's name and the tick's time, so that it is the same one
//! whichever runtime finds it due, and however often.

mod line;
mod step;
mod timetable;
mod wall_clock;

use bytesize::ByteSize;
use chrono::{DateTime, SecondsFormat, Utc};
use event_driven::{
    message::{JsonText, JsonTextError},
    names::{TaskName, TaskNameError},
};

pub use self::{
    step::Step,
    timetable::{Timetable, TimetableError},
};

/// The producer of all ticks.
pub const PRODUCER: &str = "warren.schedule";

/// The zone of a schedule that names none.
pub const DEFAULT_ZONE: &str = "UTC";

/// What a message's body has beside its payload, in bytes: the name of the task, and two words.
const AROUND_PAYLOAD: u64 = 128;

/// A schedule that can be kept.
#[derive(Debug, Clone)]
pub struct Schedule {
    /// What it is called: the rules are those of a task's name.
    pub name: TaskName,
    /// When its ticks are.
    pub timetable: Timetable,
    /// The component that each tick asks for; it need not be there yet.
    pub task_name: TaskName,
    /// What each tick's task is given.
    pub payload: JsonText,
}

/// A schedule as somebody asks for it, not checked yet.
#[derive(Debug, Clone, Copy)]
pub struct Draft<'a> {
    /// What it is to be called.
    pub name: &'a str,
    /// Five fields, or six with seconds first.
    pub cron: &'a str,
    /// A name of the IANA database; UTC if nothing is said.
    pub time_zone: Option<&'a str>,
    /// The component that is asked for.
    pub task_name: &'a str,
    /// A JSON text.
    pub payload: &'a str,
}

/// Why there can't be such a schedule. The same draft will be refused again.
#[derive(Debug, thiserror::Error)]
pub enum ScheduleError {
    /// Its name breaks a rule.
    #[error("this can't be a schedule's name, which has the rules of a task's name: {0}")]
    Name(#[source] TaskNameError),
    /// Nothing can have the name of the task.
    #[error("task_name: {0}")]
    TaskName(#[source] TaskNameError),
    /// It says no time.
    #[error(transparent)]
    Timetable(#[from] TimetableError),
    /// The payload can't be carried.
    #[error("payload {0}")]
    Payload(#[source] JsonTextError),
    /// Each tick would write it anew, or no runtime would take its message.
    #[error("payload has {length} bytes, that of a schedule has at most {most}: have the task fetch what is larger")]
    TooLarge {
        /// How many it has.
        length: usize,
        /// How many it may have.
        most: u64,
    },
}

/// Bytes of a payload: many schedules may tick at one moment, and each tick writes its payload twice.
pub const MAX_PAYLOAD: u64 = 64 * 1024;

impl Schedule {
    /// Checks a draft, whose payload has [`MAX_PAYLOAD`] at most; `max_body` is what the body of a message may have.
    ///
    /// # Errors
    /// See [`ScheduleError`].
    pub fn new(draft: Draft<'_>, max_body: ByteSize) -> Result<Self, ScheduleError> {
        let (length, most) = (draft.payload.len(), max_body.as_u64().saturating_sub(AROUND_PAYLOAD).min(MAX_PAYLOAD));
        if length as u64 > most {
            return Err(ScheduleError::TooLarge { length, most });
        }
        Ok(Self {
            name: draft.name.parse().map_err(ScheduleError::Name)?,
            timetable: Timetable::parse(draft.cron, draft.time_zone.unwrap_or(DEFAULT_ZONE))?,
            task_name: draft.task_name.parse().map_err(ScheduleError::TaskName)?,
            payload: JsonText::new(draft.payload).map_err(ScheduleError::Payload)?,
        })
    }
}

/// What the message of a tick is known by: 94 bytes at most.
pub fn message_id(name: &str, tick: DateTime<Utc>) -> String {
    format!("schedule.{name}.{}", tick.to_rfc3339_opts(SecondsFormat::Secs, true))
}

/// Whether two JSON texts are the same but for the white space between their tokens.
pub fn is_same_json(one: &str, other: &str) -> bool {
    tokens(one).eq(tokens(other))
}

/// The text without the white space that stands outside of strings.
fn tokens(json: &str) -> impl Iterator<Item = char> {
    let (mut in_string, mut is_escaped) = (false, false);
    json.chars().filter(move |&c| {
        match c {
            _ if is_escaped => is_escaped = false,
            '\\' => is_escaped = in_string,
            '"' => in_string = !in_string,
            _ => {}
        }
        in_string || !matches!(c, ' ' | '\t' | '\n' | '\r')
    })
}
