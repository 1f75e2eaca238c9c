//! Measures how long the first task of a component takes, of 1,000 different ones of about 100 KB: compiled, from the cache
//! on disk, and ready in memory; and how long the binary takes from its start to its first task with a warm cache.
//!
//! `cargo build -p warren` and `cargo run -p warren --example first_task -- [COMPONENTS]`, both with `--release` or both
//! without. Needs the component `echo` (`make components`), and neither broker nor database.

#[path = "support/execute.rs"]
mod execute;

use std::{
    error::Error,
    fs,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::Arc,
    time::{Duration, Instant},
};

use bytesize::ByteSize;
use execute::execute;
use serde_json::json;
use warren::{
    components::{ChildProcess, CompileCache, Compiler, ComponentStore, Components, Found, Keep, Place},
    config::Config,
    sandbox::{EngineSettings, Program, Sandbox},
};

type Result<T> = std::result::Result<T, Box<dyn Error + Send + Sync>>;

const STACK: usize = 512 << 10;

/// Of each component, in bytes.
const SIZE: usize = 100_000;

const PAYLOAD: &str = r#"{"n": 1}"#;

#[tokio::main]
async fn main() -> Result<()> {
    let count: usize = std::env::args().nth(1).map_or(Ok(1000), |count| count.parse())?;
    let example = std::env::current_exe()?;
    let profile = example.ancestors().nth(2).ok_or("no folder above")?;
    let echo = fs::read(profile.with_file_name("components").join("echo.wasm"))?;
    let folder = tempfile::tempdir()?;
    let (components, cache) = (folder.path().join("components"), folder.path().join("cache"));
    fs::create_dir(&components)?;
    for number in 0..count {
        fs::write(components.join(format!("echo{number}.wasm")), different(&echo, number))?;
    }
    let binary = profile.join("warren");
    println!("{count} components of {} each; first task, ms", ByteSize(SIZE as u64));
    let settings = EngineSettings { concurrency: 64, threads: 2, max_memory: 64 << 20, stack: STACK };
    let bench = Bench { sandbox: Sandbox::new(&settings)?, binary, components, cache, count };

    println!("compiled in a child      {}", bench.cold().await?);
    // Room for none: what was looked at is let go, and each is loaded for its task.
    let registry = bench.registry(ByteSize::b(1)).await?;
    let started = Instant::now();
    registry.settled().await;
    println!("all looked at in         {:.1} s (in the background)", started.elapsed().as_secs_f64());
    println!("from the cache on disk   {}", bench.first_tasks(&registry).await?);
    registry.stop().await;
    let registry = bench.registry(ByteSize::gib(8)).await?;
    registry.settled().await;
    println!("ready in memory          {}", bench.first_tasks(&registry).await?);
    registry.stop().await;
    let bytes: u64 = fs::read_dir(&bench.cache)?.map(|entry| Ok(entry?.metadata()?.len())).sum::<Result<u64>>()?;
    println!("the cache on disk        {}", ByteSize(bytes));
    for _ in 0..3 {
        println!("start to first task      {:.0} ms (warren dev)", bench.start(folder.path()).await?);
    }
    Ok(())
}

/// The same component with other bytes at its end, in a section that nobody reads.
fn different(component: &[u8], number: usize) -> Vec<u8> {
    let mut bytes = component.to_vec();
    let room = SIZE.saturating_sub(component.len()).clamp(16, 1 << 20);
    // The length in three bytes, as WebAssembly writes numbers.
    let [low, middle, high] = [room & 0x7f | 0x80, room >> 7 & 0x7f | 0x80, room >> 14 & 0x7f];
    bytes.extend([0].into_iter().chain([low, middle, high].map(|byte| u8::try_from(byte).unwrap_or_default())));
    let mut section = vec![1, b'n'];
    section.extend(number.to_le_bytes());
    section.resize(room, 0);
    bytes.extend(section);
    bytes
}

