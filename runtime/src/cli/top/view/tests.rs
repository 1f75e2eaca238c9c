//! What is shown, whole screens.

use chrono::TimeDelta;
use ratatui::{Terminal, backend::TestBackend};
use uuid::Uuid;

use super::*;
use crate::lifecycle::{Failures, Latency, RunningTask};

fn at(seconds: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(1_785_571_200 + seconds, 0).unwrap()
}

fn runtime(n: u32, running: i64, rates: Option<Rates>) -> RuntimeActivity {
    RuntimeActivity {
        runtime_id: format!("019a3b7c-0000-7000-8000-0000{n:08}"),
        service: "warren".into(),
        host: "node-1".into(),
        pid: 4_000 + i64::from(n),
        version: "0.1.0".into(),
        started_at: at(-3_725),
        seen_at: at(-1),
        running,
        rates,
    }
}

fn running(n: u128, seconds: i64, runtime: u32) -> RunningTask {
    RunningTask {
        id_task: Uuid::from_u128(n),
        task_name: Some(if n == 1 { "resize".into() } else { "evil\u{1b}[2J".into() }),
        attempt: 0,
        started_at: Some(at(-seconds)),
        runtime_id: Some(format!("019a3b7c-0000-7000-8000-0000{runtime:08}")),
    }
}

fn busy() -> Activity {
    let rates = Rates { completed_per_s: 18_600.4, failed_per_s: 0.25, cancelled_per_s: 0.0 };
    let failed = |class: &str, count, ago: i64| Failures {
        class: class.into(),
        task_name: Some("resize".into()),
        count,
        last_at: at(-ago),
    };
    Activity {
        at: at(0),
        rates,
        runtimes: vec![runtime(1, 1, Some(rates)), runtime(2, 0, None)],
        running: vec![running(1, 192, 1), running(2, 7, 3)],
        failures: vec![failed("timeout", 1_204, 3), failed("no_such_component", 2, 250)],
        delayed: Waiting { count: 10_000, is_more: true, next_at: Some(at(90)) },
        latency: Some(Latency { tasks: 1_000, p50_us: 1_740, p99_us: 2_100_000 }),
    }
}

fn depth(queue: &str, messages: Option<u32>, consumers: u32) -> Depth {
    Depth { queue: queue.into(), messages, consumers }
}

fn queues_of_warren() -> Told<Vec<Depth>> {
    Told::Known(vec![
        depth("tasks", Some(40_000), 4),
        depth("attempt.0.tasks", Some(3), 0),
        depth("dead.tasks", Some(17), 0),
        depth("event.store", Some(0), 1),
        depth("dead.event.store", None, 0),
    ])
}

fn seen(database: Told<Activity>, queues: Told<Vec<Depth>>) -> Seen {
    let snapshot = Snapshot { at: at(0), database, queues };
    Seen {
        snapshot: Some(snapshot),
        is_paused: false,
        scroll: 0,
        pause: Duration::from_secs(1),
        theme: Theme { has_colour: true },
    }
}

fn drawn(seen: &Seen, width: u16, height: u16) -> String {
    let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
    terminal.draw(|frame| _ = draw(frame, seen)).unwrap();
    terminal.backend().to_string()
}

