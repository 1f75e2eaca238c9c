//! Everything that can be hurt: the two servers and the runtimes.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tempfile::TempDir;

use crate::{
    fault::GRACES,
    guests,
    postgres::Postgres,
    programs::Programs,
    proxy::Proxy,
    rabbitmq::RabbitMq,
    runtime::{Runtime, Shared},
};

/// How many runtimes share the work.
const RUNTIMES: usize = 2;

/// The servers and the runtimes, each hurt by one fault at a time.
pub(crate) struct Field {
    // First, so that they end before their servers do.
    runtimes: Vec<Mutex<Runtime>>,
    rabbitmq: Mutex<RabbitMq>,
    postgres: Mutex<Postgres>,
    pub(crate) shared: Arc<Shared>,
    _folder: TempDir,
}

impl Field {
    /// Starts all of it. The logs of the runtimes go to `logs`.
    pub(crate) async fn start(programs: &Programs, logs: &Path) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let (components, cache) = (folder.path().join("components"), folder.path().join("cache"));
        for folder in [&components, &cache] {
            fs::create_dir(folder).expect("the folder can be written");
        }
        for (name, bytes) in guests::components() {
            fs::write(components.join(format!("{name}.wasm")), bytes).expect("the folder can be written");
        }
        let (rabbitmq, postgres) = (RabbitMq::start(&programs.rabbitmq), Postgres::start(&programs.postgres));
        let shared = Arc::new(Shared::new(components, cache, logs.to_owned()));
        let mut runtimes = Vec::new();
        for number in 0..RUNTIMES {
            let broker = Proxy::start(format!("127.0.0.1:{}", rabbitmq.port)).await;
            let database = Proxy::start(format!("127.0.0.1:{}", postgres.port)).await;
            let urls = (rabbitmq.url(broker.port), postgres.url(database.port));
            let mut runtime = Runtime::new(number, shared.clone(), (broker, urls.0), (database, urls.1));
            runtime = tokio::task::spawn_blocking(move || {
                runtime.start(GRACES[1].0);
                runtime
            })
            .await
            .expect("the runtime starts");
            runtimes.push(Mutex::new(runtime));
        }
        Self { runtimes, rabbitmq: Mutex::new(rabbitmq), postgres: Mutex::new(postgres), shared, _folder: folder }
    }

    pub(crate) fn runtimes(&self) -> usize {
        self.runtimes.len()
    }

    pub(crate) fn runtime(&self, number: usize) -> MutexGuard<'_, Runtime> {
        self.runtimes[number].lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn rabbitmq(&self) -> MutexGuard<'_, RabbitMq> {
        self.rabbitmq.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn postgres(&self) -> MutexGuard<'_, Postgres> {
        self.postgres.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Shared {
    fn new(components: PathBuf, cache: PathBuf, logs: PathBuf) -> Self {
        Self {
            components,
            cache,
            logs,
            executions: Default::default(),
            violations: Default::default(),
            started: Default::default(),
            ended_early: Default::default(),
        }
    }
}
