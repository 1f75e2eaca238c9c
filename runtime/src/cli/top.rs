//! `warren top`: what goes on at this moment, live on a terminal, or once for scripts.

mod look;
mod screen;
mod view;

use std::{io::IsTerminal, path::Path, process::ExitCode, time::Duration};

use anyhow::{Context, bail};
use futures_util::future::OptionFuture;
use ratatui::crossterm::event::{Event, KeyCode, KeyEvent, KeyEventKind, KeyModifiers};
use serde_json::json;
use tokio::{
    task::JoinHandle,
    time::{MissedTickBehavior, interval},
};

use self::{
    look::Looker,
    screen::{Screen, keyboard},
    view::{Seen, Theme},
};
use super::{output, settings, signals::Signals};
use crate::activity::Snapshot;

/// A shorter one shows nothing new: runtimes tell of themselves less often.
const SHORTEST_INTERVAL: Duration = Duration::from_millis(200);

/// The width of the table that is printed once.
const PRINTED_WIDTH: usize = 120;

/// Lines that a page up or down moves by.
const PAGE: usize = 10;

#[derive(Debug, clap::Args)]
#[command(after_help = "\
On DATABASE_URL, which is only read, and RABBITMQ_URL, without which the queues are unknown; or over HTTP where DATABASE_URL is
not set. What can't be asked is shown as such, and asked again.

Keys: q, Esc and Ctrl-C quit, p and the space bar pause, the arrows, Page Up and Page Down scroll.

Examples:
  warren top
  warren top --once --output json      for scripts")]
pub(super) struct Args {
    /// Print what goes on once, and end: with 1 if the database could not be asked
    #[arg(long)]
    once: bool,
    /// How to print: a table for people, or JSON for programs
    #[arg(long, short, value_enum, default_value_t = output::Format::Table, requires = "once")]
    output: output::Format,
    /// The pause between two looks
    #[arg(long, default_value = "1s", value_name = "DURATION", value_parser = pause)]
    interval: Duration,
}

fn pause(text: &str) -> Result<Duration, String> {
    match humantime::parse_duration(text).map_err(|error| error.to_string())? {
        pause if pause >= SHORTEST_INTERVAL => Ok(pause),
        _ => Err(format!("it takes at least {}", humantime::format_duration(SHORTEST_INTERVAL))),
    }
}

pub(super) async fn execute(file: Option<&Path>, args: &Args) -> anyhow::Result<ExitCode> {
    let config = settings::load(file, Vec::new())?.config;
    let looker = Looker::new(config)?;
    if args.once {
        return once(looker, args.output).await;
    }
    if !std::io::stdout().is_terminal() || !std::io::stdin().is_terminal() {
        bail!("this is no terminal: `warren top --once` prints what goes on, with `--output json` for programs");
    }
    watch(looker, args.interval).await?;
    Ok(ExitCode::SUCCESS)
}

async fn once(mut looker: Looker, format: output::Format) -> anyhow::Result<ExitCode> {
    let snapshot = looker.look().await;
    match format {
        output::Format::Json => output::print_json(&json!(snapshot))?,
        output::Format::Table => output::print_text(&view::text(&snapshot, PRINTED_WIDTH))?,
    }
    Ok(if snapshot.database.known().is_some() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// A look that is under way; it has the looker meanwhile, so that there is never more than one.
type Look = JoinHandle<(Looker, Snapshot)>;

fn look(mut looker: Looker) -> Look {
    tokio::spawn(async move {
        let snapshot = looker.look().await;
        (looker, snapshot)
    })
}

/// Shows what goes on until somebody quits.
async fn watch(looker: Looker, pause: Duration) -> anyhow::Result<()> {
    let mut signals = Signals::listen()?;
    let mut screen = Screen::open().context("the terminal can't be used")?;
    let mut events = keyboard();
    let mut ticks = interval(pause);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut seen = Seen { snapshot: None, is_paused: false, scroll: 0, pause, theme: Theme::of_environment() };
    let (mut idle, mut under_way): (Option<Looker>, Option<Look>) = (Some(looker), None);
    loop {
        screen.draw(&mut seen)?;
        // A look that is not waited for any longer goes on, and is waited for in the next round.
        tokio::select! {
            Some(looked) = OptionFuture::from(under_way.as_mut()) => {
                let (looker, snapshot) = looked.context("the look has ended early")?;
                (idle, under_way) = (Some(looker), None);
                seen.snapshot = Some(snapshot);
            }
            _ = ticks.tick(), if idle.is_some() && !seen.is_paused => under_way = idle.take().map(look),
            event = events.recv() => match event.context("the terminal is gone")? {
                Event::Key(key) if key.kind != KeyEventKind::Release && !handle(key, &mut seen) => break,
                Event::Key(_) | Event::Resize(..) | Event::FocusGained | Event::FocusLost | Event::Mouse(_) | Event::Paste(_) => {}
            },
            _ = signals.next() => break,
        }
    }
    Ok(())
}

/// Whether to go on.
fn handle(key: KeyEvent, seen: &mut Seen) -> bool {
    match key.code {
        KeyCode::Char('q') | KeyCode::Esc => return false,
        KeyCode::Char('c') if key.modifiers.contains(KeyModifiers::CONTROL) => return false,
        KeyCode::Char('p' | ' ') => seen.is_paused = !seen.is_paused,
        KeyCode::Down => seen.scroll = seen.scroll.saturating_add(1),
        KeyCode::Up => seen.scroll = seen.scroll.saturating_sub(1),
        KeyCode::PageDown => seen.scroll = seen.scroll.saturating_add(PAGE),
        KeyCode::PageUp => seen.scroll = seen.scroll.saturating_sub(PAGE),
        KeyCode::Home => seen.scroll = 0,
        _ => {}
    }
    true
}
