//! What `warren top` shows of a snapshot: lines of text, of it alone and the width that there is.
//!
//! One column of sections, two beside each other where there is room. What does not fit the height is scrolled to.

mod figures;
mod table;
#[cfg(test)]
mod tests;

use std::time::Duration;

use chrono::{DateTime, Utc};
use ratatui::{
    Frame,
    layout::{Constraint, Layout},
    style::{Color, Modifier, Style},
    text::{Line, Span},
    widgets::Paragraph,
};

use self::{
    figures::{age, rate, thousands, time, took},
    table::{Cell, beside, table, wrapped},
};
use crate::{
    activity::{Snapshot, Told},
    broker::Depth,
    cli::output::harmless,
    lifecycle::{Activity, Rates, RuntimeActivity, Waiting},
};

/// From this width on, queues and failures stand beside each other.
const WIDE: usize = 100;

/// Digits of a runtime's id by which it is known here: its last ones, which differ.
const RUNTIME_DIGITS: usize = 8;

const KEYS: &str = "q quit  p pause  ↑↓ scroll";

/// What is to be shown.
#[derive(Debug)]
pub(super) struct Seen {
    /// None: nothing was seen yet.
    pub(super) snapshot: Option<Snapshot>,
    pub(super) is_paused: bool,
    /// Lines that are scrolled away.
    pub(super) scroll: usize,
    pub(super) pause: Duration,
    pub(super) theme: Theme,
}

/// Colours, or none.
#[derive(Debug, Clone, Copy)]
pub(super) struct Theme {
    pub(super) has_colour: bool,
}

impl Theme {
    /// Source: <https://no-color.org>.
    pub(super) fn of_environment() -> Self {
        Self { has_colour: std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty()) }
    }

    fn coloured(self, colour: Color) -> Style {
        if self.has_colour { Style::new().fg(colour) } else { Style::new() }
    }

    fn title(self) -> Style {
        self.coloured(Color::Cyan).add_modifier(Modifier::BOLD)
    }

    fn good(self) -> Style {
        self.coloured(Color::Green)
    }

    /// What somebody may have to look at.
    fn bad(self) -> Style {
        self.coloured(Color::Red).add_modifier(Modifier::BOLD)
    }

    fn bad_if(self, is_bad: bool) -> Style {
        if is_bad { self.bad() } else { Style::new() }
    }
}

/// Draws it; gives how far it is scrolled, held within what there is.
pub(super) fn draw(frame: &mut Frame<'_>, seen: &Seen) -> usize {
    let [head, body, foot] =
        Layout::vertical([Constraint::Length(1), Constraint::Min(0), Constraint::Length(1)]).areas(frame.area());
    let lines = match &seen.snapshot {
        Some(snapshot) => document(snapshot, body.width.into(), seen.theme),
        None => vec![Line::raw("looking …")],
    };
    let scroll = seen.scroll.min(lines.len().saturating_sub(body.height.into()));
    let hidden = lines.len().saturating_sub(scroll + usize::from(body.height));
    let visible: Vec<_> = lines.into_iter().skip(scroll).take(body.height.into()).collect();
    frame.render_widget(Line::from(title(seen)), head);
    frame.render_widget(Paragraph::new(visible), body);
    let more = if hidden > 0 { format!("{KEYS}   {hidden} lines more below") } else { KEYS.to_owned() };
    frame.render_widget(Line::raw(more), foot);
    scroll
}

fn title(seen: &Seen) -> Vec<Span<'static>> {
    let at = seen.snapshot.as_ref().map(|snapshot| format!("  {}", time(snapshot.at))).unwrap_or_default();
    let pace = match seen.is_paused {
        true => Span::styled("  PAUSED", seen.theme.bad()),
        false => Span::raw(format!("  every {}", humantime::format_duration(seen.pause))),
    };
    vec![Span::styled("warren top", seen.theme.title()), Span::raw(at), pace]
}

/// The same without a terminal.
pub(super) fn text(snapshot: &Snapshot, width: usize) -> String {
    let lines = document(snapshot, width, Theme { has_colour: false });
    let lines: Vec<_> = lines.iter().map(|line| line.to_string().trim_end().to_owned()).collect();
    format!("{}\n\n{}", time(snapshot.at), lines.join("\n"))
}

fn document(snapshot: &Snapshot, width: usize, theme: Theme) -> Vec<Line<'static>> {
    let activity = snapshot.database.known();
    let mut lines = match &snapshot.database {
        Told::Known(activity) => overview(activity, theme),
        Told::Unknown { unknown } => {
            let told = format!("what the database knows is unknown: {}", harmless(unknown));
            wrapped(&told, width, theme.bad())
        }
    };
    lines.push(Line::default());
    let delayed = activity.map(|activity| (activity.delayed, activity.at));
    let Some(activity) = activity else {
        lines.extend(queues(&snapshot.queues, delayed, width, theme));
        return lines;
    };
    if width >= WIDE {
        let half = width / 2;
        let left = queues(&snapshot.queues, delayed, half - 2, theme);
        lines.extend(beside(left, failures(activity, width - half, theme), half));
    } else {
        lines.extend(queues(&snapshot.queues, delayed, width, theme));
        lines.push(Line::default());
        lines.extend(failures(activity, width, theme));
    }
    lines.push(Line::default());
    lines.extend(runtimes(activity, width, theme));
    lines.push(Line::default());
    lines.extend(running(activity, width, theme));
    lines
}

