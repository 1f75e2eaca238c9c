//! What the load consists of: kinds of tasks, and how a task of each kind has to end.

use warren::lifecycle::TaskStatus;

use crate::dice::Dice;

/// Retries that the runtimes are told to make.
pub(crate) const RETRIES: u32 = 3;

/// What a task is, and so how it ends whatever happens meanwhile.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Kind {
    /// Completes at once.
    Quick,
    /// Completes after some work.
    Work { ms: u64 },
    /// Refuses its payload.
    Invalid,
    /// Refuses the work.
    Business,
    /// Fails as technical until its second attempt.
    Second,
    /// The same until its third.
    Third,
    /// Fails as technical for ever.
    Technical,
    /// Traps for ever.
    Trap,
    /// Waits for longer than it may.
    Late,
    /// Computes for longer than it may.
    Loop,
    /// Nobody has such a component.
    Missing,
    /// The body is no JSON.
    NoJson,
    /// The name of the task is none.
    BadName,
}

/// How a task has to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Ending {
    pub(crate) status: TaskStatus,
    /// The last attempt, counted from 0. No crash, no stop and no duplicate uses up an attempt, so it is known.
    pub(crate) attempt: u32,
    /// The class of the error.
    pub(crate) class: Option<&'static str>,
    /// Whether its message ends in the dead-letter queue.
    pub(crate) dead: bool,
}

impl Kind {
    /// How many in a thousand; what is left is `Quick`.
    const SHARES: [(Self, u64); 12] = [
        (Self::Work { ms: 0 }, 200),
        (Self::Invalid, 40),
        (Self::Business, 40),
        (Self::Second, 50),
        (Self::Third, 20),
        (Self::Technical, 25),
        (Self::Trap, 20),
        (Self::Late, 5),
        (Self::Loop, 1),
        (Self::Missing, 20),
        (Self::NoJson, 10),
        (Self::BadName, 10),
    ];

    pub(crate) fn choose(dice: &mut Dice) -> Self {
        let mut thrown = dice.between(0, 1000);
        for (kind, share) in Self::SHARES {
            if thrown < share {
                return if let Self::Work { .. } = kind { Self::Work { ms: dice.between(50, 300) } } else { kind };
            }
            thrown -= share;
        }
        Self::Quick
    }

    /// The message's body.
    pub(crate) fn body(self) -> String {
        let task = |name: &str, payload: &str| format!(r#"{{"task_name": "{name}", "payload": {payload}}}"#);
        match self {
            Self::Quick => task("chaos_quick", "{}"),
            Self::Work { ms } => task("chaos_work", &ms.to_string()),
            Self::Invalid => task("chaos_invalid", "{}"),
            Self::Business => task("chaos_business", "{}"),
            Self::Second => task("chaos_second", "{}"),
            Self::Third => task("chaos_third", "{}"),
            Self::Technical => task("chaos_technical", "{}"),
            Self::Trap => task("chaos_trap", "{}"),
            Self::Late => task("chaos_work", "3600000"),
            Self::Loop => task("chaos_loop", "{}"),
            Self::Missing => task("chaos_missing", "{}"),
            Self::NoJson => r#"{"task_name": "chaos_quick""#.to_owned(),
            Self::BadName => task("../chaos_quick", "{}"),
        }
    }

    pub(crate) fn ending(self) -> Ending {
        let completed = |attempt| Ending { status: TaskStatus::Completed, attempt, class: None, dead: false };
        let failed = |attempt, class, dead| Ending { status: TaskStatus::Failed, attempt, class: Some(class), dead };
        match self {
            Self::Quick | Self::Work { .. } => completed(0),
            Self::Second => completed(1),
            Self::Third => completed(2),
            Self::Invalid => failed(0, "invalid", false),
            Self::Business => failed(0, "business", false),
            Self::Technical => failed(RETRIES, "technical", true),
            Self::Trap => failed(RETRIES, "trap", true),
            Self::Late | Self::Loop => failed(RETRIES, "timeout", true),
            Self::Missing => failed(RETRIES, "no_such_component", true),
            Self::NoJson | Self::BadName => failed(0, "malformed", true),
        }
    }

    /// Whether a guest is executed for it.
    pub(crate) fn is_executed(self) -> bool {
        !matches!(self, Self::Missing | Self::NoJson | Self::BadName)
    }

    /// Whether it is cheap enough to be published more than once.
    pub(crate) fn may_be_repeated(self) -> bool {
        !matches!(self, Self::Late | Self::Loop | Self::NoJson | Self::BadName)
    }
}
