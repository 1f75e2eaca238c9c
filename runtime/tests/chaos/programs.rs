//! Where the programs of the two servers are: on the `PATH`, or where packages put them.

use std::{env, path::PathBuf};

/// Folders with the programs, if all are there.
pub(crate) struct Programs {
    /// Has `rabbitmq-server` and `rabbitmqctl`.
    pub(crate) rabbitmq: PathBuf,
    /// Has `initdb`, `postgres` and `psql`.
    pub(crate) postgres: PathBuf,
}

impl Programs {
    /// Finds them, or says what is missing.
    pub(crate) fn find() -> Result<Self, String> {
        // First the scripts themselves: what Debian puts on the PATH runs them as another user.
        let rabbitmq = ["/usr/lib/rabbitmq/bin", "/opt/homebrew/sbin", "/usr/local/sbin"].map(PathBuf::from);
        let rabbitmq = first(&["rabbitmq-server", "rabbitmqctl"], rabbitmq.into_iter().chain(path()));
        let postgres = first(&["initdb", "postgres", "psql"], path().into_iter().chain(installed_postgres()));
        match (rabbitmq, postgres) {
            (Some(rabbitmq), Some(postgres)) => Ok(Self { rabbitmq, postgres }),
            (None, _) => Err("there is no RabbitMQ (rabbitmq-server, rabbitmqctl)".to_owned()),
            (_, None) => Err("there is no PostgreSQL (initdb, postgres, psql)".to_owned()),
        }
    }
}

fn path() -> Vec<PathBuf> {
    env::var_os("PATH").map(|path| env::split_paths(&path).collect()).unwrap_or_default()
}

/// `/usr/lib/postgresql/<version>/bin` of Debian, and Homebrew's; the newest first.
fn installed_postgres() -> Vec<PathBuf> {
    let mut found = Vec::new();
    for (folder, inner) in [("/usr/lib/postgresql", "bin"), ("/opt/homebrew/opt", "bin")] {
        let entries = std::fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
        found.extend(entries.filter(|path| path.to_string_lossy().contains("postgresql")).map(|path| path.join(inner)));
    }
    found.sort();
    found.reverse();
    found
}

/// The first folder that has all of these programs.
fn first(programs: &[&str], folders: impl IntoIterator<Item = PathBuf>) -> Option<PathBuf> {
    folders.into_iter().find(|folder| programs.iter().all(|program| folder.join(program).is_file()))
}
