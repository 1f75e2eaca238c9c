//! A RabbitMQ node of the test's own: killed and started again on the same data.

use std::{
    fs::{self, File},
    io,
    net::{TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::Command,
    time::{Duration, Instant},
};

use chrono::{DateTime, Utc};
use tempfile::TempDir;

use crate::child::OwnedChild;

/// How long a server may take until it listens.
pub(crate) const STARTING: Duration = Duration::from_secs(180);

/// How long a delivery may be unsettled: less than the slowest tasks take. The node looks once a minute, and when it is told to.
const CONSUMER_TIMEOUT: Duration = Duration::from_millis(1500);

/// The node. Gone, with its data, when it is dropped.
pub(crate) struct RabbitMq {
    pub(crate) port: u16,
    distribution_port: u16,
    programs: PathBuf,
    folder: TempDir,
    child: Option<OwnedChild>,
}

impl RabbitMq {
    /// Starts it on free ports.
    pub(crate) fn start(programs: &Path) -> Self {
        let folder = tempfile::Builder::new().prefix("warren-chaos-rabbitmq.").tempdir().expect("a temporary folder");
        let (port, distribution_port) = (free_port(), free_port());
        let file =
            |name: &str, text: &str| fs::write(folder.path().join(name), text).expect("the folder can be written");
        file("enabled_plugins", "[].");
        // A configuration of its own: the system's may name the port of the system's own node.
        let listener = format!("listeners.tcp.local = 127.0.0.1:{port}");
        file("rabbitmq.conf", &format!("{listener}\nconsumer_timeout = {}\n", CONSUMER_TIMEOUT.as_millis()));
        let mut node = Self { port, distribution_port, programs: programs.to_owned(), folder, child: None };
        node.start_again();
        node
    }

    pub(crate) fn url(&self, port: u16) -> String {
        // Short heartbeats: a link that is stalled is noticed within the time that a round takes.
        format!("amqp://guest:guest@127.0.0.1:{port}?heartbeat=2")
    }

    /// Starts it on the data that it has, and waits until it listens.
    pub(crate) fn start_again(&mut self) {
        let log = File::options().create(true).append(true).open(self.folder.path().join("output")).expect("a log");
        let mut command = self.command("rabbitmq-server");
        // The script becomes the node's own process, which can be killed then.
        command.env("RUNNING_UNDER_SYSTEMD", "1").stdout(log.try_clone().expect("a log")).stderr(log);
        self.child = Some(OwnedChild::spawn(&mut command).expect("rabbitmq-server starts"));
        let child = self.child.as_mut().expect("it was just started");
        wait_for_port(self.port, child).unwrap_or_else(|error| {
            let output = fs::read_to_string(self.folder.path().join("output")).unwrap_or_default();
            panic!("RabbitMQ does not start: {error}\n{output}");
        });
    }

    /// RabbitMQ 3.10 may come back from `kill -9` with a quorum queue that has no leader and elects none, so that nobody can use
    /// it or declare it: a fault of its own, and not what is looked at here.
    pub(crate) fn elect_leaders(&self) {
        self.order(
            "[ra:trigger_election(amqqueue:get_pid(Q)) || Q <- rabbit_amqqueue:list(), \
             amqqueue:get_type(Q) =:= rabbit_quorum_queue, element(1, ra:members(amqqueue:get_pid(Q), 5000)) =/= ok]",
        );
    }

    /// `kill -9`.
    pub(crate) fn kill(&mut self) {
        self.child = None;
    }

    /// Closes all connections from the server's side. Gives when that was done: the command takes longer.
    pub(crate) fn close_connections(&self) -> DateTime<Utc> {
        self.order(r#"[rabbit_networking:close_connection(C, "chaos") || C <- rabbit_networking:connections()]"#)
    }

    /// Looks for deliveries that are unsettled for longer than the consumer timeout, and closes their channels. Gives when
    /// that was done.
    pub(crate) fn close_slow_channels(&self) -> DateTime<Utc> {
        self.order("[Channel ! tick || Channel <- rabbit_channel:list()]")
    }

    /// Whether it is short of memory, by its own measure. Gives when that was done.
    pub(crate) fn short_of_memory(&self, short: bool) -> DateTime<Utc> {
        let most = if short { "0" } else { "0.9" };
        self.order(&format!("vm_memory_monitor:set_vm_memory_high_watermark({most})"))
    }

    /// Runs an expression in the node, and gives when that was done.
    fn order(&self, expression: &str) -> DateTime<Utc> {
        let now = self.patiently(&["eval", &format!("{expression}, os:system_time(millisecond).")]);
        let now = now.trim().parse().expect("it prints the time");
        DateTime::from_timestamp_millis(now).expect("it is a time")
    }

    /// Messages in each queue, those included that are delivered and not acked.
    pub(crate) fn depths(&self) -> Vec<(String, u64)> {
        let listed = self.patiently(&["list_queues", "name", "messages", "--no-table-headers"]);
        let lines = listed.lines().filter_map(|line| line.split_once('\t'));
        lines.map(|(name, depth)| (name.to_owned(), depth.trim().parse().unwrap_or(u64::MAX))).collect()
    }

    /// `rabbitmqctl`, again and again while the node is not far enough in its start.
    fn patiently(&self, arguments: &[&str]) -> String {
        let deadline = Instant::now() + STARTING;
        loop {
            let output = self.command("rabbitmqctl").arg("-q").args(arguments).output().expect("rabbitmqctl starts");
            if output.status.success() {
                return String::from_utf8_lossy(&output.stdout).into_owned();
            }
            let error = String::from_utf8_lossy(&output.stderr);
            assert!(Instant::now() < deadline, "rabbitmqctl {arguments:?}: {error}");
        }
    }

    fn command(&self, program: &str) -> Command {
        let folder = self.folder.path();
        let mut command = Command::new(self.programs.join(program));
        command
            // The Erlang cookie is kept there: one of its own, too.
            .env("HOME", folder)
            .env("RABBITMQ_NODENAME", format!("warren-chaos-{}@localhost", self.port))
            .env("RABBITMQ_DIST_PORT", self.distribution_port.to_string())
            .env("RABBITMQ_MNESIA_BASE", folder.join("data"))
            .env("RABBITMQ_LOG_BASE", folder.join("log"))
            .env("RABBITMQ_CONFIG_FILE", folder.join("rabbitmq.conf"))
            .env("RABBITMQ_ENABLED_PLUGINS_FILE", folder.join("enabled_plugins"))
            // Schedulers that spin while they wait would take the processor from what is tested.
            .env("RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS", "+sbwt none +sbwtdcpu none +sbwtdio none")
            .current_dir(folder);
        command
    }
}

/// A port that nobody listens on.
pub(crate) fn free_port() -> u16 {
    TcpListener::bind(("127.0.0.1", 0)).and_then(|listener| listener.local_addr()).expect("a free port").port()
}

/// Waits until the child listens there.
pub(crate) fn wait_for_port(port: u16, child: &mut OwnedChild) -> io::Result<()> {
    let deadline = Instant::now() + STARTING;
    while TcpStream::connect(("127.0.0.1", port)).is_err() {
        if let Some(status) = child.ended() {
            return Err(io::Error::other(format!("it ended: {status}")));
        }
        if Instant::now() > deadline {
            return Err(io::Error::other(format!("it does not listen after {STARTING:?}")));
        }
        // A listener of another process can only be polled for.
        std::thread::sleep(Duration::from_millis(20));
    }
    Ok(())
}
