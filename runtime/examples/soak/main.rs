//! Runs the real binary for a long time under a steady load, and shows whether it grows: memory, open files, sockets,
//! connections at the database and at RabbitMQ.
//!
//! `cargo run --release -p warren --example soak -- [MINUTES] [TASKS]`
//!
//! Uses RABBITMQ_URL and DATABASE_URL, and both must be there for this alone; `make soak` makes a virtual host and a
//! database for it. Reads `/proc`, so it runs on Linux.

#[path = "../../tests/support/guest.rs"]
mod guest;
#[path = "../../tests/chaos/guests.rs"]
mod guests;
mod load;
mod sample;

use std::{
    error::Error,
    fs,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use event_driven::{
    client::{Client, ClientSettings},
    publisher::Publisher,
};
use sample::{Observer, Sample};

type Result<T> = std::result::Result<T, Box<dyn Error + Send + Sync>>;

/// The time between two samples.
const EVERY: Duration = Duration::from_secs(10);

/// How long the tasks that were published last may take.
const REST: Duration = Duration::from_secs(120);

#[tokio::main]
async fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let minutes: u64 = arguments.next().map_or(Ok(30), |minutes| minutes.parse())?;
    let tasks: usize = arguments.next().map_or(Ok(5_000_000), |tasks| tasks.parse())?;
    let (rabbitmq, postgres) = (std::env::var("RABBITMQ_URL")?, std::env::var("DATABASE_URL")?);
    let folder = tempfile::tempdir()?;
    let warren = Warren::start(folder.path())?;
    let client = Client::connect(ClientSettings::new("soak".parse()?, rabbitmq.parse()?)).await?;
    let observer = Observer::connect(warren.0.id(), &postgres, &rabbitmq, client.clone()).await?;
    observer.wait_for_tables().await?;

    let (published, started) = (Arc::new(AtomicUsize::new(0)), Instant::now());
    let duration = Duration::from_secs(60 * minutes.max(1));
    let publishing = load::publish(Publisher::new(&client), tasks, duration, published.clone());
    let publishing = tokio::spawn(publishing);
    let mut samples = Vec::new();
    println!("{}", Sample::HEADER);
    // The first tick is at once.
    let mut every = tokio::time::interval(EVERY);
    every.tick().await;
    while !publishing.is_finished() {
        every.tick().await;
        let sample = observer.sample(started.elapsed(), published.load(Ordering::Relaxed)).await?;
        println!("{sample}");
        samples.push(sample);
    }
    publishing.await??;
    let took = started.elapsed();
    let over = observer.wait_until_over(tasks, REST).await?;
    println!("{tasks} tasks in {took:.0?}, {:.0}/s; {over}", tasks as f64 / took.as_secs_f64());
    sample::tell_growth(&samples);
    warren.stop()
}

/// The running binary, killed if something goes wrong.
struct Warren(Child);

impl Warren {
    fn start(folder: &Path) -> Result<Self> {
        let (components, log) = (folder.join("components"), fs::File::create(folder.join("log"))?);
        fs::create_dir(&components)?;
        fs::copy(target()?.join("components/echo.wasm"), components.join("echo.wasm"))?;
        for (name, bytes) in guests::components() {
            fs::write(components.join(format!("{name}.wasm")), bytes)?;
        }
        let mut command = Command::new(binary()?);
        command.arg("run").env("WARREN_COMPONENTS_URL", components).env("WARREN_HTTP_ADDR", "127.0.0.1:0");
        // A line for each attempt that fails would fill the disk of the one who looks at figures.
        command.env("WARREN_LOG_FILTER", "warn,lapin=off,sqlx=off").stdout(Stdio::null()).stderr(log);
        Ok(Self(command.spawn()?))
    }

    fn stop(mut self) -> Result<()> {
        Command::new("kill").args(["-TERM", &self.0.id().to_string()]).status()?;
        println!("stopped: {}", self.0.wait()?);
        Ok(())
    }
}

impl Drop for Warren {
    fn drop(&mut self) {
        // It has ended by itself, as a rule.
        let _ = self.0.kill();
    }
}

/// `warren` of this build.
fn binary() -> Result<PathBuf> {
    let example = std::env::current_exe()?;
    Ok(example.parent().and_then(Path::parent).ok_or("no folder above")?.join("warren"))
}

fn target() -> Result<PathBuf> {
    Ok(binary()?.parent().and_then(Path::parent).ok_or("no folder above")?.to_owned())
}