fn shown(mut times: Vec<f64>) -> String {
    times.sort_by(f64::total_cmp);
    let at = |percent: usize| times.get(times.len() * percent / 100).copied().unwrap_or_default();
    format!("p50 {:.2}  p99 {:.2}  max {:.2}", at(50), at(99), times.last().copied().unwrap_or_default())
}

struct Bench {
    sandbox: Sandbox,
    binary: PathBuf,
    components: PathBuf,
    cache: PathBuf,
    count: usize,
}

impl Bench {
    fn compiler(&self) -> Result<Compiler> {
        let child = ChildProcess::new(self.binary.clone(), STACK, Config::default().to_compile_limits());
        let cache = CompileCache::open(&self.cache, ByteSize::gib(8))?;
        Ok(Compiler::new(self.sandbox.engine().clone(), Place::Child(child), Some(cache)))
    }

    async fn registry(&self, memory: ByteSize) -> Result<Components<Program>> {
        let store = ComponentStore::open(&self.components.display().to_string())?;
        let compiler = self.compiler()?;
        let preparer = Box::new(self.sandbox.preparer(Config::default().to_bounds()));
        Ok(Components::load(store, compiler, preparer, Keep { scan: Duration::from_secs(3600), memory }).await?)
    }

    /// One task of each component, one after the other, from its file to its result; nothing goes on beside it.
    async fn cold(&self) -> Result<String> {
        let compiler = self.compiler()?;
        let mut times = Vec::new();
        for number in 0..self.count {
            let started = Instant::now();
            let bytes = fs::read(self.components.join(format!("echo{number}.wasm")))?;
            let (_, component) = compiler.compile(bytes.into()).await?;
            let manifest = Config::default().to_bounds().without_manifest();
            execute(&self.sandbox, Arc::new(self.sandbox.prepare(&component, manifest)?), PAYLOAD).await?;
            times.push(started.elapsed().as_secs_f64() * 1e3);
        }
        Ok(shown(times))
    }

    /// One task of each component, one after the other: from its name to its result.
    async fn first_tasks(&self, registry: &Components<Program>) -> Result<String> {
        let mut times = Vec::new();
        for number in 0..self.count {
            let (name, started) = (format!("echo{number}"), Instant::now());
            let program = match registry.find(&name.parse()?).await {
                Found::Ready(component) => component.program.clone(),
                Found::Broken(reason) | Found::Unavailable(reason) => return Err(reason.to_string().into()),
                Found::Missing => return Err(name.into()),
            };
            execute(&self.sandbox, program, PAYLOAD).await?;
            times.push(started.elapsed().as_secs_f64() * 1e3);
        }
        Ok(shown(times))
    }

    /// From the start of the binary to the outcome of a task, asked for as soon as HTTP answers; in milliseconds.
    async fn start(&self, folder: &Path) -> Result<f64> {
        let port = std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        warren::tls::install_ring();
        let client = reqwest::Client::builder().no_proxy().build()?;
        let started = Instant::now();
        let _child = Stopped(
            Command::new(&self.binary)
                .arg("dev")
                .current_dir(folder)
                .env("WARREN_COMPONENTS_CACHE", &self.cache)
                .env("WARREN_COMPONENTS_URL", &self.components)
                .env("WARREN_HTTP_ADDR", format!("127.0.0.1:{port}"))
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .spawn()?,
        );
        let body = json!({ "task_name": format!("echo{}", self.count / 2), "payload": 1 });
        loop {
            let request = client.post(format!("http://127.0.0.1:{port}/v1/tasks?wait=60s")).json(&body);
            if let Ok(answer) = request.send().await {
                let took = started.elapsed();
                let task: serde_json::Value = answer.json().await?;
                return match task.get("status").and_then(|status| status.as_str()) {
                    Some("COMPLETED") => Ok(took.as_secs_f64() * 1e3),
                    _ => Err(task.to_string().into()),
                };
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}

/// A process that is killed when it is no longer needed.
struct Stopped(Child);

impl Drop for Stopped {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
