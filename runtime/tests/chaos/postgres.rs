//! A PostgreSQL cluster of the test's own: stopped without a word and started again on the same data.

use std::{
    fs::File,
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::Command,
};

use tempfile::TempDir;

use crate::{
    child::OwnedChild,
    rabbitmq::{STARTING, free_port, wait_for_port},
};

/// The cluster. Gone, with its data, when it is dropped.
pub(crate) struct Postgres {
    pub(crate) port: u16,
    programs: PathBuf,
    folder: TempDir,
    child: Option<OwnedChild>,
}

impl Postgres {
    /// Makes it and starts it on a free port.
    pub(crate) fn start(programs: &Path) -> Self {
        let folder = tempfile::Builder::new().prefix("warren-chaos-postgres.").tempdir().expect("a temporary folder");
        if let Some((user, group)) = other_user() {
            std::os::unix::fs::chown(folder.path(), Some(user), Some(group)).expect("root may give a folder away");
        }
        let mut cluster = Self { port: free_port(), programs: programs.to_owned(), folder, child: None };
        let mut initdb = cluster.command("initdb");
        initdb.args(["--username=postgres", "--auth=trust", "--no-sync", "-D"]).arg(cluster.data());
        let made = initdb.output().expect("initdb starts");
        assert!(made.status.success(), "initdb: {}", String::from_utf8_lossy(&made.stderr));
        cluster.start_again();
        cluster
    }

    pub(crate) fn url(&self, port: u16) -> String {
        format!("postgres://postgres@127.0.0.1:{port}/postgres")
    }

    /// Starts it on the data that it has, and waits until it listens.
    pub(crate) fn start_again(&mut self) {
        let output = self.folder.path().join("output");
        let log = File::options().create(true).append(true).open(&output).expect("a log");
        let mut command = self.command("postgres");
        command.arg("-D").arg(self.data()).args(["-p", &self.port.to_string(), "-c", "listen_addresses=127.0.0.1"]);
        command.arg("-c").arg(format!("unix_socket_directories={}", self.folder.path().display()));
        command.stdout(log.try_clone().expect("a log")).stderr(log);
        self.child = Some(OwnedChild::spawn(&mut command).expect("postgres starts"));
        let child = self.child.as_mut().expect("it was just started");
        wait_for_port(self.port, child).unwrap_or_else(|error| {
            panic!("PostgreSQL does not start: {error}\n{}", std::fs::read_to_string(output).unwrap_or_default());
        });
    }

    /// Stops it in the immediate mode: every connection is cut in the middle, and the next start has to recover.
    pub(crate) fn stop_at_once(&mut self) {
        let Some(mut child) = self.child.take() else { return };
        child.signal("QUIT");
        assert!(child.wait(STARTING).is_some(), "PostgreSQL does not stop");
    }

    /// Ends every session from the server's side.
    pub(crate) fn end_sessions(&self) {
        let sql = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid()";
        let ended = self.command("psql").args([&self.url(self.port), "-qXc", sql]).output().expect("psql starts");
        assert!(ended.status.success(), "psql: {}", String::from_utf8_lossy(&ended.stderr));
    }

    fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(self.programs.join(program));
        command.current_dir(self.folder.path());
        if let Some((user, group)) = other_user() {
            command.uid(user).gid(group);
        }
        command
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        // A postmaster that is killed leaves its children, and they the shared memory.
        if let Some(child) = &self.child {
            child.signal("QUIT");
        }
        if let Some(child) = &mut self.child {
            child.wait(STARTING);
        }
    }
}

/// PostgreSQL refuses to run as root: there it becomes the user that its package made.
fn other_user() -> Option<(u32, u32)> {
    if !rustix::process::geteuid().is_root() {
        return None;
    }
    let id = |what: &str| {
        let output = Command::new("id").args([what, "postgres"]).output().expect("there is an id");
        String::from_utf8_lossy(&output.stdout).trim().parse().expect("PostgreSQL's package made a user postgres")
    };
    Some((id("-u"), id("-g")))
}
