//! A row that the database refuses: alone told so, and storable in another form.

use std::{sync::Arc, time::Duration};

use tokio::{task::JoinSet, time::timeout};
use warren::lifecycle::{EventRow, Health, RecordError, Recorder, TaskFilter, TaskRow, TaskStatus};

use crate::{
    database::TestDatabase,
    rows::{completed, event, id, pending},
};

const PATIENCE: Duration = Duration::from_secs(60);

/// A number that `jsonb` can't hold: more than 131,072 digits before the point.
fn endless_number() -> String {
    format!("{{\"n\": {}}}", "9".repeat(200_000))
}

fn with_result(n: usize, result: &str) -> TaskRow {
    TaskRow { result: Some(result.into()), ..completed(n, 0, 1) }
}

fn with_payload(n: usize, payload: &str) -> TaskRow {
    TaskRow { payload: Some(payload.into()), ..completed(n, 0, 1) }
}

fn reason(answer: Result<(), RecordError>) -> String {
    match answer {
        Err(RecordError::Refused { reason }) => reason,
        other => panic!("not refused: {other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_does_not_wait_is_told_when_the_row_is_committed_or_refused() {
    let test = TestDatabase::postgres().await;
    let db = test.connect().await;
    let recorder = Recorder::start(&db);
    let (told, mut answers) = tokio::sync::mpsc::unbounded_channel();
    for (n, row) in
        [completed(0, 0, 1), with_result(1, &endless_number()), with_result(2, r#""\u0000""#)].into_iter().enumerate()
    {
        let told = told.clone();
        recorder.record_then(row.into(), move |answer| drop(told.send((n, answer)))).await;
    }
    drop(told);
    let mut refused = Vec::new();
    while let Some((n, answer)) = timeout(PATIENCE, answers.recv()).await.unwrap() {
        match answer {
            Ok(()) => assert_eq!(db.find_task(id(n)).await.unwrap().unwrap().status, TaskStatus::Completed),
            answer => refused.push((n, reason(answer))),
        }
    }
    refused.sort_unstable();
    assert_eq!(refused.iter().map(|(n, _)| *n).collect::<Vec<_>>(), [1, 2], "{refused:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn one_refused_row_among_five_hundred_holds_back_none_of_them() {
    let test = TestDatabase::postgres().await;
    let db = test.connect().await;
    let recorder = Recorder::start(&db);
    let mut callers = JoinSet::new();
    for n in 0..501 {
        let recorder = recorder.clone();
        callers.spawn(async move {
            let row = if n == 250 { with_result(n, &endless_number()) } else { completed(n, 0, 1) };
            (n, recorder.record(row).await)
        });
    }
    while let Some(answer) = callers.join_next().await {
        match answer.unwrap() {
            (250, answer) => assert_eq!(reason(answer), "value overflows numeric format"),
            (n, answer) => assert_eq!(answer, Ok(()), "{n}"),
        }
    }
    assert_eq!(db.list_tasks(&TaskFilter::default(), 1_000, None).await.unwrap().len(), 500);
    assert_eq!(*recorder.health().borrow(), Health::Healthy);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_postgres_refuses_is_stored_in_another_form() {
    let test = TestDatabase::postgres().await;
    let db = test.connect().await;
    let recorder = Recorder::start(&db);
    recorder.record(pending(1)).await.unwrap();
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    let cases = [
        with_result(1, &endless_number()),
        with_result(1, r#""\u0000""#),
        with_result(1, r#"{"not": json}"#),
        with_result(1, &deep),
        // Too long for an index: random, because what repeats is compressed.
        TaskRow { correlation_id: Some(incompressible(20_000).into()), ..completed(1, 0, 1) },
    ];
    for row in cases {
        let reason = reason(recorder.record(row.clone()).await);
        recorder.record(row.storable(&reason)).await.unwrap();
        let stored = db.find_task(id(1)).await.unwrap().unwrap();
        assert_eq!(stored.status, TaskStatus::Failed);
        assert_eq!(stored.error.unwrap(), format!("unstorable: the database refused the row: {reason}").into());
        assert_eq!(stored.payload, pending(1).payload, "what was stored before stays");
        assert!(stored.finished_at.is_some() && stored.result.is_none());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_kind_of_refused_row_leaves_the_good_ones_of_its_flush_alone() {
    let test = TestDatabase::postgres().await;
    let db = test.connect().await;
    let recorder = Recorder::start(&db);
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    for (kind, refused) in [r#""\u0000""#.to_owned(), "1e200000".to_owned(), endless_number(), deep].iter().enumerate()
    {
        let (first, bad) = (1_000 * kind, 1_000 * kind + 50);
        let mut callers = JoinSet::new();
        for n in first..first + 101 {
            let recorder = recorder.clone();
            let row = if n == bad { with_payload(n, refused) } else { completed(n, 0, 1) };
            callers.spawn(async move { (n, recorder.record(row).await) });
        }
        let answers = callers.join_all().await;
        let (good, refusals): (Vec<_>, Vec<_>) = answers.into_iter().partition(|(n, _)| *n != bad);
        assert!(good.iter().all(|(_, answer)| *answer == Ok(())), "{good:?}");
        let [(_, refusal)] = <[_; 1]>::try_from(refusals).unwrap();
        recorder.record(with_payload(bad, refused).storable(&reason(refusal))).await.unwrap();
        let stored = db.find_task(id(bad)).await.unwrap().unwrap();
        assert_eq!((stored.status, stored.payload, stored.result), (TaskStatus::Failed, None, None));
        assert!(stored.error.unwrap().starts_with("unstorable: "));
        assert_eq!(stored.correlation_id, completed(bad, 0, 1).correlation_id, "the rest of it is kept");
    }
    assert_eq!(db.list_tasks(&TaskFilter::default(), 1_000, None).await.unwrap().len(), 404);
    assert!(recorder.written().statements < 100, "{:?}", recorder.written());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_number_of_four_hundred_digits_is_stored() {
    let test = TestDatabase::postgres().await;
    let db = test.connect().await;
    let number = "9".repeat(400);
    Recorder::start(&db).record(with_result(1, &number)).await.unwrap();
    assert_eq!(db.find_task(id(1)).await.unwrap().unwrap().result.as_deref(), Some(number.as_str()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_event_is_stored_without_its_payload_and_with_the_reason() {
    let test = TestDatabase::postgres().await;
    let db = test.connect().await;
    let recorder = Recorder::start(&db);
    let mut refused = event(1);
    refused.payload = Some(endless_number().into());
    let reason = reason(recorder.record_event(refused.clone()).await);
    recorder.record_event(refused.storable(&reason)).await.unwrap();
    let stored = db.find_event(id(1)).await.unwrap().unwrap();
    assert_eq!(stored.payload, None);
    assert!(stored.headers.unwrap().contains("value overflows numeric format"));
}

/// It keeps JSON as the text that it is.
#[tokio::test(flavor = "multi_thread")]
async fn sqlite_takes_every_text() {
    let test = TestDatabase::sqlite().await;
    let db = test.connect().await;
    let recorder = Recorder::start(&db);
    for (n, result) in [endless_number(), r#""\u0000""#.to_owned()].iter().enumerate() {
        recorder.record(with_result(n, result)).await.unwrap();
        assert_eq!(db.find_task(id(n)).await.unwrap().unwrap().result.as_deref(), Some(result.as_str()));
    }
}

fn incompressible(length: usize) -> String {
    let mut state = 1_u32;
    std::iter::repeat_with(|| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        char::from(b'!' + u8::try_from(state >> 24).unwrap() % 90)
    })
    .take(length)
    .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn each_event_of_those_that_came_together_has_its_own_answer() {
    let test = TestDatabase::postgres().await;
    let db = test.connect().await;
    let recorder = Recorder::start(&db);
    let with = |n, payload: &str| EventRow { payload: Some(payload.into()), ..event(n) };
    // The third is known to be refused before it is sent, the fifth is found out by the database.
    let events = vec![event(1), event(2), with(3, r#"{"t": "\u0000"}"#), event(2), with(5, "1e200000"), event(6)];
    let (mut answers, mut told) =
        (recorder.record_events(events.into_iter().map(Arc::new).collect()).await, Vec::new());
    loop {
        let next = timeout(PATIENCE, answers.next()).await.unwrap();
        if next.is_empty() {
            break;
        }
        told.extend(next);
    }
    told.sort_by_key(|(place, _)| *place);
    let refused: Vec<_> = told.iter().map(|(place, answer)| (*place, answer.is_err())).collect();
    assert_eq!(refused, [(0, false), (1, false), (2, true), (3, false), (4, true), (5, false)], "{told:?}");
    for (n, is_stored) in [(1, true), (2, true), (3, false), (5, false), (6, true)] {
        assert_eq!(db.find_event(id(n)).await.unwrap().is_some(), is_stored, "{n}");
    }
    assert!(recorder.stop(PATIENCE).await);
    assert!(recorder.record_events(vec![event(7).into()]).await.next().await.is_empty(), "no answer after a stop");
}
