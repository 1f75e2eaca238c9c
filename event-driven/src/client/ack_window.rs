//! Which deliveries of one channel can be acked, with as few acks as possible.
//!
//! Pure: knows delivery tags and nothing else. One `multiple` ack covers all up to the first delivery that is not done.
//! A slow one would so hold back all that follow until the prefetch is used up; therefore each that has been held back for some
//! time is acked alone. Not at once, since it may only be that of two which were committed together the later one was told first, and
//! rather late as long as it is few, since an ack of one delivery costs the broker as much as one of a thousand;
//! but where the prefetch is small, half of it, and where it is used up nearly whole, sooner.

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
    /// May be acked, and was held back at so many looks.
    Done(u8),
    /// The broker was told already.
    Told,
}

impl State {
    fn is_done(self) -> bool {
        matches!(self, Self::Done(_))
    }

    /// Whether it was held back at `looks` looks or more.
    fn is_late(self, looks: u8) -> bool {
        matches!(self, Self::Done(held) if held >= looks)
    }
}

/// So many acks of one delivery each cost less than what stands still without them.
const FEW: usize = 64;

/// What was held back at so many looks is acked alone where the one that holds it back is slow, or acks of one delivery are few.
const LOOKS: u8 = 1;

/// The same where it may be chance which of them are done first, if it is a group: it takes room from what could be delivered. One look
/// fewer made several times as many acks in a burn.
const LOOKS_OF_MANY: u8 = 2;

/// The same if it is less. One that is open for so many looks, with others done behind it, is slow.
const LOOKS_OF_FEW: u8 = 5;

/// How far ahead of the others a delivery may be seen: several consumers of a channel are read side by side.
const AHEAD: usize = u16::MAX as usize;

/// The deliveries of one channel that the broker was not told of yet, by tag.
#[derive(Debug)]
pub struct AckWindow {
    /// The tag of the first state. Tags of a channel count up by one.
    first: u64,
    states: VecDeque<State>,
    done: usize,
    open: usize,
    /// States before the first that is open.
    ready: usize,
    /// The first at the last look, and for how many looks before that it was so already.
    front: (u64, u8),
    /// No delivery with a lower tag is done: behind one that is open for minutes there are millions that the broker was told of.
    held_from: u64,
    /// The most that can be unsettled.
    prefetch: u16,
}

impl AckWindow {
    /// For a channel whose deliveries begin with tag 1. `prefetch` is the most that can be unsettled.
    pub fn new(prefetch: u16) -> Self {
        Self { first: 1, states: VecDeque::new(), done: 0, open: 0, ready: 0, front: (0, 0), held_from: 0, prefetch }
    }

    /// From now on so many can be unsettled.
    pub fn set_prefetch(&mut self, prefetch: u16) {
        self.prefetch = prefetch;
    }

    /// A delivery came. Those with lower tags that did not are on their way, and open. A tag far ahead is a broken protocol
    /// and ignored.
    pub fn delivered(&mut self, tag: u64) {
        if self.index(tag).is_some_and(|index| index <= self.states.len() + AHEAD) {
            while self.index(tag) >= Some(self.states.len()) {
                self.states.push_back(State::Open);
                self.open += 1;
            }
        }
    }

