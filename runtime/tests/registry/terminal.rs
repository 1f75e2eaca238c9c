//! What the commands ask and show on a terminal, and not in a pipe.

use std::{
    fs,
    io::Write,
    process::{Command, Stdio},
};

use crate::{answering, commands::Author, guest::padded, run};

/// Runs it on a terminal of its own, on which this is typed; gives its exit code and all that is shown.
fn on_terminal(command: &Command, typed: &str) -> (i32, String) {
    let quoted = |text: &std::ffi::OsStr| format!("'{}'", text.to_str().unwrap());
    let line: Vec<_> = std::iter::once(command.get_program()).chain(command.get_args()).map(quoted).collect();
    let mut script = Command::new("script");
    script.args(["--quiet", "--return", "--command", &line.join(" "), "/dev/null"]).env("TERM", "xterm");
    script.current_dir(command.get_current_dir().unwrap());
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => script.env(name, value),
            None => script.env_remove(name),
        };
    }
    script.stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = script.spawn().expect("`script`, of util-linux, is there");
    // The end of what is typed would be taken for the end of the session.
    let mut keyboard = child.stdin.take().unwrap();
    keyboard.write_all(typed.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    (output.status.code().unwrap(), String::from_utf8(output.stdout).unwrap())
}

#[test]
fn a_removal_is_asked_for_on_a_terminal_alone() {
    let author = Author::new();
    let push = || run(&mut author.component(&["push", "one.wasm", "--name", "work"]));
    push();
    let remove = author.component(&["remove", "work"]);
    for no in ["n\n", "\n", "yesterday\n"] {
        let (code, shown) = on_terminal(&remove, no);
        assert!(shown.contains("Remove work from components (version 1; its versions stay)? [y/N] "), "{shown}");
        assert!(code == 1 && shown.contains("nothing was removed"), "{no:?}: {code} {shown}");
    }
    for yes in ["y\n", "YES\n"] {
        let (code, shown) = on_terminal(&remove, yes);
        assert!(
            code == 0 && shown.contains("work is removed; `warren component use work 1` brings it back"),
            "{shown}"
        );
        push();
    }
    // In a pipe nobody is asked, whatever is written into it.
    let mut piped = author.component(&["remove", "work"]);
    let mut child = piped.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    // It may have ended without reading.
    let _ = child.stdin.take().unwrap().write_all(b"y\n");
    let output = child.wait_with_output().unwrap();
    let told = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{told}");
    assert!(told.contains("nobody is there to ask whether to remove work") && told.contains("--yes"), "{told}");
    let (code, shown) = on_terminal(&author.component(&["remove", "work", "--yes"]), "");
    assert!(code == 0 && !shown.contains("[y/N]"), "{shown}");
}

#[test]
fn a_large_push_shows_how_far_it_is_on_a_terminal_alone() {
    let author = Author::new();
    fs::write(author.folder.path().join("large.wasm"), padded(answering("one"), 20 << 20)).unwrap();
    let (code, shown) = on_terminal(&author.component(&["push", "large.wasm", "--name", "on-terminal"]), "");
    assert!(code == 0 && shown.contains(" of 20.00 MiB, "), "{shown:?}");
    let (code, shown) = on_terminal(&author.component(&["push", "one.wasm"]), "");
    assert!(code == 0 && !shown.contains(" of "), "a small one is there at once: {shown:?}");
    let (code, stdout, stderr) = run(&mut author.component(&["push", "large.wasm", "--name", "in-pipe"]));
    assert!(code == 0 && stdout.starts_with("in-pipe is in components as version 1 ("), "{stdout}");
    assert_eq!(stderr, "");
}
