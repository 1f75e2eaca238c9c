//! What is looked at every few seconds, from outside: the process by `/proc`, its connections by those who accept them.

use std::{
    fmt, fs,
    process::Command,
    time::{Duration, Instant},
};

use event_driven::client::Client;
use sea_orm::{ConnectOptions, ConnectionTrait, Database, DatabaseConnection, DbBackend, Statement};

use super::Result;

/// The values at one moment.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sample {
    seconds: u64,
    published: usize,
    /// Rows of tasks, as the statistics have it.
    rows: i64,
    /// Tasks that wait in their queue.
    queued: u64,
    rss_kib: i64,
    files: i64,
    sockets: i64,
    threads: i64,
    postgres: i64,
    rabbitmq: i64,
}

impl Sample {
    pub(crate) const HEADER: &str =
        "seconds  published       rows    queued   RSS KiB  files  sockets  threads  at Postgres  at RabbitMQ";

    /// What must not grow, by name.
    fn values(&self) -> [(&'static str, i64); 6] {
        [
            ("RSS KiB", self.rss_kib),
            ("files", self.files),
            ("sockets", self.sockets),
            ("threads", self.threads),
            ("connections at Postgres", self.postgres),
            ("connections at RabbitMQ", self.rabbitmq),
        ]
    }
}

impl fmt::Display for Sample {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { seconds, published, rows, queued, rss_kib, files, sockets, threads, postgres, rabbitmq } = self;
        write!(f, "{seconds:>7} {published:>10} {rows:>10} {queued:>9} {rss_kib:>9}")?;
        write!(f, " {files:>6} {sockets:>8} {threads:>8} {postgres:>12} {rabbitmq:>12}")
    }
}

/// How the values after the first quarter differ from those at the end.
pub(crate) fn tell_growth(samples: &[Sample]) {
    let (Some(first), Some(last)) = (samples.get(samples.len() / 4), samples.last()) else { return };
    println!("from {} s to {} s:", first.seconds, last.seconds);
    for ((name, before), (_, after)) in first.values().into_iter().zip(last.values()) {
        println!("  {name:<24} {before:>9} {after:>9}  {:+}", after - before);
    }
}

/// Looks at a process.
pub(crate) struct Observer {
    process: u32,
    database: DatabaseConnection,
    client: Client,
    vhost: String,
}

impl Observer {
    pub(crate) async fn connect(process: u32, postgres: &str, rabbitmq: &str, client: Client) -> Result<Self> {
        // A name of its own, so that it is not counted.
        let mut options = ConnectOptions::new(format!("{postgres}?application_name=soak"));
        options.max_connections(1).sqlx_logging(false);
        let vhost = url::Url::parse(rabbitmq)?.path().trim_start_matches('/').to_owned();
        let vhost = if vhost.is_empty() { "/".to_owned() } else { vhost };
        Ok(Self { process, database: Database::connect(options).await?, client, vhost })
    }

    /// Waits until the process has made its tables and its queue.
    pub(crate) async fn wait_for_tables(&self) -> Result<()> {
        let deadline = Instant::now() + Duration::from_secs(30);
        while self.count("SELECT count(*) FROM task_store").await.is_err() || self.client.depth("tasks").await.is_err()
        {
            if Instant::now() > deadline {
                return Err("warren is not ready after 30 s".into());
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        Ok(())
    }

    pub(crate) async fn sample(&self, at: Duration, published: usize) -> Result<Sample> {
        let (files, sockets) = self.descriptors()?;
        let connections =
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND application_name";
        // Counting the rows themselves takes the longer the more there are.
        let rows = "SELECT n_tup_ins FROM pg_stat_user_tables WHERE relname = 'task_store'";
        Ok(Sample {
            seconds: at.as_secs(),
            published,
            rows: self.count(rows).await?,
            queued: self.client.depth("tasks").await?,
            rss_kib: self.status("VmRSS:")?,
            files,
            sockets,
            threads: self.status("Threads:")?,
            postgres: self.count(&format!("{connections} = 'warren'")).await?,
            rabbitmq: self.at_rabbitmq()?,
        })
    }

    /// Waits until all tasks are COMPLETED; says how many are.
    pub(crate) async fn wait_until_over(&self, tasks: usize, patience: Duration) -> Result<String> {
        let (tasks, deadline) = (i64::try_from(tasks)?, Instant::now() + patience);
        loop {
            let completed = self.count("SELECT count(*) FROM task_store WHERE status = 'COMPLETED'").await?;
            if completed == tasks {
                return Ok("all of them are COMPLETED".to_owned());
            }
            if Instant::now() > deadline {
                return Err(format!("{completed} of {tasks} tasks are COMPLETED {patience:?} after the last").into());
            }
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    }

    async fn count(&self, sql: &str) -> Result<i64> {
        let row = self.database.query_one_raw(Statement::from_string(DbBackend::Postgres, sql)).await?;
        Ok(row.ok_or("no row")?.try_get_by_index(0)?)
    }

    /// A number of proc(5)'s `status`.
    fn status(&self, name: &str) -> Result<i64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.process))?;
        let line = status.lines().find_map(|line| line.strip_prefix(name)).ok_or("no such line")?;
        Ok(line.split_whitespace().next().ok_or("no number")?.parse()?)
    }

    /// Open files, and how many of them are sockets.
    fn descriptors(&self) -> Result<(i64, i64)> {
        let (mut files, mut sockets) = (0, 0);
        for entry in fs::read_dir(format!("/proc/{}/fd", self.process))? {
            files += 1;
            // One may be closed meanwhile.
            let target = fs::read_link(entry?.path()).unwrap_or_default();
            sockets += i64::from(target.to_string_lossy().starts_with("socket:"));
        }
        Ok((files, sockets))
    }

    /// Connections to our virtual host that say they are warren's.
    fn at_rabbitmq(&self) -> Result<i64> {
        let output =
            Command::new("rabbitmqctl").args(["-q", "list_connections", "vhost", "client_properties"]).output()?;
        if !output.status.success() {
            return Err(format!("rabbitmqctl list_connections: {}", String::from_utf8_lossy(&output.stderr)).into());
        }
        let listed = String::from_utf8_lossy(&output.stdout);
        let ours = listed.lines().filter(|line| line.split('\t').next() == Some(&self.vhost));
        Ok(i64::try_from(ours.filter(|line| line.contains(r#""connection_name","warren"#)).count())?)
    }
}
