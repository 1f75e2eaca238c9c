//! Times of the day, as a clock at the wall shows them: each comes once a day, also on the days on which the clock is put
//! forward or back.
//!
//! `croner` does the same for a single time of the day, but drops one of a list (`30 2,14 * * *`) on the day on which the clock
//! leaps over it. So it is asked for the times alone, on a calendar without zones, and they are put on the zone's here.

use chrono::{DateTime, NaiveDateTime, TimeDelta, TimeZone, Utc};
use chrono_tz::Tz;
use croner::Cron;

/// No zone is further from UTC, and no leap of a clock is longer.
const FURTHEST: TimeDelta = TimeDelta::hours(26);

/// The first time of the line after `time`.
pub(super) fn next_after(cron: &Cron, zone: Tz, time: DateTime<Utc>) -> Option<DateTime<Utc>> {
    let mut shown = time.with_timezone(&zone).naive_local();
    loop {
        shown = cron.find_next_occurrence(&shown, false).ok()?;
        // What the clock shows for the second time has come. It is passed over, an hour at most.
        let next = moment(zone, shown)?;
        if next > time {
            return Some(next);
        }
    }
}

/// When the clock shows this for the first time, or more for the first time.
fn moment(zone: Tz, shown: NaiveDateTime) -> Option<DateTime<Utc>> {
    match zone.from_local_datetime(&shown).earliest() {
        Some(moment) => Some(moment.to_utc()),
        None => after_the_leap(zone, shown),
    }
}

fn after_the_leap(zone: Tz, shown: NaiveDateTime) -> Option<DateTime<Utc>> {
    let around = shown.and_utc();
    let second = |moment: Option<DateTime<Utc>>| moment.map(|moment| moment.timestamp());
    let mut before = second(around.checked_sub_signed(FURTHEST))?;
    let mut after = second(around.checked_add_signed(FURTHEST))?;
    while after - before > 1 {
        let middle = before + (after - before) / 2;
        let shows = DateTime::from_timestamp(middle, 0)?.with_timezone(&zone).naive_local();
        if shows < shown { before = middle } else { after = middle }
    }
    DateTime::from_timestamp(after, 0)
}
