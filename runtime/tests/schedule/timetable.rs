//! When ticks are: what lines mean, where clocks are put forward and back, and which lines are none.

use chrono::{DateTime, Utc};
use proptest::prelude::*;
use warren::schedule::Timetable;

fn utc(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

/// The next ticks, as that zone's clock shows them, with what it is ahead of UTC by.
fn next(line: &str, zone: &str, after: &str, count: usize) -> Vec<String> {
    let timetable = Timetable::parse(line, zone).unwrap();
    let tz: chrono_tz::Tz = zone.parse().unwrap();
    let ticks = std::iter::successors(timetable.next_after(utc(after)), |last| timetable.next_after(*last));
    ticks.take(count).map(|tick| tick.with_timezone(&tz).format("%d %H:%M:%S%:::z").to_string()).collect()
}

#[test]
fn what_lines_mean() {
    let after = "2026-11-26T08:00:00Z"; // a Thursday
    for (line, first, second) in [
        ("* * * * *", "26 08:01:00", "26 08:02:00"),
        ("* * * * * *", "26 08:00:01", "26 08:00:02"),
        ("*/20 * * * * *", "26 08:00:20", "26 08:00:40"),
        ("30 3 * * *", "27 03:30:00", "28 03:30:00"),
        ("30 0 3 * * *", "27 03:00:30", "28 03:00:30"),
        ("0 9-17/4 * * mon-fri", "26 09:00:00", "26 13:00:00"),
        ("0 0 * * SUN", "29 00:00:00", "06 00:00:00"),
        ("0 0 * * 7", "29 00:00:00", "06 00:00:00"),
        ("0 0 L * *", "30 00:00:00", "31 00:00:00"),
        ("0 0 LW * *", "30 00:00:00", "31 00:00:00"),
        ("0 0 * * 5L", "27 00:00:00", "25 00:00:00"),
        ("0 0 * DEC TUE#2", "08 00:00:00", "14 00:00:00"),
        ("0 0 1 * +MON", "01 00:00:00", "01 00:00:00"),
        // As everywhere: one of the two is enough.
        ("0 0 1 * MON", "30 00:00:00", "01 00:00:00"),
        ("0 0 29 2 *", "29 00:00:00", "29 00:00:00"),
    ] {
        assert_eq!(next(line, "UTC", after, 2), [format!("{first}+00"), format!("{second}+00")], "{line}");
    }
}

#[test]
fn a_time_of_the_day_that_the_clock_leaps_over_comes_at_the_first_moment_after_it() {
    // On 2026-03-29 the clock in Berlin goes from 02:00 to 03:00.
    let next = |line| next(line, "Europe/Berlin", "2026-03-28T00:59:59Z", 3);
    assert_eq!(next("30 2 * * *"), ["28 02:30:00+01", "29 03:00:00+02", "30 02:30:00+02"]);
    assert_eq!(next("0 2 * * *"), ["28 02:00:00+01", "29 03:00:00+02", "30 02:00:00+02"]);
    assert_eq!(next("15 30 2 * * *"), ["28 02:30:15+01", "29 03:00:00+02", "30 02:30:15+02"]);
    assert_eq!(next("30 2,14 * * *"), ["28 02:30:00+01", "28 14:30:00+01", "29 03:00:00+02"]);
    // Several that fall together are one, also with one that is right then.
    assert_eq!(next("10,50 2 * * *"), ["28 02:10:00+01", "28 02:50:00+01", "29 03:00:00+02"]);
    assert_eq!(next("0 2-3 * * *"), ["28 02:00:00+01", "28 03:00:00+01", "29 03:00:00+02"]);
    let around = |line| self::next(line, "Europe/Berlin", "2026-03-29T00:15:00Z", 3);
    assert_eq!(around("0 2-3 * * *"), ["29 03:00:00+02", "30 02:00:00+02", "30 03:00:00+02"]);
    // The hour before is not moved.
    assert_eq!(around("30 1 * * *"), ["29 01:30:00+01", "30 01:30:00+02", "31 01:30:00+02"]);
}

#[test]
fn a_time_of_the_day_that_the_clock_shows_twice_comes_the_first_time() {
    // On 2026-10-25 the clock in Berlin goes from 03:00 to 02:00.
    let next = |line| next(line, "Europe/Berlin", "2026-10-24T12:00:00Z", 3);
    assert_eq!(next("30 2 * * *"), ["25 02:30:00+02", "26 02:30:00+01", "27 02:30:00+01"]);
    assert_eq!(next("30 1-3 * * *"), ["25 01:30:00+02", "25 02:30:00+02", "25 03:30:00+01"]);
    assert_eq!(next("0,30 2 * * *"), ["25 02:00:00+02", "25 02:30:00+02", "26 02:00:00+01"]);
    // Asked in the hour that comes again: it has come.
    assert_eq!(self::next("30 2 * * *", "Europe/Berlin", "2026-10-25T01:10:00Z", 1), ["26 02:30:00+01"]);
}

#[test]
fn what_has_a_star_in_its_time_of_the_day_goes_on_in_real_time() {
    let berlin = |line, after, count| next(line, "Europe/Berlin", after, count);
    let spring = "2026-03-29T00:15:00Z";
    assert_eq!(berlin("*/30 * * * *", spring, 3), ["29 01:30:00+01", "29 03:00:00+02", "29 03:30:00+02"]);
    assert_eq!(berlin("0 * * * *", spring, 2), ["29 03:00:00+02", "29 04:00:00+02"]);
    assert_eq!(berlin("0 */2 * * *", spring, 2), ["29 04:00:00+02", "29 06:00:00+02"]);
    let autumn = "2026-10-25T00:15:00Z";
    let expected = ["25 02:30:00+02", "25 02:00:00+01", "25 02:30:00+01", "25 03:00:00+01"];
    assert_eq!(berlin("*/30 * * * *", autumn, 4), expected);
    assert_eq!(berlin("0 * * * *", autumn, 2), ["25 02:00:00+01", "25 03:00:00+01"]);
    // No second is left out, none comes twice.
    for around in ["2026-03-29T00:59:50Z", "2026-10-25T00:59:50Z", "2026-10-25T01:59:50Z"] {
        let timetable = Timetable::parse("* * * * * *", "Europe/Berlin").unwrap();
        let mut last = utc(around);
        for _ in 0..20 {
            let next = timetable.next_after(last).unwrap();
            assert_eq!((next - last).num_seconds(), 1, "{around}");
            last = next;
        }
    }
}

#[test]
fn clocks_that_are_not_put_by_a_whole_hour_or_at_midnight() {
    // Lord Howe: by half an hour, at 02:00. Beirut: at midnight.
    let howe = next("15 2 * * *", "Australia/Lord_Howe", "2026-10-03T00:00:00Z", 2);
    assert_eq!(howe, ["04 02:30:00+11", "05 02:15:00+11"]);
    let beirut = next("0 0 * * *", "Asia/Beirut", "2026-03-28T00:00:00Z", 2);
    assert_eq!(beirut, ["29 01:00:00+03", "30 00:00:00+03"]);
}

#[test]
fn what_is_no_line_is_refused_with_the_reason() {
    let full = "0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,\
                30,31,32,33,34,35,36,37,38,39,40,41,42,43,44,45,46,47,48,49,50,51,52,53,54,55,56,57,58,59";
    assert!(Timetable::parse(&format!("{full} * * * * *"), "UTC").is_ok());
    let too_long = format!("{full} {full} * * * *");
    for (line, told) in [
        ("", "it has 0 fields"),
        ("@daily", "it has 1 fields"),
        ("* * * *", "it has 4 fields"),
        ("* * * * * * *", "it has 7 fields"),
        ("60 * * * *", r#""60" is no minute (0 to 59)"#),
        ("* 24 * * *", r#""24" is no hour (0 to 23)"#),
        ("* * 0 * *", r#""0" is no day of the month (1 to 31)"#),
        ("* * * 13 *", r#""13" is no month (1 to 12, JAN to DEC)"#),
        ("* * * * 8", r#""8" is no weekday (0 to 7, SUN to SAT)"#),
        ("60 * * * * *", r#""60" is no second (0 to 59)"#),
        ("JAN * * * *", "is no minute"),
        ("* * * JANFEB *", "is no month"),
        ("* * * MON *", "is no month"),
        ("* * * * MONDAY", "is no weekday"),
        ("* * , * *", "is no day of the month"),
        ("1,,2 * * * *", "is no minute"),
        ("*/ * * * *", "is no minute"),
        ("*/0 * * * *", "step cannot be zero"),
        ("5-1 * * * *", "range out of bounds"),
        ("1-2-3 * * * *", "invalid range syntax"),
        ("* * * * fr\u{131}", "is no weekday"),
        ("\u{0}", "it has 1 fields"),
        (&too_long, "at most 255 are allowed"),
        ("0 0 30 2 *", r#"the cron line "0 0 30 2 *" never comes"#),
        ("0 0 31 4,6,9,11 *", "never comes"),
        ("0 0 * * 1#9", "is no weekday"),
    ] {
        let error = Timetable::parse(line, "UTC").unwrap_err().to_string();
        assert!(error.contains(told), "{line:?}: {error}");
    }
    for zone in ["", "Berlin", "europe/berlin", "+02:00", "Europe/Berlin ", "\u{0}", &"é".repeat(1000)] {
        let error = Timetable::parse("* * * * *", zone).unwrap_err().to_string();
        assert!(error.contains("is no zone of the IANA database") && error.len() < 300, "{zone}: {error}");
    }
}

proptest! {
    #[test]
    fn no_text_makes_it_panic(line in "[0-9*/,#LW?+A-Za-z -]{0,40}", any: String) {
        let _ = Timetable::parse(&line, "Europe/Berlin");
        let _ = Timetable::parse(&any, &any);
    }

    #[test]
    fn each_next_time_comes_later_and_nothing_comes_in_between(
        minute in "[0-9]|[1-5][0-9]|\\*|\\*/[1-9]|[0-9],[3-5][0-9]",
        hour in "[0-9]|1[0-9]|2[0-3]|\\*|\\*/[2-5]|1-3|[12],[3-9]",
        day in "\\*|[1-9]|2[0-9]|L",
        seconds in 1_700_000_000_i64..1_900_000_000,
        later in 0_i64..500_000,
    ) {
        let timetable = Timetable::parse(&format!("{minute} {hour} {day} * *"), "Europe/Berlin").unwrap();
        let time = DateTime::from_timestamp(seconds, 0).unwrap();
        let next = timetable.next_after(time).unwrap();
        prop_assert!(next > time);
        // Whoever asks between the two is told the same.
        let between = time + chrono::TimeDelta::seconds(later % (next - time).num_seconds());
        prop_assert_eq!(timetable.next_after(between), Some(next));
    }
}
