//! A terminal of its own for a command, its keyboard, and what stands on its screen.

use std::{
    io::{Read, Write},
    process::{Child, ChildStdin, Command, Stdio},
    sync::{Arc, Condvar, Mutex},
    thread,
    time::Instant,
};

use crate::process::PATIENCE;

/// What it has written, and whether it has ended.
#[derive(Default)]
struct Written {
    bytes: Mutex<(Vec<u8>, bool)>,
    more: Condvar,
}

/// A command on a terminal.
pub(crate) struct Session {
    script: Child,
    keyboard: ChildStdin,
    written: Arc<Written>,
    rows: usize,
    columns: usize,
}

impl Session {
    /// Starts it on a terminal of this size. When it has ended, its exit code and the state of the terminal are printed.
    pub(crate) fn start(command: &Command, rows: usize, columns: usize) -> Self {
        let quoted = |text: &std::ffi::OsStr| format!("'{}'", text.to_str().unwrap());
        let line: Vec<_> = std::iter::once(command.get_program()).chain(command.get_args()).map(quoted).collect();
        let line = format!("stty rows {rows} cols {columns}; {}; echo \"code=$?.\"; stty -a", line.join(" "));
        let mut script = Command::new("script");
        script
            .args(["--quiet", "--return", "--command", &line, "/dev/null"])
            .env("TERM", "xterm")
            .env_remove("NO_COLOR");
        script.current_dir(command.get_current_dir().unwrap());
        for (name, value) in command.get_envs() {
            match value {
                Some(value) => script.env(name, value),
                None => script.env_remove(name),
            };
        }
        let mut script =
            script.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("`script`, of util-linux, is there");
        // The end of what is typed would be taken for the end of the session.
        let keyboard = script.stdin.take().unwrap();
        let (mut stdout, written) = (script.stdout.take().unwrap(), Arc::new(Written::default()));
        let shared = written.clone();
        thread::spawn(move || {
            let mut part = [0; 4096];
            while let Ok(count @ 1..) = stdout.read(&mut part) {
                shared.bytes.lock().unwrap().0.extend(&part[..count]);
                shared.more.notify_all();
            }
            shared.bytes.lock().unwrap().1 = true;
            shared.more.notify_all();
        });
        Self { script, keyboard, written, rows, columns }
    }

    pub(crate) fn press(&mut self, keys: &str) {
        self.keyboard.write_all(keys.as_bytes()).unwrap();
        self.keyboard.flush().unwrap();
    }

    /// All that was written so far.
    pub(crate) fn shown(&self) -> String {
        String::from_utf8_lossy(&self.written.bytes.lock().unwrap().0).into_owned()
    }

    /// Waits until the screen is as it should be.
    pub(crate) fn wait_for(&self, what: &str, right: impl Fn(&str) -> bool) {
        let deadline = Instant::now() + PATIENCE;
        let mut written = self.written.bytes.lock().unwrap();
        loop {
            let screen = self.screen(&String::from_utf8_lossy(&written.0));
            if right(&screen) {
                return;
            }
            let left = deadline.checked_duration_since(Instant::now()).filter(|_| !written.1);
            let left = left.unwrap_or_else(|| panic!("{what} did not come; on the screen stands:\n{screen}"));
            written = self.written.more.wait_timeout(written, left).unwrap().0;
        }
    }

    /// Waits for its end; then the terminal has to be as it was before.
    pub(crate) fn assert_given_back(mut self) {
        let deadline = Instant::now() + PATIENCE;
        while self.script.try_wait().unwrap().is_none() {
            assert!(Instant::now() < deadline, "it did not end:\n{}", self.shown());
            // A child's end can only be polled for with a time limit.
            thread::sleep(std::time::Duration::from_millis(10));
        }
        let mut written = self.written.bytes.lock().unwrap();
        while !written.1 {
            written = self.written.more.wait_timeout(written, PATIENCE).unwrap().0;
        }
        let shown = String::from_utf8_lossy(&written.0).into_owned();
        let (before, after) = shown.split_once("code=").unwrap_or_else(|| panic!("it has no end: {shown:?}"));
        assert!(after.starts_with("0."), "{after}");
        let left = before.rfind("\u{1b}[?1049l").expect("it has left the other screen");
        let entered = before.rfind("\u{1b}[?1049h").expect("it had another screen");
        assert!(left > entered && before.rfind("\u{1b}[?25h") > before.rfind("\u{1b}[?25l"), "{before:?}");
        let is_set = |mode: &str| after.split([' ', ';', '\r', '\n']).any(|word| word == mode);
        assert!(is_set("icanon") && is_set("echo") && is_set("isig"), "{after}");
    }

    /// What stands on the screen: as much of a terminal as it takes.
    fn screen(&self, written: &str) -> String {
        let mut cells = vec![vec![' '; self.columns]; self.rows];
        let (mut row, mut column) = (0, 0);
        let mut rest = written.chars();
        while let Some(c) = rest.next() {
            match c {
                '\u{1b}' if rest.clone().next() == Some('[') => {
                    let sequence: String = rest.by_ref().skip(1).take_while_inclusive();
                    let numbers = sequence.trim_end_matches(|c: char| c.is_alphabetic());
                    let mut numbers = numbers.split(';').map(|number| number.parse::<usize>().unwrap_or(1));
                    match sequence.chars().last() {
                        Some('H') => {
                            row = numbers.next().unwrap_or(1).max(1) - 1;
                            column = numbers.next().unwrap_or(1).max(1) - 1;
                        }
                        Some('J') => cells = vec![vec![' '; self.columns]; self.rows],
                        _ => {}
                    }
                }
                '\r' => column = 0,
                '\n' => row += 1,
                c if c.is_control() => {}
                c => {
                    if let Some(cell) = cells.get_mut(row).and_then(|line| line.get_mut(column)) {
                        *cell = c;
                    }
                    column += 1;
                }
            }
        }
        cells.into_iter().map(|line| line.into_iter().collect::<String>()).collect::<Vec<_>>().join("\n")
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.script.kill();
        let _ = self.script.wait();
    }
}

/// A control sequence, to its last character.
trait Sequence {
    fn take_while_inclusive(self) -> String;
}

impl<I: Iterator<Item = char>> Sequence for I {
    fn take_while_inclusive(self) -> String {
        let mut text = String::new();
        for c in self {
            text.push(c);
            if c.is_ascii_alphabetic() {
                break;
            }
        }
        text
    }
}
