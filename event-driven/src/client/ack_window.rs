//! Which deliveries of one channel can be acked, with as few acks as possible.
//!
//! Pure: knows delivery tags and nothing else. One `multiple` ack covers all up to the first delivery that is not done.
//! A slow one would so hold back all that follow until the prefetch is used up; therefore, once half of the prefetch is done
//! and held back, these are acked one by one.

use std::collections::VecDeque;

/// An ack to send.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ack {
    /// The delivery's tag.
    pub tag: u64,
    /// Whether it covers all tags below, too.
    pub multiple: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Delivered, and nothing said yet.
    Open,
    /// May be acked.
    Done,
    /// The broker was told already.
    Told,
}

/// The deliveries of one channel that the broker was not told of yet, by tag.
#[derive(Debug)]
pub struct AckWindow {
    /// The tag of the first state. Tags of a channel count up by one.
    first: u64,
    states: VecDeque<State>,
    done: usize,
    open: usize,
    /// So many done and held back are acked one by one.
    patience: usize,
}

impl AckWindow {
    /// For a channel whose deliveries begin with tag 1. `prefetch` is the most that can be unsettled.
    pub fn new(prefetch: u16) -> Self {
        let patience = usize::from(prefetch).div_ceil(2).max(1);
        Self { first: 1, states: VecDeque::new(), done: 0, open: 0, patience }
    }

    /// A delivery came. Tags that are not the next one are a broken protocol and ignored.
    pub fn delivered(&mut self, tag: u64) {
        if self.index(tag) == Some(self.states.len()) {
            self.states.push_back(State::Open);
            self.open += 1;
        }
    }

    /// The delivery may be acked.
    pub fn done(&mut self, tag: u64) {
        if self.change(tag, State::Done) {
            self.done += 1;
        }
    }

    /// The broker was told of the delivery otherwise (a nack).
    pub fn told(&mut self, tag: u64) {
        self.change(tag, State::Told);
    }

    /// Whether nothing is open: all deliveries are done or told.
    pub fn is_settled(&self) -> bool {
        self.open == 0
    }

    /// The acks to send now. None is given twice.
    pub fn take(&mut self) -> Vec<Ack> {
        let mut acks: Vec<Ack> = self.take_front().into_iter().collect();
        if self.done >= self.patience {
            self.take_rest(&mut acks);
        }
        acks
    }

    /// The same without patience: nothing that is done is held back.
    pub fn take_all(&mut self) -> Vec<Ack> {
        let mut acks: Vec<Ack> = self.take_front().into_iter().collect();
        self.take_rest(&mut acks);
        acks
    }

    fn take_rest(&mut self, acks: &mut Vec<Ack>) {
        for (tag, state) in (self.first..).zip(&mut self.states) {
            if *state == State::Done {
                *state = State::Told;
                acks.push(Ack { tag, multiple: false });
            }
        }
        self.done = 0;
    }

    /// All up to the first that is open. What was told before is no longer known to the broker and no harm to cover.
    fn take_front(&mut self) -> Option<Ack> {
        let (mut last, mut covered) = (None, 0_usize);
        while let Some(state) = self.states.pop_front_if(|state| *state != State::Open) {
            if state == State::Done {
                last = Some(self.first);
                covered += 1;
            }
            self.first += 1;
        }
        self.done -= covered;
        last.map(|tag| Ack { tag, multiple: covered > 1 })
    }

    fn change(&mut self, tag: u64, to: State) -> bool {
        let state = self.index(tag).and_then(|index| self.states.get_mut(index));
        let Some(state) = state.filter(|state| **state == State::Open) else { return false };
        *state = to;
        self.open -= 1;
        true
    }

    fn index(&self, tag: u64) -> Option<usize> {
        usize::try_from(tag.checked_sub(self.first)?).ok()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn one_slow_delivery_holds_back_no_more_than_half_of_the_prefetch() {
        let mut window = AckWindow::new(4);
        (1..=4).for_each(|tag| window.delivered(tag));
        window.done(2);
        assert_eq!(window.take(), []);
        window.done(3);
        assert_eq!(window.take(), [2, 3].map(|tag| Ack { tag, multiple: false }));
        window.done(1);
        window.done(4);
        assert_eq!(window.take(), [Ack { tag: 4, multiple: true }]);
        assert!(window.is_settled());
    }

    #[test]
    fn what_is_unknown_or_told_is_not_acked() {
        let mut window = AckWindow::new(10);
        window.delivered(1);
        window.delivered(5);
        window.done(5);
        window.done(0);
        window.told(1);
        window.done(1);
        assert_eq!(window.take(), []);
    }

    /// What RabbitMQ keeps of a channel.
    struct Server(BTreeSet<u64>);

    impl Server {
        fn take(&mut self, ack: Ack) -> BTreeSet<u64> {
            assert!(self.0.contains(&ack.tag), "unknown delivery tag {}", ack.tag);
            if !ack.multiple {
                self.0.remove(&ack.tag);
                return BTreeSet::from([ack.tag]);
            }
            let rest = self.0.split_off(&(ack.tag + 1));
            std::mem::replace(&mut self.0, rest)
        }
    }

    proptest! {
        #[test]
        fn only_what_is_done_is_acked_and_that_once(
            prefetch in 1_u16..40,
            steps in proptest::collection::vec((0_u8..8, any::<proptest::sample::Index>()), 1..400),
        ) {
            let mut window = AckWindow::new(prefetch);
            let mut server = Server(BTreeSet::new());
            let (mut open, mut done, mut next) = (BTreeSet::new(), BTreeSet::new(), 1_u64);
            let flush = |window: &mut AckWindow, server: &mut Server, done: &mut BTreeSet<u64>| {
                for ack in window.take() {
                    for tag in server.take(ack) {
                        prop_assert!(done.remove(&tag), "{} was acked but not done", tag);
                    }
                }
                Ok(())
            };
            for (step, which) in steps {
                let pick = (!open.is_empty()).then(|| *which.get(&open.iter().copied().collect::<Vec<u64>>()));
                match (step, pick) {
                    (0..=2, _) if server.0.len() < usize::from(prefetch) => {
                        window.delivered(next);
                        server.0.insert(next);
                        open.insert(next);
                        next += 1;
                    }
                    (3..=5, Some(tag)) => {
                        window.done(tag);
                        open.remove(&tag);
                        done.insert(tag);
                    }
                    (6, Some(tag)) => {
                        window.told(tag);
                        open.remove(&tag);
                        server.0.remove(&tag);
                    }
                    _ => flush(&mut window, &mut server, &mut done)?,
                }
                prop_assert_eq!(window.is_settled(), open.is_empty());
            }
            for ack in window.take_all() {
                for tag in server.take(ack) {
                    prop_assert!(done.remove(&tag), "{} was acked but not done", tag);
                }
            }
            prop_assert!(done.is_empty(), "held back: {:?}", done);
            for tag in std::mem::take(&mut open) {
                window.done(tag);
                done.insert(tag);
            }
            flush(&mut window, &mut server, &mut done)?;
            prop_assert!(server.0.is_empty() && done.is_empty() && window.is_settled());
        }
    }
}
