//! A RabbitMQ of a test's own: for what would harm others on a shared one. Killed when it is dropped.

#![allow(dead_code, reason = "each test file uses its part")]

use std::{
    fs,
    net::{TcpListener, TcpStream},
    os::unix::fs::PermissionsExt,
    path::Path,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use tempfile::TempDir;

/// How long it may take to start on a machine that is busy.
const START: Duration = Duration::from_secs(180);

/// A running node.
pub struct Node {
    name: String,
    port: u16,
    data: TempDir,
    script: Child,
}

impl Node {
    /// Starts one. `None` where RabbitMQ is not installed, which is told; an error where everything has to run.
    pub fn start() -> Option<Self> {
        let free = || TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap().port();
        let (port, distribution) = (free(), free());
        let data = tempfile::tempdir().unwrap();
        let path = |file: &str| data.path().join(file);
        // The server runs as a user of its own where this is root.
        fs::set_permissions(data.path(), fs::Permissions::from_mode(0o777)).unwrap();
        fs::write(path("rabbitmq.conf"), format!("listeners.tcp.local = 127.0.0.1:{port}\n")).unwrap();
        fs::write(path("plugins"), "[].").unwrap();
        let name = format!("event-driven-test-{port}@localhost");
        let script = Command::new("rabbitmq-server")
            .env("RABBITMQ_NODENAME", &name)
            .env("RABBITMQ_DIST_PORT", distribution.to_string())
            .env("RABBITMQ_MNESIA_BASE", data.path())
            .env("RABBITMQ_LOG_BASE", path("log"))
            .env("RABBITMQ_ENABLED_PLUGINS_FILE", path("plugins"))
            .env("RABBITMQ_CONFIG_FILE", path("rabbitmq.conf"))
            .env("RABBITMQ_PID_FILE", path("pid"))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        let Ok(script) = script else {
            assert!(std::env::var_os("WARREN_TEST_STRICT").is_none(), "there is no rabbitmq-server to start");
            eprintln!("SKIPPED: there is no rabbitmq-server to start");
            return None;
        };
        let node = Self { name, port, data, script };
        let deadline = Instant::now() + START;
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            assert!(Instant::now() < deadline, "rabbitmq-server does not listen after {START:?}");
            std::thread::sleep(Duration::from_millis(50));
        }
        Some(node)
    }

    pub fn url(&self) -> String {
        format!("amqp://guest:guest@127.0.0.1:{}", self.port)
    }

    /// Whether it is short of memory, by its own measure.
    pub fn short_of_memory(&self, short: bool) {
        self.rabbitmqctl(&["set_vm_memory_high_watermark", if short { "0" } else { "0.9" }]);
    }

    /// How long a delivery may be unsettled, on channels that are opened from now on.
    pub fn consumer_timeout(&self, timeout: Duration) {
        self.rabbitmqctl(&[
            "eval",
            &format!("application:set_env(rabbit, consumer_timeout, {}).", timeout.as_millis()),
        ]);
    }

    /// Lets it look at once for deliveries that are unsettled for too long. It does so once a minute by itself.
    pub fn look_for_consumers(&self) {
        self.rabbitmqctl(&["eval", "[Channel ! tick || Channel <- rabbit_channel:list()]."]);
    }

    fn rabbitmqctl(&self, arguments: &[&str]) {
        let told = Command::new("rabbitmqctl").args(["-q", "-n", &self.name]).args(arguments).output().unwrap();
        assert!(told.status.success(), "{}", String::from_utf8_lossy(&told.stderr));
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        if let Some(pid) = pid(self.data.path()) {
            let _ = Command::new("kill").args(["-9", &pid]).output();
        }
        let _ = self.script.kill();
        let _ = self.script.wait();
    }
}

/// The server's own, not that of the script that started it.
fn pid(data: &Path) -> Option<String> {
    Some(fs::read_to_string(data.join("pid")).ok()?.trim().to_owned()).filter(|pid| !pid.is_empty())
}
