//! An error with what lies under it, on one line: for logs and answers, which have no room for more.

use std::{error::Error, iter::successors};

/// What it says, and after it each cause that it has not said already: some types show their source in their own text.
pub(crate) fn told(error: &(dyn Error + 'static)) -> String {
    successors(error.source(), |&cause| cause.source()).map(ToString::to_string).fold(
        error.to_string(),
        |told, cause| {
            if told.contains(&cause) { told } else { format!("{told}: {cause}") }
        },
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("a server is away: {source}")]
    struct Outer {
        source: Inner,
    }

    #[derive(Debug, thiserror::Error)]
    #[error("no connection")]
    struct Inner {
        #[source]
        cause: std::fmt::Error,
    }

    #[test]
    fn each_cause_is_told_once() {
        let error = Outer { source: Inner { cause: std::fmt::Error } };
        assert_eq!(told(&error), format!("a server is away: no connection: {}", std::fmt::Error));
    }
}
