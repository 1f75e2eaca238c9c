//! A process that the test may kill, and that is gone when the test is: also if that was killed itself.

use std::{
    io,
    os::unix::process::CommandExt,
    process::{Child, Command, ExitStatus, Stdio},
    time::{Duration, Instant},
};

/// A child that dies with its owner.
pub(crate) struct OwnedChild {
    child: Child,
    /// A shell that waits for the end of its input, which comes with our end, and kills the child then.
    warden: Child,
}

impl OwnedChild {
    /// Starts it, in a group of its own: a signal that is meant for the test reaches it by the test alone.
    pub(crate) fn spawn(command: &mut Command) -> io::Result<Self> {
        let child = command.process_group(0).spawn()?;
        let warden = Command::new("sh")
            .args(["-c", &format!("read -r _; kill -9 {}", child.id())])
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()?;
        Ok(Self { child, warden })
    }

    pub(crate) fn stderr(&mut self) -> Option<std::process::ChildStderr> {
        self.child.stderr.take()
    }

    /// Sends it a signal by name (`TERM`, `QUIT`, `STOP`).
    pub(crate) fn signal(&self, name: &str) {
        let sent = Command::new("kill").args([&format!("-{name}"), &self.child.id().to_string()]).status();
        assert!(sent.expect("there is a kill").success(), "{name} could not be sent");
    }

    /// Whether it has ended, and how.
    pub(crate) fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().expect("it is our child")
    }

    /// Waits until it has ended; `None` if it has not by then.
    pub(crate) fn wait(&mut self, patience: Duration) -> Option<ExitStatus> {
        let deadline = Instant::now() + patience;
        while Instant::now() < deadline {
            if let Some(status) = self.ended() {
                return Some(status);
            }
            // A child's end can only be polled for with a time limit.
            std::thread::sleep(Duration::from_millis(5));
        }
        None
    }

    /// `kill -9`, and waits for the end.
    pub(crate) fn kill(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for OwnedChild {
    fn drop(&mut self) {
        self.kill();
        // After the child, so that the warden never kills another process that got its id.
        let _ = self.warden.kill();
        let _ = self.warden.wait();
    }
}