fn overview(activity: &Activity, theme: Theme) -> Vec<Line<'static>> {
    let Rates { completed_per_s, failed_per_s, cancelled_per_s } = activity.rates;
    let rates = Line::from(vec![
        Span::styled(format!("COMPLETED {}/s", rate(completed_per_s)), theme.good()),
        Span::styled(format!("   FAILED {}/s", rate(failed_per_s)), theme.bad_if(failed_per_s > 0.0)),
        Span::raw(format!("   CANCELLED {}/s", rate(cancelled_per_s))),
    ]);
    let latency = match activity.latency {
        Some(latency) => format!(
            "from creation to end: p50 {}, p99 {} ({} tasks)",
            took(latency.p50_us),
            took(latency.p99_us),
            thousands(&latency.tasks.to_string())
        ),
        None => "from creation to end: no task was made and ended within the last minute".to_owned(),
    };
    vec![rates, Line::raw(latency)]
}

fn queues(
    queues: &Told<Vec<Depth>>,
    delayed: Option<(Waiting, DateTime<Utc>)>,
    width: usize,
    theme: Theme,
) -> Vec<Line<'static>> {
    let mut rows = Vec::new();
    for depth in queues.known().into_iter().flatten() {
        let is_dead = depth.queue.starts_with("dead.") && depth.messages.is_some_and(|messages| messages > 0);
        let (messages, consumers) = match depth.messages {
            Some(messages) => (thousands(&messages.to_string()), depth.consumers.to_string()),
            None => ("missing".to_owned(), String::new()),
        };
        let style = theme.bad_if(is_dead || depth.messages.is_none());
        rows.push(vec![Cell::text(&depth.queue), Cell::number(messages).styled(style), Cell::number(consumers)]);
    }
    let mut note = None;
    if let Some((waiting, now)) = delayed {
        let more = if waiting.is_more { "+" } else { "" };
        let count = format!("{}{more}", thousands(&waiting.count.to_string()));
        rows.push(vec![Cell::text("delayed"), Cell::number(count), Cell::number(String::new())]);
        note = waiting.next_at.map(|at| format!("the next delayed task is due in {}", age(at - now)));
    }
    let mut lines = table("QUEUES", &["queue", "messages", "consumers"], &rows, width, theme.title());
    lines.extend(note.map(Line::raw));
    if let Told::Unknown { unknown } = queues {
        lines.extend(wrapped(&format!("queues are unknown: {}", harmless(unknown)), width, theme.bad()));
    }
    lines
}

fn failures(activity: &Activity, width: usize, theme: Theme) -> Vec<Line<'static>> {
    let rows: Vec<_> = activity
        .failures
        .iter()
        .map(|failures| {
            vec![
                Cell::text(&harmless(&failures.class)).styled(theme.bad()),
                Cell::text(&harmless(failures.task_name.as_deref().unwrap_or("?"))),
                Cell::number(thousands(&failures.count.to_string())),
                Cell::text(&format!("{} ago", age(activity.at - failures.last_at))),
            ]
        })
        .collect();
    table("FAILED WITHIN 5 MINUTES", &["class", "component", "tasks", "last"], &rows, width, theme.title())
}

fn runtimes(activity: &Activity, width: usize, theme: Theme) -> Vec<Line<'static>> {
    let per_s = |runtime: &RuntimeActivity, of: fn(Rates) -> f64| {
        Cell::number(runtime.rates.map_or_else(|| "?".to_owned(), |rates| rate(of(rates))))
    };
    let rows: Vec<_> = activity
        .runtimes
        .iter()
        .map(|runtime| {
            vec![
                Cell::text(&known_by(&runtime.runtime_id)),
                Cell::number(runtime.running.to_string()),
                per_s(runtime, |rates| rates.completed_per_s),
                per_s(runtime, |rates| rates.failed_per_s),
                Cell::text(&age(activity.at - runtime.started_at)),
                Cell::text(&harmless(&runtime.host)),
                Cell::number(runtime.pid.to_string()),
                Cell::text(&harmless(&runtime.service)),
                Cell::text(&harmless(&runtime.version)),
            ]
        })
        .collect();
    let title = format!("RUNTIMES {}", rows.len());
    let columns = ["runtime", "running", "completed/s", "failed/s", "up", "host", "pid", "service", "version"];
    table(&title, &columns, &rows, width, theme.title())
}

fn running(activity: &Activity, width: usize, theme: Theme) -> Vec<Line<'static>> {
    let is_alive = |id: &str| activity.runtimes.iter().any(|runtime| runtime.runtime_id == id);
    let rows: Vec<_> = activity
        .running
        .iter()
        .map(|task| {
            let since = task.started_at.map(|at| age(activity.at - at)).unwrap_or_default();
            let runtime = match task.runtime_id.as_deref() {
                Some(id) if is_alive(id) => Cell::text(&known_by(id)),
                Some(id) => Cell::text(&format!("{} (gone)", known_by(id))).styled(theme.bad()),
                None => Cell::text(""),
            };
            vec![
                Cell::number(since),
                Cell::text(&harmless(task.task_name.as_deref().unwrap_or("?"))),
                Cell::number(task.attempt.to_string()),
                runtime,
                Cell::text(&task.id_task.to_string()),
            ]
        })
        .collect();
    // The rows are bounded, what the runtimes tell is not.
    let told: i64 = activity.runtimes.iter().map(|runtime| runtime.running).sum();
    let count = usize::try_from(told).unwrap_or_default().max(rows.len());
    let title = format!("RUNNING {}", thousands(&count.to_string()));
    table(&title, &["for", "component", "attempt", "runtime", "id"], &rows, width, theme.title())
}

/// The end of a runtime's id.
fn known_by(runtime_id: &str) -> String {
    let harmless = harmless(runtime_id);
    let before = harmless.chars().count().saturating_sub(RUNTIME_DIGITS);
    harmless.chars().skip(before).collect()
}
