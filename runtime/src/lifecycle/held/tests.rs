//! Merging, attacked with sequences of states.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use entity::TaskStatus;
use proptest::prelude::*;

use super::{super::TaskRow, *};

fn at(second: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(second, 0).unwrap()
}

prop_compose! {
    fn any_state()(
        id in 1_u128..6,
        status in prop::sample::select(&TaskStatus::ALL),
        attempt in 0_u32..3,
        second in 0_i64..5,
        known: bool,
    ) -> TaskRow {
        TaskRow {
            status,
            attempt,
            payload: known.then(|| format!("{second}").into()),
            started_at: (status != TaskStatus::Pending).then(|| at(second)),
            finished_at: status.is_final().then(|| at(second)),
            ..TaskRow::new(Uuid::from_u128(id), at(second))
        }
    }
}

/// As one runtime records them: time goes on, and attempts count up.
fn in_order(mut states: Vec<TaskRow>) -> Vec<TaskRow> {
    states.sort_by_key(|state| state.attempt);
    for (second, state) in (100..).zip(&mut states) {
        state.started_at = state.started_at.map(|_| at(second));
        state.finished_at = state.finished_at.map(|_| at(second));
    }
    states
}

fn write(table: &mut HashMap<Uuid, TaskRow>, row: TaskRow) {
    match table.entry(row.id) {
        hash_map::Entry::Occupied(mut old) => old.get_mut().absorb(row),
        hash_map::Entry::Vacant(place) => drop(place.insert(row)),
    }
}

proptest! {
    #[test]
    fn merging_and_then_writing_is_writing_one_by_one(
        states in prop::collection::vec(any_state(), 0..60).prop_map(in_order),
        flush_after in prop::collection::vec(any::<bool>(), 60),
    ) {
        let (mut held, mut stored, mut expected) = (Held::default(), HashMap::new(), HashMap::new());
        for (state, flush) in states.into_iter().zip(flush_after) {
            write(&mut expected, state.clone());
            held.put(Arc::new(state), None::<()>);
            if flush {
                held.take(3, usize::MAX).into_iter().for_each(|entry| write(&mut stored, Arc::unwrap_or_clone(entry.row)));
            }
        }
        held.take(usize::MAX, usize::MAX).into_iter().for_each(|entry| write(&mut stored, Arc::unwrap_or_clone(entry.row)));
        prop_assert_eq!(held.len(), 0);
        for (id, expected) in expected {
            // A state that the stored row would have ignored may have told a payload on the way.
            let payload = stored[&id].payload.clone();
            prop_assert!(payload.is_some() || expected.payload.is_none());
            prop_assert_eq!(&stored[&id], &TaskRow { payload, ..expected });
        }
    }

    #[test]
    fn an_end_is_never_lost_whatever_comes_when(states in prop::collection::vec(any_state(), 0..60)) {
        let mut held = Held::default();
        for state in states.clone() {
            held.put(Arc::new(state), None::<()>);
        }
        for Entry { row, .. } in held.take(usize::MAX, usize::MAX) {
            let mut own = states.iter().filter(|state| state.id == row.id);
            if own.clone().any(|state| state.status == TaskStatus::Completed) {
                prop_assert_eq!(row.status, TaskStatus::Completed);
            }
            prop_assert_eq!(Some(row.created_at), own.next().map(|first| first.created_at));
        }
    }

    #[test]
    fn every_waiter_is_taken_once_and_no_id_twice(
        states in prop::collection::vec(any_state(), 0..60),
        max_rows in 1_usize..8,
    ) {
        let mut held = Held::default();
        let mut ids: Vec<Uuid> = states.iter().map(|state| state.id).collect();
        ids.sort_unstable();
        ids.dedup();
        let count = states.len();
        for (n, state) in states.into_iter().enumerate() {
            held.put(Arc::new(state), Some(n));
        }
        let (mut waiters, mut taken) = (Vec::new(), Vec::new());
        while held.len() > 0 {
            let batch = held.take(max_rows, usize::MAX);
            prop_assert!(!batch.is_empty() && batch.len() <= max_rows);
            prop_assert!(batch.is_sorted_by(|a, b| a.row.id < b.row.id));
            taken.extend(batch.iter().map(|entry| entry.row.id));
            waiters.extend(batch.into_iter().flat_map(|entry| entry.waiters));
        }
        waiters.sort_unstable();
        taken.sort_unstable();
        prop_assert_eq!(waiters, (0..count).collect::<Vec<_>>());
        prop_assert_eq!(taken, ids);
    }
}

#[test]
fn a_batch_is_bounded_in_bytes_but_a_large_row_goes_alone() {
    let mut held = Held::default();
    for n in 0..4 {
        let payload = Some("x".repeat(1_000).into());
        held.put(Arc::new(TaskRow { payload, ..TaskRow::new(Uuid::from_u128(n), at(0)) }), None::<()>);
    }
    assert_eq!(held.take(10, 3_000).len(), 2);
    assert_eq!(held.take(10, 1).len(), 1);
    assert_eq!(held.take(10, 3_000).len(), 1);
}

#[test]
fn a_row_keeps_its_place_when_a_newer_state_comes() {
    let mut held = Held::default();
    for id in [2, 1, 2] {
        held.put(Arc::new(TaskRow::new(Uuid::from_u128(id), at(0))), None::<()>);
    }
    assert_eq!(held.take(1, usize::MAX)[0].row.id, Uuid::from_u128(2));
}
