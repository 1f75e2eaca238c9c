//! What a task's class is worth: how much of what is done each class has while others have work, too.
//!
//! Used twice. Of what is short, what is held is done in the order in which it came: so `service` gives each class its part of
//! what is held. Of what is long, places in the sandbox are what is scarce: so `sandbox` gives each class its part of them.

use event_driven::names::Priority;

/// One value for each class.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct PerClass<T> {
    /// Of [`Priority::High`].
    pub high: T,
    /// Of [`Priority::Normal`].
    pub normal: T,
    /// Of [`Priority::Low`].
    pub low: T,
}

impl<T> PerClass<T> {
    /// The values that these classes have.
    pub fn of(value: impl Fn(Priority) -> T) -> Self {
        Self { high: value(Priority::High), normal: value(Priority::Normal), low: value(Priority::Low) }
    }

    /// The value of one class.
    pub const fn get(&self, class: Priority) -> &T {
        match class {
            Priority::High => &self.high,
            Priority::Normal => &self.normal,
            Priority::Low => &self.low,
        }
    }

    /// The value of one class, to be changed.
    pub const fn get_mut(&mut self, class: Priority) -> &mut T {
        match class {
            Priority::High => &mut self.high,
            Priority::Normal => &mut self.normal,
            Priority::Low => &mut self.low,
        }
    }
}

impl PerClass<u64> {
    /// Of all classes together.
    pub const fn sum(self) -> u64 {
        self.high + self.normal + self.low
    }
}

/// Of what is done while all three have work, 16 of 21 are high, 4 normal, 1 low: none is ever without.
pub const fn weight(class: Priority) -> u32 {
    match class {
        Priority::High => 16,
        Priority::Normal => 4,
        Priority::Low => 1,
    }
}

/// The part of `class` of the whole while it and these others have work. At least two, where the whole is as much: one that is
/// executed, and one that comes next.
pub fn share(class: Priority, whole: u64, has_work: impl Fn(Priority) -> bool) -> u64 {
    let sharing = Priority::ALL.into_iter().filter(|other| *other == class || has_work(*other));
    let sum: u32 = sharing.map(weight).sum();
    (whole.saturating_mul(weight(class).into()) / u64::from(sum)).max(whole.clamp(1, 2))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_is_alone_has_the_whole_and_nobody_is_without_a_part() {
        for class in Priority::ALL {
            assert_eq!(share(class, 1000, |_| false), 1000);
            assert_eq!((share(class, 1, |_| true), share(class, 0, |_| true)), (1, 1));
        }
        assert_eq!(Priority::ALL.map(|class| share(class, 1000, |_| true)), [761, 190, 47]);
        assert_eq!(Priority::ALL.map(|class| share(class, 5, |_| true)), [3, 2, 2]);
        assert_eq!(share(Priority::Low, 1000, |other| other == Priority::Normal), 200);
    }
}