#[test]
fn a_busy_service_on_a_wide_terminal() {
    insta::assert_snapshot!(drawn(&seen(Told::Known(busy()), queues_of_warren()), 120, 24), @r#"
    "warren top  2026-08-01 08:00:00Z  every 1s                                                                              "
    "COMPLETED 18,600/s   FAILED 0.2/s   CANCELLED 0/s                                                                       "
    "from creation to end: p50 1.7 ms, p99 2.1 s (1,000 tasks)                                                               "
    "                                                                                                                        "
    "QUEUES                                                      FAILED WITHIN 5 MINUTES                                     "
    "queue             messages  consumers                       class              component  tasks  last                   "
    "tasks               40,000          4                       timeout            resize     1,204  3s ago                 "
    "attempt.0.tasks          3          0                       no_such_component  resize         2  4m 10s ago             "
    "dead.tasks              17          0                                                                                   "
    "event.store              0          1                                                                                   "
    "dead.event.store   missing                                                                                              "
    "delayed            10,000+                                                                                              "
    "the next delayed task is due in 1m 30s                                                                                  "
    "                                                                                                                        "
    "RUNTIMES 2                                                                                                              "
    "runtime   running  completed/s  failed/s  up        host     pid  service  version                                      "
    "00000001        1       18,600       0.2  1h 2m 5s  node-1  4001  warren   0.1.0                                        "
    "00000002        0            ?         ?  1h 2m 5s  node-1  4002  warren   0.1.0                                        "
    "                                                                                                                        "
    "RUNNING 2                                                                                                               "
    "   for  component      attempt  runtime          id                                                                     "
    "3m 12s  resize               0  00000001         00000000-0000-0000-0000-000000000001                                   "
    "    7s  evil\u{1b}[2J        0  00000003 (gone)  00000000-0000-0000-0000-000000000002                                   "
    "q quit  p pause  ↑↓ scroll                                                                                              "
    "#);
}

#[test]
fn a_busy_service_on_a_narrow_terminal() {
    insta::assert_snapshot!(drawn(&seen(Told::Known(busy()), queues_of_warren()), 60, 34), @r#"
    "warren top  2026-08-01 08:00:00Z  every 1s                  "
    "COMPLETED 18,600/s   FAILED 0.2/s   CANCELLED 0/s           "
    "from creation to end: p50 1.7 ms, p99 2.1 s (1,000 tasks)   "
    "                                                            "
    "QUEUES                                                      "
    "queue             messages  consumers                       "
    "tasks               40,000          4                       "
    "attempt.0.tasks          3          0                       "
    "dead.tasks              17          0                       "
    "event.store              0          1                       "
    "dead.event.store   missing                                  "
    "delayed            10,000+                                  "
    "the next delayed task is due in 1m 30s                      "
    "                                                            "
    "FAILED WITHIN 5 MINUTES                                     "
    "class              component  tasks  last                   "
    "timeout            resize     1,204  3s ago                 "
    "no_such_component  resize         2  4m 10s ago             "
    "                                                            "
    "RUNTIMES 2                                                  "
    "runtime   running  completed/s  failed/s  up        host    "
    "00000001        1       18,600       0.2  1h 2m 5s  node-1  "
    "00000002        0            ?         ?  1h 2m 5s  node-1  "
    "                                                            "
    "RUNNING 2                                                   "
    "   for  component      attempt  runtime          id         "
    "3m 12s  resize               0  00000001         00000000-00"
    "    7s  evil\u{1b}[2J        0  00000003 (gone)  00000000-00"
    "                                                            "
    "                                                            "
    "                                                            "
    "                                                            "
    "                                                            "
    "q quit  p pause  ↑↓ scroll                                  "
    "#);
}

#[test]
fn nothing_goes_on_and_no_broker_is_known() {
    let nothing = Activity {
        rates: Rates::default(),
        runtimes: Vec::new(),
        running: Vec::new(),
        failures: Vec::new(),
        delayed: Waiting::default(),
        latency: None,
        ..busy()
    };
    let unset = Told::Unknown { unknown: "RABBITMQ_URL is not set".into() };
    insta::assert_snapshot!(drawn(&seen(Told::Known(nothing), unset), 100, 20), @r#"
    "warren top  2026-08-01 08:00:00Z  every 1s                                                          "
    "COMPLETED 0/s   FAILED 0/s   CANCELLED 0/s                                                          "
    "from creation to end: no task was made and ended within the last minute                             "
    "                                                                                                    "
    "QUEUES                                            FAILED WITHIN 5 MINUTES                           "
    "queue    messages  consumers                      none                                              "
    "delayed         0                                                                                   "
    "queues are unknown: RABBITMQ_URL is not set                                                         "
    "                                                                                                    "
    "RUNTIMES 0                                                                                          "
    "none                                                                                                "
    "                                                                                                    "
    "RUNNING 0                                                                                           "
    "none                                                                                                "
    "                                                                                                    "
    "                                                                                                    "
    "                                                                                                    "
    "                                                                                                    "
    "                                                                                                    "
    "q quit  p pause  ↑↓ scroll                                                                          "
    "#);
}

#[test]
fn the_database_is_away() {
    let away =
        "no connection to the database at postgres://warren:***@db/warren: Connection refused; check that it runs";
    insta::assert_snapshot!(drawn(&seen(Told::Unknown { unknown: away.into() }, queues_of_warren()), 80, 16), @r#"
    "warren top  2026-08-01 08:00:00Z  every 1s                                      "
    "what the database knows is unknown: no connection to the database at            "
    "postgres://warren:***@db/warren: Connection refused; check that it runs         "
    "                                                                                "
    "QUEUES                                                                          "
    "queue             messages  consumers                                           "
    "tasks               40,000          4                                           "
    "attempt.0.tasks          3          0                                           "
    "dead.tasks              17          0                                           "
    "event.store              0          1                                           "
    "dead.event.store   missing                                                      "
    "                                                                                "
    "                                                                                "
    "                                                                                "
    "                                                                                "
    "q quit  p pause  ↑↓ scroll                                                      "
    "#);
}

#[test]
fn what_does_not_fit_is_scrolled_to_and_no_further() {
    let mut seen = Seen { scroll: 1_000, is_paused: true, ..seen(Told::Known(busy()), queues_of_warren()) };
    let mut terminal = Terminal::new(TestBackend::new(60, 8)).unwrap();
    let mut scroll = 0;
    terminal.draw(|frame| scroll = draw(frame, &seen)).unwrap();
    insta::assert_snapshot!(terminal.backend(), @r#"
    "warren top  2026-08-01 08:00:00Z  PAUSED                    "
    "00000002        0            ?         ?  1h 2m 5s  node-1  "
    "                                                            "
    "RUNNING 2                                                   "
    "   for  component      attempt  runtime          id         "
    "3m 12s  resize               0  00000001         00000000-00"
    "    7s  evil\u{1b}[2J        0  00000003 (gone)  00000000-00"
    "q quit  p pause  ↑↓ scroll                                  "
    "#);
    assert!(scroll < 1_000);
    seen.scroll = 0;
    assert!(drawn(&seen, 60, 8).contains("lines more below"));
    assert!(drawn(&Seen { snapshot: None, ..seen }, 60, 8).contains("looking"));
}

#[test]
fn no_size_is_too_small() {
    let seen = seen(Told::Known(busy()), queues_of_warren());
    for (width, height) in [(1, 1), (1, 50), (200, 1), (3, 2), (7, 4), (99, 3), (100, 3)] {
        drawn(&seen, width, height);
    }
    let unknown = Told::Unknown { unknown: String::new() };
    drawn(&self::seen(Told::Unknown { unknown: "x".repeat(300) }, unknown), 1, 1);
}

#[test]
fn without_colour_there_is_none() {
    let mut seen = seen(Told::Known(busy()), queues_of_warren());
    let colours = |seen: &Seen| {
        let mut terminal = Terminal::new(TestBackend::new(120, 30)).unwrap();
        terminal.draw(|frame| _ = draw(frame, seen)).unwrap();
        terminal.backend().buffer().content().iter().filter(|cell| cell.fg != Color::Reset).count()
    };
    assert!(colours(&seen) > 0);
    seen.theme.has_colour = false;
    assert_eq!(colours(&seen), 0);
}

#[test]
fn times_and_numbers_are_told_as_people_read_them() {
    assert_eq!(["0", "12", "1234", "1234567"].map(thousands), ["0", "12", "1,234", "1,234,567"]);
    assert_eq!([0.0, 0.25, 9.94, 10.4, 18_600.4].map(rate), ["0", "0.2", "9.9", "10", "18,600"]);
    assert_eq!(
        [0, 999, 1_740, 12_345, 999_999, 2_100_000, 1_234_567_890].map(took),
        ["0 µs", "999 µs", "1.7 ms", "12 ms", "999 ms", "2.1 s", "1,234.5 s"]
    );
    assert_eq!(age(TimeDelta::seconds(-5)), "0s");
    assert_eq!(age(TimeDelta::seconds(2 * 24 * 60 * 60 + 65)), "2days 1m");
}
