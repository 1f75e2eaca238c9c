//! The terminal while `warren top` has it: given back as it was, whatever happens.

use std::{io, thread, time::Duration};

use ratatui::{
    DefaultTerminal,
    crossterm::event::{self, Event},
};
use tokio::sync::mpsc;

use super::view::{self, Seen};

/// How long the keyboard is waited for before its reader looks whether anybody still wants to know.
const TURN: Duration = Duration::from_millis(100);

/// Keys that wait: more than anybody types while a screen is drawn.
const KEYS: usize = 64;

/// Has the terminal until it is dropped. A panic gives it back before it is told.
pub(super) struct Screen(DefaultTerminal);

impl Screen {
    pub(super) fn open() -> io::Result<Self> {
        ratatui::try_init().map(Self).inspect_err(|_| restore())
    }

    /// Shows that; how far it is scrolled is held within what there is.
    pub(super) fn draw(&mut self, seen: &mut Seen) -> io::Result<()> {
        let mut scroll = seen.scroll;
        self.0.draw(|frame| scroll = view::draw(frame, seen))?;
        seen.scroll = scroll;
        Ok(())
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        // Nobody is left to tell where the terminal is gone.
        let _ = self.0.show_cursor();
        restore();
    }
}

fn restore() {
    let _ = ratatui::try_restore();
}

/// What is typed, until the terminal is gone. Read by a thread of its own, which ends when nobody listens any more: a read
/// can't be waited for otherwise.
pub(super) fn keyboard() -> mpsc::Receiver<Event> {
    let (typed, events) = mpsc::channel(KEYS);
    thread::spawn(move || {
        while !typed.is_closed() {
            match event::poll(TURN) {
                Ok(false) => {}
                Ok(true) => {
                    let Ok(event) = event::read() else { return };
                    if typed.blocking_send(event).is_err() {
                        return;
                    }
                }
                Err(_) => return,
            }
        }
    });
    events
}
