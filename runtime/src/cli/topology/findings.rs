//! Prints what a check found, or what was done about it.

use event_driven::topology::{Finding, State};
use serde_json::json;

use crate::cli::output::{self, Format, Output};

/// What is said of each finding.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Told {
    /// How it stands.
    State,
    /// What `apply` did about it.
    Done,
}

/// Prints them, and below a table how many there are of each kind and what that comes to.
pub(super) fn print(output: &Output, findings: &[Finding], told: Told) -> std::io::Result<()> {
    let column = match told {
        Told::State => "state",
        Told::Done => "done",
    };
    output.print(
        &["what", column, "found"],
        findings,
        |finding| vec![finding.declaration.thing(), output::styled(told.word(finding)), told.found(finding)],
        |finding| {
            let differences = finding.differences.iter().map(|difference| {
                json!({
                    "argument": difference.argument,
                    "wanted": difference.wanted.text(),
                    "found": difference.current.text(),
                })
            });
            json!({
                "what": finding.declaration.thing(),
                column: told.word(finding),
                "differences": differences.collect::<Vec<_>>(),
                "reason": told.reason(finding),
            })
        },
    )?;
    match output.output {
        Format::Table => output::print_text(&format!("\n{}{}", told.counts(findings), told.conclusion(findings))),
        Format::Json => Ok(()),
    }
}

impl Told {
    fn word(self, finding: &Finding) -> &'static str {
        match (self, &finding.state) {
            (_, State::Right) => "right",
            (_, State::Usable) => "differs",
            (Self::State, State::Missing) => "missing",
            (Self::State, State::Unusable(_)) => "unusable",
            (Self::State, State::Untold(_)) => "unknown",
            (Self::Done, State::Missing | State::Unusable(_) | State::Untold(_)) => "declared",
        }
    }

    fn reason(self, finding: &Finding) -> Option<String> {
        match (self, &finding.state) {
            (Self::State, State::Unusable(error)) => Some(error.to_string()),
            (Self::State, State::Untold(reason)) => Some(reason.clone()),
            (Self::State | Self::Done, _) => None,
        }
    }

    fn found(self, finding: &Finding) -> String {
        let reason = self.reason(finding).unwrap_or_default();
        // The first one that can't be used is in the reason.
        let differences = finding.differences.iter().map(ToString::to_string);
        let mut parts: Vec<_> = differences.filter(|difference| !reason.contains(difference)).collect();
        parts.extend((!reason.is_empty()).then_some(reason));
        parts.extend(matches!(finding.state, State::Usable).then(|| "used as it stands".to_owned()));
        parts.join("; ")
    }

    fn conclusion(self, findings: &[Finding]) -> &'static str {
        let any = |is: fn(&State) -> bool| findings.iter().any(|finding| is(&finding.state));
        match self {
            Self::State if any(|state| matches!(state, State::Unusable(_))) => ": it can't be used like this",
            Self::State if any(State::is_wrong) => ": `warren topology apply` declares what is missing",
            Self::State => ": nothing is missing, and what differs is used as it stands",
            Self::Done => "",
        }
    }

    /// `3 right, 1 differs`: each word with how often it came.
    fn counts(self, findings: &[Finding]) -> String {
        let mut counts: Vec<(&str, usize)> = Vec::new();
        for word in findings.iter().map(|finding| self.word(finding)) {
            match counts.iter_mut().find(|(known, _)| *known == word) {
                Some((_, count)) => *count += 1,
                None => counts.push((word, 1)),
            }
        }
        let counts: Vec<_> = counts.into_iter().map(|(word, count)| format!("{count} {word}")).collect();
        counts.join(", ")
    }
}
