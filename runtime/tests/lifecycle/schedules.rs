//! Schedules and their ticks: each once, whoever looks, and whatever the clock does.

use bytesize::ByteSize;
use chrono::{DateTime, SubsecRound, TimeDelta, Utc};
use sea_orm::{ConnectionTrait, Statement, Value};
use tokio::task::JoinSet;
use warren::{
    lifecycle::{Added, Database, DelayedTask, QueryError, ScheduleRow, TaskStatus, id_of_message},
    schedule::{Draft, PRODUCER, Schedule},
};

use crate::database::TestDatabase;

crate::on_both_databases!(
    a_schedule_is_kept_listed_replaced_and_removed,
    a_tick_is_a_message_that_is_due_and_the_row_of_its_task,
    of_those_who_look_at_once_each_tick_is_made_by_one,
    of_ticks_that_were_missed_the_latest_one_is_made,
    a_clock_that_was_set_back_by_little_makes_no_tick_anew,
    a_schedule_that_is_far_ahead_of_the_clock_counts_anew,
    a_tick_that_is_made_twice_is_the_same_task,
    a_schedule_that_can_not_be_read_holds_up_no_other,
    more_schedules_than_are_looked_at_at_once_are_all_served,
);

const EACH_SECOND: &str = "* * * * * *";
const EACH_HOUR: &str = "0 * * * *";
/// No test sees a tick of it.
const EACH_YEAR: &str = "17 3 29 2 *";

