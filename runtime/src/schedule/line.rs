//! Whether a text has the form of a cron line, before the parser has it.
//!
//! The parser replaces names of months and weekdays wherever they stand and skips what is empty, so that `JANFEB` would be
//! December and `,` a day that never comes. What passes here is read by it as it was meant, or refused by it with a reason.

use std::ops::RangeInclusive;

/// The longest line, in bytes: all sixty seconds, one by one, and more.
pub(super) const MAX_LENGTH: usize = 255;

const MONTHS: [&str; 12] = ["JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"];
const WEEKDAYS: [&str; 7] = ["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"];

/// What a field means, in the order of a line of six.
const FIELDS: [Field; 6] = [Field::Second, Field::Minute, Field::Hour, Field::DayOfMonth, Field::Month, Field::Weekday];

#[derive(Debug, Clone, Copy)]
enum Field {
    Second,
    Minute,
    Hour,
    DayOfMonth,
    Month,
    Weekday,
}

/// A line of the right form.
#[derive(Debug)]
pub(super) struct Line {
    /// Its fields, with one space between them.
    pub(super) text: String,
    /// Whether the time of day is said without `*`: then the line means times on a clock at the wall.
    pub(super) is_wall_clock: bool,
}

impl Line {
    /// # Errors
    /// What is wrong with it.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        if text.len() > MAX_LENGTH {
            return Err(format!("it has {} bytes, at most {MAX_LENGTH} are allowed", text.len()));
        }
        let fields: Vec<&str> = text.split_ascii_whitespace().collect();
        let meanings = match fields.len() {
            5 => FIELDS.get(1..),
            6 => FIELDS.get(..),
            count => return Err(format!("it has {count} fields")),
        };
        let mut is_wall_clock = true;
        for (field, text) in meanings.into_iter().flatten().zip(&fields) {
            if !field.takes(text) {
                return Err(format!("{text:?} is no {}", field.told()));
            }
            is_wall_clock &= !(field.is_of_the_day() && text.contains('*'));
        }
        Ok(Self { text: fields.join(" "), is_wall_clock })
    }
}

impl Field {
    fn told(self) -> &'static str {
        match self {
            Self::Second => "second (0 to 59)",
            Self::Minute => "minute (0 to 59)",
            Self::Hour => "hour (0 to 23)",
            Self::DayOfMonth => "day of the month (1 to 31)",
            Self::Month => "month (1 to 12, JAN to DEC)",
            Self::Weekday => "weekday (0 to 7, SUN to SAT)",
        }
    }

    fn numbers(self) -> RangeInclusive<u8> {
        match self {
            Self::Second | Self::Minute => 0..=59,
            Self::Hour => 0..=23,
            Self::DayOfMonth => 1..=31,
            Self::Month => 1..=12,
            Self::Weekday => 0..=7,
        }
    }

    fn is_of_the_day(self) -> bool {
        match self {
            Self::Second | Self::Minute | Self::Hour => true,
            Self::DayOfMonth | Self::Month | Self::Weekday => false,
        }
    }

    fn takes(self, text: &str) -> bool {
        let text = match self {
            Self::Weekday => text.strip_prefix('+').unwrap_or(text),
            Self::Second | Self::Minute | Self::Hour | Self::DayOfMonth | Self::Month => text,
        };
        text.split(',').all(|item| {
            let (range, step) = item.split_once('/').unwrap_or((item, "1"));
            let is_step = matches!(step.len(), 1..=2) && step.bytes().all(|byte| byte.is_ascii_digit());
            is_step && range.split(['-', '#']).all(|word| self.takes_word(word))
        })
    }

    fn takes_word(self, word: &str) -> bool {
        let is_number = |word: &str| is_number(word, self.numbers());
        let is_one_of = |names: &[&str], word: &str| names.iter().any(|name| name.eq_ignore_ascii_case(word));
        let is_last = |word: &str| word.eq_ignore_ascii_case("L");
        let before = |suffix: char| word.strip_suffix([suffix, suffix.to_ascii_lowercase()]);
        word == "*"
            || is_number(word)
            || match self {
                Self::Second | Self::Minute | Self::Hour => false,
                Self::Month => is_one_of(&MONTHS, word),
                Self::DayOfMonth => {
                    word == "?" || is_last(word) || before('W').is_some_and(|day| is_number(day) || is_last(day))
                }
                Self::Weekday => {
                    let is_day = |day: &str| is_number(day) || is_one_of(&WEEKDAYS, day);
                    word == "?" || is_day(word) || is_last(word) || before('L').is_some_and(is_day)
                }
            }
    }
}

fn is_number(word: &str, numbers: RangeInclusive<u8>) -> bool {
    let is_plain = matches!(word.len(), 1..=2) && word.bytes().all(|byte| byte.is_ascii_digit());
    is_plain && word.parse().is_ok_and(|number| numbers.contains(&number))
}
