//! Which consumers a channel should have, so that it holds as many deliveries as it is allowed to.
//!
//! Pure: knows numbers and nothing else. What it decides never lets the channel hold more than was allowed when the last
//! consumer was added, whatever arrives and in whatever order it is settled.

use super::subscriptions::ConsumerId;

/// Most consumers of one channel that RabbitMQ delivers to. Enough to grow from 1 to the whole by factors of 4.
const MOST_CONSUMERS: usize = 8;

/// It is not worth a consumer to allow less than this part more.
const WORTH_IT: u16 = 8;

/// A consumer that holds deliveries, or may.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Holder {
    pub(super) id: ConsumerId,
    /// Most deliveries that it may hold.
    pub(super) prefetch: u16,
    /// Deliveries that it holds.
    pub(super) open: u16,
    /// RabbitMQ was told to deliver nothing more to it.
    pub(super) cancelled: bool,
    /// Nothing more can come from it.
    pub(super) ended: bool,
}

impl Holder {
    /// Whether it has nothing to do with anything any more.
    pub(super) fn is_over(&self) -> bool {
        self.ended && self.open == 0
    }

    /// Most deliveries that it can hold from now on.
    fn can_hold(&self) -> u16 {
        if self.ended { self.open } else { self.prefetch }
    }
}

/// One step towards what is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    /// One more consumer, with this prefetch.
    Add(u16),
    /// One less.
    Cancel(ConsumerId),
}

/// The next step, from the oldest consumer to the youngest; none if it is as wanted, or has to wait until something is
/// settled.
pub(super) fn step(holders: impl Iterator<Item = Holder> + Clone, wanted: u16) -> Option<Step> {
    let active = holders.clone().filter(|holder| !holder.cancelled);
    if active.clone().map(|holder| u32::from(holder.prefetch)).sum::<u32>() > u32::from(wanted) {
        return active.last().map(|youngest| Step::Cancel(youngest.id));
    }
    let held: u32 = holders.map(|holder| u32::from(holder.can_hold())).sum();
    let room = u16::try_from(u32::from(wanted).saturating_sub(held)).unwrap_or(0);
    if room < (wanted / WORTH_IT).max(1) {
        return None;
    }
    if active.clone().count() < MOST_CONSUMERS {
        return Some(Step::Add(room));
    }
    active.min_by_key(|holder| holder.prefetch).map(|smallest| Step::Cancel(smallest.id))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn holder(id: ConsumerId, prefetch: u16) -> Holder {
        Holder { id, prefetch, open: 0, cancelled: false, ended: false }
    }

    #[test]
    fn for_more_one_is_added_and_for_less_the_youngest_goes() {
        let two = [holder(1, 16), holder(2, 48)];
        assert_eq!(step([].into_iter(), 16), Some(Step::Add(16)));
        assert_eq!(step(two.into_iter(), 64), None);
        assert_eq!(step(two.into_iter(), 250), Some(Step::Add(186)));
        assert_eq!(step(two.into_iter(), 60), Some(Step::Cancel(2)));
        assert_eq!(step(two.into_iter(), 0), Some(Step::Cancel(2)));
        assert_eq!(step([].into_iter(), 0), None);
        assert_eq!(step(two.into_iter(), 66), None, "not for so little");
    }

    #[test]
    fn what_a_cancelled_one_holds_counts_until_it_is_settled() {
        let gone = Holder { open: 40, cancelled: true, ended: true, ..holder(2, 48) };
        assert_eq!(step([holder(1, 16), gone].into_iter(), 50), None);
        assert_eq!(step([holder(1, 16), Holder { open: 10, ..gone }].into_iter(), 50), Some(Step::Add(24)));
        let going = Holder { open: 0, ended: false, ..gone };
        assert_eq!(step([holder(1, 16), going].into_iter(), 64), None, "something may be on its way");
    }

    proptest! {
        #[test]
        fn never_more_is_held_than_allowed_and_what_is_wanted_is_reached(
            changes in proptest::collection::vec((1_u16..300, 0_u8..6, any::<proptest::sample::Index>()), 1..200),
        ) {
            let (mut holders, mut next, mut wanted) = (Vec::<Holder>::new(), 0, 1_u16);
            let apply = |holders: &mut Vec<Holder>, next: &mut u64, wanted| match step(holders.iter().copied(), wanted) {
                None => false,
                Some(Step::Add(prefetch)) => {
                    holders.push(holder(*next, prefetch));
                    *next += 1;
                    true
                }
                Some(Step::Cancel(id)) => {
                    holders.iter_mut().filter(|holder| holder.id == id).for_each(|holder| holder.cancelled = true);
                    true
                }
            };
            for (number, what, which) in changes {
                match what {
                    0 => wanted = number,
                    1 => {
                        apply(&mut holders, &mut next, wanted);
                    }
                    2..=3 if !holders.is_empty() => {
                        let at = which.index(holders.len());
                        // RabbitMQ delivers as much as it may.
                        if !holders[at].ended {
                            holders[at].open = holders[at].prefetch;
                        }
                    }
                    4 if !holders.is_empty() => {
                        let at = which.index(holders.len());
                        holders[at].open = holders[at].open.saturating_sub(number);
                    }
                    _ => holders.iter_mut().for_each(|holder| holder.ended |= holder.cancelled),
                }
                holders.retain(|holder| !holder.is_over());
                let held: u32 = holders.iter().map(|holder| u32::from(holder.open)).sum();
                prop_assert!(held < 300);
            }
            // Everything is settled, and nothing else comes in between.
            for _ in 0..100 {
                holders.iter_mut().for_each(|holder| (holder.open, holder.ended) = (0, holder.cancelled));
                holders.retain(|holder| !holder.is_over());
                if !apply(&mut holders, &mut next, wanted) {
                    break;
                }
            }
            let active: u16 = holders.iter().map(|holder| holder.prefetch).sum();
            prop_assert!(active <= wanted && active >= wanted - wanted / WORTH_IT, "{} of {}", active, wanted);
            prop_assert!(holders.len() <= MOST_CONSUMERS);
        }
    }
}
