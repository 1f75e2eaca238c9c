//! The places for guests, and whose turn it is: while several classes of tasks wait for one, each has its part.
//!
//! Weighted round robin: each class has as many turns as it weighs, the most urgent first; when no class that waits has a
//! turn left, all have theirs again.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use event_driven::names::Priority;
use tokio::sync::oneshot;

use crate::class::{PerClass, weight};

/// The places: all that there are, or those of one component. All clones are the same.
#[derive(Debug, Clone)]
pub(super) struct Slots(Arc<Mutex<State>>);

#[derive(Debug)]
struct State {
    free: u32,
    closed: bool,
    /// Those who wait, in the order in which they came. One that gave up is still there until its turn.
    waiting: PerClass<VecDeque<oneshot::Sender<Place>>>,
    turns: PerClass<u32>,
}

/// One place; given back when it is dropped.
#[derive(Debug)]
pub(super) struct Place(Option<Slots>);

impl Slots {
    pub(super) fn new(count: u32) -> Self {
        let (waiting, turns) = (PerClass::default(), PerClass::of(weight));
        Self(Arc::new(Mutex::new(State { free: count, closed: false, waiting, turns })))
    }

    /// Whether one could be had at once.
    pub(super) fn has_place(&self) -> bool {
        self.state().free > 0
    }

    /// Waits for a place. None once it is closed. Cancel-safe.
    pub(super) async fn place(&self, class: Priority) -> Option<Place> {
        let place = {
            let mut state = self.state();
            if state.closed {
                return None;
            }
            if state.free > 0 {
                state.free -= 1;
                return Some(Place(Some(self.clone())));
            }
            let (sender, place) = oneshot::channel();
            let waiting = state.waiting.get_mut(class);
            // All wait equally long: who has given up is in front. Where no place is ever free they would become ever more.
            while waiting.pop_front_if(|first| first.is_closed()).is_some() {}
            waiting.push_back(sender);
            place
        };
        place.await.ok()
    }

    /// No more places are given; who waits for one gets none.
    pub(super) fn close(&self) {
        let mut state = self.state();
        state.closed = true;
        state.waiting = PerClass::default();
    }

    /// Held for moments, never across an await.
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn give_on(&self) {
        let mut state = self.state();
        while let Some(waiting) = state.next() {
            match waiting.send(Place(Some(self.clone()))) {
                Ok(()) => return,
                // It has given up. Nobody has had this place.
                Err(mut place) => drop(place.0.take()),
            }
        }
        state.free += 1;
    }
}

impl State {
    /// Who is next.
    fn next(&mut self) -> Option<oneshot::Sender<Place>> {
        let waits = |state: &Self, class: &Priority| !state.waiting.get(*class).is_empty();
        let has_turn = |state: &Self, class: &Priority| *state.turns.get(*class) > 0;
        let class =
            Priority::ALL.into_iter().find(|class| waits(self, class) && has_turn(self, class)).or_else(|| {
                self.turns = PerClass::of(weight);
                Priority::ALL.into_iter().find(|class| waits(self, class))
            })?;
        let waiting = self.waiting.get_mut(class).pop_front()?;
        // One who gave up uses up no turn.
        if !waiting.is_closed() {
            *self.turns.get_mut(class) -= 1;
        }
        Some(waiting)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if let Some(slots) = self.0.take() {
            slots.give_on();
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::{FutureExt, StreamExt, stream::FuturesOrdered};

    use super::*;

    /// One place that is taken, and who waits for it, in this order.
    async fn served(waiting: impl IntoIterator<Item = Priority>) -> Vec<Priority> {
        let slots = Slots::new(1);
        let first = slots.place(Priority::Normal).await;
        let mut waiting: Vec<_> = waiting.into_iter().map(|class| (class, Box::pin(slots.place(class)))).collect();
        for (_, place) in &mut waiting {
            assert!(place.now_or_never().is_none());
        }
        drop(first);
        let mut served = Vec::new();
        while let Some(at) = waiting.iter_mut().position(|(_, place)| place.as_mut().now_or_never().is_some()) {
            served.push(waiting.remove(at).0);
        }
        assert!(waiting.is_empty());
        served
    }

    #[tokio::test]
    async fn each_class_has_its_part_and_the_most_urgent_comes_first() {
        let all = [Priority::Low; 20].into_iter().chain([Priority::Normal; 40]).chain([Priority::High; 40]);
        let served = served(all).await;
        let of = |class: Priority, first: usize| served.iter().take(first).filter(|c| **c == class).count();
        assert_eq!(Priority::ALL.map(|class| of(class, 42)), [32, 8, 2]);
        assert_eq!(served.first(), Some(&Priority::High));
        assert_eq!(of(Priority::Normal, 100), 40, "all come to their turn");
    }

    #[tokio::test]
    async fn who_gives_up_keeps_nobody_and_loses_no_place() {
        let slots = Slots::new(1);
        let first = slots.place(Priority::Normal).await;
        let mut given_up = Box::pin(slots.place(Priority::High));
        assert!((&mut given_up).now_or_never().is_none());
        let mut given = Box::pin(slots.place(Priority::Low));
        assert!((&mut given).now_or_never().is_none());
        drop(given_up);
        drop(first);
        // It has its place, and never looks.
        drop(given);
        assert!(slots.place(Priority::Low).now_or_never().flatten().is_some());
    }

    #[tokio::test]
    async fn all_places_are_used_at_once_and_none_twice() {
        let slots = Slots::new(3);
        let places: Vec<_> = FuturesOrdered::from_iter((0..3).map(|_| slots.place(Priority::Low))).collect().await;
        assert!(slots.place(Priority::High).now_or_never().is_none());
        drop(places);
        assert_eq!(slots.state().free, 3);
        slots.close();
        assert!(slots.place(Priority::High).await.is_none());
    }
}