    /// The delivery may be acked.
    pub fn done(&mut self, tag: u64) {
        if self.change(tag, State::Done(0)) {
            self.done += 1;
            self.held_from = self.held_from.min(tag);
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

    /// Whether so many are done that an ack need not wait for more of them. What is committed together is settled in any order: those
    /// behind the first that is open count only where the prefetch is small, once they are half of it.
    pub fn is_ripe(&self) -> bool {
        self.ready >= group(self.prefetch) || self.is_impatient()
    }

    /// Whether something is not held back by a slower delivery.
    pub fn is_ready(&self) -> bool {
        self.ready > 0
    }

    /// Whether the prefetch is used up by what is done, but for little: then nothing comes until it is acked.
    pub fn is_used_up(&self) -> bool {
        self.done >= nearly_all(self.prefetch)
    }

    /// The acks to send now. None is given twice.
    pub fn take(&mut self) -> Vec<Ack> {
        let mut acks: Vec<Ack> = self.take_front().into_iter().collect();
        if self.is_impatient() {
            self.take_rest(&mut acks, State::is_done);
        }
        acks
    }

    fn is_impatient(&self) -> bool {
        patience(self.prefetch).is_some_and(|patience| self.done >= patience)
    }

    /// Whether something is done and held back.
    pub fn holds_back(&self) -> bool {
        self.done > 0
    }

    /// The acks to send now, called from time to time: no group (a quarter of the prefetch) is held back at more than two calls, nothing at
    /// more than five, and nothing at more than one if the first that is open is slow, or the prefetch is small or used up.
    pub fn take_late(&mut self) -> Vec<Ack> {
        let mut acks: Vec<Ack> = self.take_front().into_iter().collect();
        self.look_at_front();
        let looks = self.looks();
        self.take_rest(&mut acks, |state| state.is_late(looks));
        for (_, state) in self.held() {
            if let State::Done(held) = state {
                *held += 1;
            }
        }
        acks
    }

    fn look_at_front(&mut self) {
        let (before, looks) = self.front;
        self.front = (self.first, if before == self.first { looks.saturating_add(1) } else { 0 });
    }

    /// At how many looks what is acked alone now was held back.
    fn looks(&mut self) -> u8 {
        if self.front.1 >= LOOKS_OF_FEW || self.is_used_up() || patience(self.prefetch).is_some() {
            return LOOKS;
        }
        let late = self.held().filter(|(_, state)| state.is_late(LOOKS_OF_MANY)).count();
        if late >= group(self.prefetch) { LOOKS_OF_MANY } else { LOOKS_OF_FEW }
    }

    /// The same without patience: nothing that is done is held back.
    pub fn take_all(&mut self) -> Vec<Ack> {
        let mut acks: Vec<Ack> = self.take_front().into_iter().collect();
        self.take_rest(&mut acks, State::is_done);
        acks
    }

    /// One by one, those that are done and of these states.
    fn take_rest(&mut self, acks: &mut Vec<Ack>, which: impl Fn(State) -> bool) {
        let before = acks.len();
        let (mut still_held, mut end) = (None, self.held_from);
        for (tag, state) in self.held() {
            end = tag + 1;
            if which(*state) {
                *state = State::Told;
                acks.push(Ack { tag, multiple: false });
            } else if state.is_done() {
                still_held.get_or_insert(tag);
            }
        }
        self.held_from = still_held.unwrap_or(end);
        self.done -= acks.len() - before;
    }

    /// The deliveries among which are all that are done, each with its tag.
    fn held(&mut self) -> impl Iterator<Item = (u64, &mut State)> {
        let from = self.index(self.held_from).unwrap_or(0).min(self.states.len());
        (self.first.max(self.held_from)..).zip(self.states.range_mut(from..))
    }

    /// All up to the first that is open. What was told before is no longer known to the broker and no harm to cover.
    fn take_front(&mut self) -> Option<Ack> {
        let (mut last, mut covered) = (None, 0_usize);
        while let Some(state) = self.states.pop_front_if(|state| *state != State::Open) {
            if state.is_done() {
                last = Some(self.first);
                covered += 1;
            }
            self.first += 1;
        }
        self.done -= covered;
        self.ready = 0;
        last.map(|tag| Ack { tag, multiple: covered > 1 })
    }

    fn change(&mut self, tag: u64, to: State) -> bool {
        let state = self.index(tag).and_then(|index| self.states.get_mut(index));
        let Some(state) = state.filter(|state| **state == State::Open) else { return false };
        *state = to;
        self.open -= 1;
        while self.states.get(self.ready).is_some_and(|state| *state != State::Open) {
            self.ready += 1;
        }
        true
    }

    fn index(&self, tag: u64) -> Option<usize> {
        usize::try_from(tag.checked_sub(self.first)?).ok()
    }
}

/// So many before the first that is open are acked without waiting for more. A quarter: what may still be delivered meanwhile is more
/// than what waits for its ack.
fn group(prefetch: u16) -> usize {
    usize::from(prefetch / 4).max(1)
}

/// With so many done hardly any more can be delivered. Seven eighths: so many are done at once by chance more rarely than half.
fn nearly_all(prefetch: u16) -> usize {
    usize::from(prefetch - prefetch / 8).max(1)
}

/// So many done and held back are acked one by one at once, where that are few.
fn patience(prefetch: u16) -> Option<usize> {
    let half = usize::from(prefetch).div_ceil(2).max(1);
    (half <= FEW).then_some(half)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn one_slow_delivery_holds_back_no_more_than_half_of_a_small_prefetch() {
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
    fn a_quarter_of_the_prefetch_makes_a_group_and_one_alone_where_that_is_less() {
        let mut window = AckWindow::new(8);
        (1..=8).for_each(|tag| window.delivered(tag));
        assert!(!window.is_ready() && !window.is_ripe());
        window.done(2);
        assert!(!window.is_ready(), "it is held back");
        window.done(1);
        assert!(window.is_ready() && window.is_ripe());
        assert_eq!(window.take(), [Ack { tag: 2, multiple: true }]);
        window.done(3);
        assert!(window.is_ready() && !window.is_ripe());
        window.done(5);
        assert!(!window.is_ripe(), "5 waits for 4");
        window.set_prefetch(3);
        assert!(window.is_ripe());
    }

    #[test]
    fn half_of_a_small_prefetch_that_is_held_back_is_ripe_as_well() {
        let mut window = AckWindow::new(8);
        (1..=8).for_each(|tag| window.delivered(tag));
        (3..=5).for_each(|tag| window.done(tag));
        assert!(!window.is_ripe());
        window.done(7);
        assert!(window.is_ripe() && !window.is_ready());
        assert_eq!(window.take().len(), 4);
        window.told(1);
        assert!(window.is_ready() && !window.is_ripe());
        window.done(2);
        assert!(window.is_ripe(), "with those that were told of before");
        assert_eq!(window.take(), [Ack { tag: 2, multiple: false }]);
        assert!(!window.is_ready());
    }

    #[test]
    fn of_a_large_prefetch_none_is_acked_alone_at_once() {
        let mut window = AckWindow::new(1_000);
        (1..=1_000).for_each(|tag| window.delivered(tag));
        (2..=1_000).for_each(|tag| window.done(tag));
        assert!(!window.is_ripe() && window.is_used_up());
        assert_eq!(window.take_late(), []);
        window.done(1);
        assert_eq!(window.take(), [Ack { tag: 1_000, multiple: true }]);
    }

    #[test]
    fn what_is_unknown_or_told_is_not_acked() {
        let mut window = AckWindow::new(10);
        window.delivered(1);
        window.delivered(1 << 40);
        window.done(5);
        window.done(0);
        window.told(1);
        window.done(1);
        assert_eq!(window.take(), []);
    }

    #[test]
    fn of_a_small_prefetch_what_is_held_back_at_two_looks_is_acked_whatever_holds_it_back() {
        let mut window = AckWindow::new(10);
        (1..=6).for_each(|tag| window.delivered(tag));
        window.done(3);
        window.done(6);
        assert_eq!(window.take_late(), []);
        window.done(1);
        assert_eq!(window.take(), [Ack { tag: 1, multiple: false }]);
        window.done(5);
        assert_eq!(window.take_late(), [3, 6].map(|tag| Ack { tag, multiple: false }), "2 is the first since");
        assert!(window.holds_back());
        window.done(2);
        assert_eq!(window.take(), [Ack { tag: 2, multiple: false }], "3 is told already");
        window.done(4);
        assert_eq!(window.take(), [Ack { tag: 5, multiple: true }]);
        assert!(!window.holds_back() && window.is_settled());
    }

    #[test]
    fn few_that_are_held_back_are_acked_alone_only_after_some_looks() {
        let mut window = AckWindow::new(200);
        (1..=200).for_each(|tag| window.delivered(tag));
        for tag in 1..=LOOKS_OF_FEW {
            // Others are done behind each of these, and none of them is slow.
            (2..=5).for_each(|later| window.done(10 * u64::from(tag) + later));
            assert_eq!(window.take_late().len(), usize::from(tag > 1));
            window.done(tag.into());
        }
        assert_eq!(window.take_late().len(), 1 + 4, "the oldest of the groups");
    }

    #[test]
    fn many_that_are_held_back_are_acked_alone_sooner() {
        let mut window = AckWindow::new(200);
        (1..=200).for_each(|tag| window.delivered(tag));
        (2..=51).for_each(|tag| window.done(tag));
        for _ in 0..LOOKS_OF_MANY {
            assert_eq!(window.take_late(), []);
        }
        window.done(52);
        assert_eq!(window.take_late().len(), 50, "a quarter, and not 52");
        assert!(window.holds_back());
    }

    #[test]
    fn behind_one_that_is_slow_all_are_acked_alone_soon() {
        let mut window = AckWindow::new(200);
        (1..=200).for_each(|tag| window.delivered(tag));
        window.done(2);
        for _ in 0..LOOKS_OF_FEW {
            assert_eq!(window.take_late(), []);
        }
        assert_eq!(window.take_late(), [Ack { tag: 2, multiple: false }]);
        window.done(3);
        assert_eq!(window.take_late(), []);
        assert_eq!(window.take_late(), [Ack { tag: 3, multiple: false }]);
        window.done(1);
        window.done(5);
        for _ in 0..LOOKS_OF_MANY {
            assert!(window.take_late().iter().all(|ack| ack.tag != 5), "4 is not slow yet");
        }
    }

    #[test]
    fn what_is_still_on_its_way_is_not_acked_by_what_came_after_it() {
        let mut window = AckWindow::new(10);
        window.delivered(3);
        window.done(3);
        assert_eq!(window.take(), []);
        assert!(!window.is_settled());
        for tag in [2, 1] {
            window.delivered(tag);
            window.done(tag);
        }
        assert_eq!(window.take(), [Ack { tag: 3, multiple: true }]);
        assert!(window.is_settled());
    }

    #[test]
    fn a_smaller_prefetch_holds_back_less() {
        let mut window = AckWindow::new(100);
        (1..=3).for_each(|tag| window.delivered(tag));
        window.done(2);
        window.done(3);
        assert_eq!(window.take(), []);
        window.set_prefetch(4);
        assert_eq!(window.take(), [2, 3].map(|tag| Ack { tag, multiple: false }));
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

    #[test]
    fn what_was_told_behind_a_slow_delivery_is_not_looked_at_again() {
        let mut window = AckWindow::new(1_000);
        window.delivered(1);
        for tag in 2..=10_000 {
            window.delivered(tag);
            window.done(tag);
            assert!(window.held().count() <= 600, "{tag}");
            if tag % 100 == 0 {
                window.take_late();
            }
        }
        assert_eq!(window.states.len(), 10_000, "the first one is still open");
    }

    proptest! {
        #[test]
        fn only_what_is_done_is_acked_and_that_once(
            prefetch in 1_u16..40,
            steps in proptest::collection::vec((0_u8..10, any::<proptest::sample::Index>()), 1..400),
        ) {
            let mut window = AckWindow::new(prefetch);
            let mut server = Server(BTreeSet::new());
            let (mut open, mut done, mut next) = (BTreeSet::new(), BTreeSet::new(), 1_u64);
            // Sent by the server, and not read yet.
            let mut on_way = Vec::new();
            let flush = |window: &mut AckWindow, server: &mut Server, done: &mut BTreeSet<u64>| {
                for ack in if prefetch.is_multiple_of(2) { window.take() } else { window.take_late() } {
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
                        server.0.insert(next);
                        on_way.push(next);
                        next += 1;
                    }
                    (7..=8, _) if !on_way.is_empty() => {
                        let tag = on_way.swap_remove(which.index(on_way.len()));
                        window.delivered(tag);
                        open.insert(tag);
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
                prop_assert!(open.is_empty() || !window.is_settled());
                let ready = window.states.iter().take_while(|state| **state != State::Open).count();
                prop_assert_eq!(window.ready, ready);
                let mut done = window.states.iter().zip(window.first..).filter(|(state, _)| state.is_done());
                prop_assert!(done.all(|(_, tag)| tag >= window.held_from));
            }
            for tag in on_way {
                window.delivered(tag);
                open.insert(tag);
            }
            prop_assert_eq!(window.is_settled(), open.is_empty());
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