fn schedule(name: &str, cron: &str) -> Schedule {
    let draft = Draft { name, cron, time_zone: None, task_name: "echo", payload: r#"{"a": 1.0}"# };
    Schedule::new(draft, ByteSize::mib(1)).unwrap()
}

async fn add(db: &Database, name: &str, cron: &str) -> ScheduleRow {
    assert_eq!(db.add_schedule(&schedule(name, cron), false).await.unwrap(), Added::New);
    row(db, name).await
}

/// A schedule with one time a year, of which this is one; with its next tick at that time.
async fn add_due(db: &Database, name: &str, at: DateTime<Utc>) {
    add(db, name, &at.format("%-S %-M %-H %-d %-m *").to_string()).await;
    set(db, name, &[("next_at", at)]).await;
}

async fn row(db: &Database, name: &str) -> ScheduleRow {
    db.find_schedule(name).await.unwrap().unwrap()
}

/// Sets times of a schedule by hand.
async fn set(db: &Database, name: &str, columns: &[(&str, DateTime<Utc>)]) {
    let changes: Vec<_> = columns.iter().zip(2..).map(|((column, _), n)| format!("{column} = ${n}")).collect();
    let sql = format!("UPDATE schedule SET {} WHERE name = $1", changes.join(", "));
    let values = [Value::from(name)].into_iter().chain(columns.iter().map(|(_, time)| (*time).into()));
    execute(db, &sql, values).await;
}

async fn execute(db: &Database, sql: &str, values: impl IntoIterator<Item = Value>) {
    let writer = db.connection();
    let statement = Statement::from_sql_and_values(writer.get_database_backend(), sql, values);
    assert_eq!(writer.execute_raw(statement).await.unwrap().rows_affected(), 1);
}

/// Makes all ticks that are due, and gives the messages that are to be published then.
async fn ticks(db: &Database) -> Vec<DelayedTask> {
    while db.make_ticks().await.unwrap() {}
    let claim = db.claim_due().await.unwrap();
    let ids: Vec<_> = claim.due.iter().map(|(id, _)| *id).collect();
    let messages = db.delayed(&ids).await.unwrap();
    db.forget_delayed(&claim, &ids).await.unwrap();
    messages
}

fn second(time: DateTime<Utc>) -> DateTime<Utc> {
    time.trunc_subsecs(0)
}

fn name_of(tick: DateTime<Utc>) -> String {
    format!("schedule.s.{}", tick.format("%Y-%m-%dT%H:%M:%SZ"))
}

async fn a_schedule_is_kept_listed_replaced_and_removed(test: TestDatabase) {
    let db = test.connect().await;
    let before = db.clock().now();
    let kept = add(&db, "s", EACH_HOUR).await;
    assert_eq!((kept.cron.as_str(), kept.time_zone.as_str(), kept.last_at), (EACH_HOUR, "UTC", None));
    assert!(kept.next_at > before && kept.next_at <= db.clock().now() + TimeDelta::hours(1), "{kept:?}");
    assert_eq!(db.next_tick().await.unwrap(), Some(kept.next_at));

    let same =
        Draft { name: "s", cron: " 0  * * * * ", time_zone: Some("UTC"), task_name: "echo", payload: "{\"a\":1.0}" };
    let same = Schedule::new(same, ByteSize::mib(1)).unwrap();
    assert_eq!(db.add_schedule(&same, false).await.unwrap(), Added::Same);
    assert_eq!(db.add_schedule(&same, true).await.unwrap(), Added::Same);
    assert_eq!(db.add_schedule(&schedule("s", "1 * * * *"), false).await.unwrap(), Added::Other);
    assert_eq!(row(&db, "s").await, kept);
    assert_eq!(db.add_schedule(&schedule("s", "1 * * * *"), true).await.unwrap(), Added::Replaced);
    assert_eq!(row(&db, "s").await.cron, "1 * * * *");

    for name in ["b", "a", "c"] {
        add(&db, name, EACH_HOUR).await;
    }
    let names = async |limit, after| {
        let list = db.list_schedules(limit, after).await.unwrap();
        list.into_iter().map(|schedule| schedule.name).collect::<Vec<_>>()
    };
    assert_eq!(
        (names(9, None).await, names(2, Some("a")).await),
        (vec!["a".into(), "b".into(), "c".into(), "s".into()], vec!["b".into(), "c".into()])
    );
    assert!(db.remove_schedule("s").await.unwrap() && !db.remove_schedule("s").await.unwrap());
    assert_eq!(db.find_schedule("s").await.unwrap(), None);
    assert_eq!(db.add_schedule(&schedule("s", EACH_HOUR), false).await.unwrap(), Added::New);
}

async fn a_tick_is_a_message_that_is_due_and_the_row_of_its_task(test: TestDatabase) {
    let db = test.connect().await;
    let at = second(db.clock().now());
    add_due(&db, "s", at).await;
    let messages = ticks(&db).await;
    let [message] = messages.as_slice() else { panic!("{messages:?}") };
    assert_eq!(
        (message.due_at, message.message_id.as_str(), message.correlation_id.as_str()),
        (at, &*name_of(at), &*name_of(at))
    );
    assert_eq!((message.task_name.as_str(), message.payload.as_str()), ("echo", r#"{"a": 1.0}"#));
    assert_eq!((message.producer_app.as_str(), message.routing_key.as_str()), (PRODUCER, "routing.task.run.echo"));
    let id = id_of_message(&PRODUCER.parse().unwrap(), &message.message_id.parse().unwrap());
    let task = db.find_task(id).await.unwrap().unwrap();
    assert_eq!(
        (task.status, task.message_id.as_deref(), task.payload.as_deref()),
        (TaskStatus::Pending, Some(&*name_of(at)), Some(r#"{"a": 1.0}"#))
    );
    let after = row(&db, "s").await;
    assert_eq!(after.last_at, Some(at));
    assert!(after.next_at > db.clock().now(), "{after:?}");
    assert_eq!(ticks(&db).await, [], "once");
}

async fn of_those_who_look_at_once_each_tick_is_made_by_one(test: TestDatabase) {
    let (one, other) = (test.connect().await, test.connect().await);
    for n in 0..50 {
        add_due(&one, &format!("s-{n}"), second(one.clock().now())).await;
    }
    let mut looking = JoinSet::new();
    for n in 0..8 {
        let db = if n % 2 == 0 { one.clone() } else { other.clone() };
        looking.spawn(async move {
            // A file of SQLite that is written by another one for long is looked at again, as in the service.
            loop {
                match db.make_ticks().await {
                    Ok(true) => {}
                    Ok(false) => break,
                    Err(QueryError::Unavailable(_)) => tokio::task::yield_now().await,
                    Err(error) => panic!("{error}"),
                }
            }
        });
    }
    looking.join_all().await;
    let mut names: Vec<_> = ticks(&one).await.into_iter().map(|message| message.message_id).collect();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), 50, "{names:?}");
    assert_eq!(ticks(&other).await, []);
}

async fn of_ticks_that_were_missed_the_latest_one_is_made(test: TestDatabase) {
    let db = test.connect().await;
    add(&db, "s", EACH_SECOND).await;
    let hours_ago = second(db.clock().now()) - TimeDelta::hours(5);
    set(&db, "s", &[("next_at", hours_ago), ("last_at", hours_ago - TimeDelta::seconds(1)), ("created_at", hours_ago)])
        .await;
    let before = second(db.clock().now());
    db.make_ticks().await.unwrap();
    let after = second(db.clock().now());
    let claim = db.claim_due().await.unwrap();
    assert_eq!(claim.due.len(), 1, "one, not eighteen thousand");
    let last_at = row(&db, "s").await.last_at.unwrap();
    assert!(before <= last_at && last_at <= after, "{before} {last_at} {after}");

    add(&db, "seldom", "0 3 1 * *").await;
    let year_ago = db.clock().now() - TimeDelta::days(365);
    set(&db, "seldom", &[("next_at", year_ago), ("created_at", year_ago)]).await;
    ticks(&db).await;
    let last_at = row(&db, "seldom").await.last_at.unwrap();
    assert!(last_at > db.clock().now() - TimeDelta::days(32) && last_at.format("%d %T").to_string() == "01 03:00:00");
}

async fn a_clock_that_was_set_back_by_little_makes_no_tick_anew(test: TestDatabase) {
    let db = test.connect().await;
    add(&db, "s", EACH_SECOND).await;
    let ahead = second(db.clock().now()) + TimeDelta::seconds(50);
    set(&db, "s", &[("last_at", ahead), ("next_at", ahead + TimeDelta::seconds(1))]).await;
    assert_eq!(ticks(&db).await, []);
    assert_eq!(db.next_tick().await.unwrap(), Some(ahead + TimeDelta::seconds(1)));
}

async fn a_schedule_that_is_far_ahead_of_the_clock_counts_anew(test: TestDatabase) {
    let db = test.connect().await;
    let years_ahead = second(db.clock().now()) + TimeDelta::days(2_000);
    // One that has ticked while the clock was wrong, and one that was made then.
    for (name, column) in [("s", "last_at"), ("made", "created_at")] {
        add(&db, name, EACH_HOUR).await;
        set(&db, name, &[(column, years_ahead), ("next_at", years_ahead + TimeDelta::hours(1))]).await;
        assert!(db.next_tick().await.unwrap().unwrap() <= db.clock().now(), "{name} is to be looked at");
        assert_eq!(ticks(&db).await, []);
        let anew = row(&db, name).await;
        assert!(anew.next_at <= db.clock().now() + TimeDelta::hours(1) && anew.last_at.is_none(), "{anew:?}");
        assert!(anew.created_at <= db.clock().now() && db.next_tick().await.unwrap() == Some(anew.next_at), "{anew:?}");
        assert!(db.remove_schedule(name).await.unwrap());
    }
}

async fn a_tick_that_is_made_twice_is_the_same_task(test: TestDatabase) {
    let db = test.connect().await;
    let at = second(db.clock().now());
    add_due(&db, "s", at).await;
    for _ in 0..2 {
        set(&db, "s", &[("next_at", at)]).await;
        db.make_ticks().await.unwrap();
    }
    let messages = ticks(&db).await;
    assert_eq!(messages.len(), 1, "{messages:?}");
    let id = messages[0].id_task;
    // It is over; then the clock is set back.
    execute(&db, "UPDATE task_store SET status = 'COMPLETED' WHERE id_task = $1", [id.into()]).await;
    set(&db, "s", &[("next_at", at)]).await;
    let again = ticks(&db).await;
    assert_eq!(again.iter().map(|message| message.id_task).collect::<Vec<_>>(), [id]);
    assert_eq!(db.states_of(&[id]).await.unwrap()[&id].status, TaskStatus::Completed, "whose message is not published");
}

async fn a_schedule_that_can_not_be_read_holds_up_no_other(test: TestDatabase) {
    let db = test.connect().await;
    let long_ago = second(db.clock().now()) - TimeDelta::hours(2);
    let long_name = "x".repeat(300);
    for (name, column, value) in [
        ("no-line", "cron", "nonsense"),
        ("never", "cron", "0 0 30 2 *"),
        ("no-zone", "time_zone", "Moon/Base"),
        ("no-task", "task_name", "../x"),
        ("no-name", "name", &long_name),
    ] {
        add_due(&db, name, long_ago).await;
        let sql = format!("UPDATE schedule SET {column} = $2 WHERE name = $1");
        execute(&db, &sql, [name.into(), value.into()]).await;
    }
    if test.is_postgres() {
        add_due(&db, "no-json", long_ago).await;
        execute(&db, "UPDATE schedule SET payload = $2 WHERE name = $1", ["no-json".into(), r#""\u0000""#.into()])
            .await;
    }
    add_due(&db, "s", second(db.clock().now())).await;
    let messages = ticks(&db).await;
    assert_eq!(messages.iter().map(|message| &message.message_id[..11]).collect::<Vec<_>>(), ["schedule.s."]);
    assert!(db.next_tick().await.unwrap().unwrap() > db.clock().now(), "the others are left alone for a while");
    let list = db.list_schedules(10, None).await.unwrap();
    assert!(list.iter().filter(|row| row.name != "s").all(|row| row.last_at.is_none()), "{list:?}");

    // Somebody has put it right; the hour is over. That it was looked at then makes no tick.
    execute(&db, "UPDATE schedule SET cron = $2 WHERE name = $1", ["never".into(), EACH_YEAR.into()]).await;
    set(&db, "never", &[("next_at", db.clock().now())]).await;
    assert_eq!(ticks(&db).await, []);
    assert!(row(&db, "never").await.next_at > db.clock().now() + TimeDelta::hours(2));
}

async fn more_schedules_than_are_looked_at_at_once_are_all_served(test: TestDatabase) {
    let db = test.connect().await;
    let at = second(db.clock().now());
    for n in 0..70 {
        add_due(&db, &format!("s-{n}"), at).await;
    }
    assert_eq!(ticks(&db).await.len(), 70);
}

#[tokio::test]
async fn what_postgres_can_not_store_is_refused_when_it_is_added() {
    let test = TestDatabase::postgres().await;
    let db = test.connect().await;
    let draft = Draft { name: "s", cron: EACH_HOUR, time_zone: None, task_name: "echo", payload: r#""\u0000""# };
    let refused = db.add_schedule(&Schedule::new(draft, ByteSize::mib(1)).unwrap(), false).await;
    assert!(matches!(refused, Err(QueryError::Refused(_))), "{refused:?}");
    assert_eq!(db.find_schedule("s").await.unwrap(), None);
}
