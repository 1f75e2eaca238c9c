//! A run: load, rounds of faults, the wait until all is quiet, the verdict.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use chrono::{DateTime, Utc};
use sea_orm::{ConnectOptions, Database, DatabaseConnection};
use tokio::task::{JoinHandle, spawn_blocking};

use crate::{
    completions::{Completions, LOOK},
    dead_letters,
    dice::Dice,
    executions::ProcessId,
    fault::{Ended, Fault, GRACES},
    field::Field,
    load::{self, Load},
    report, rows,
    verdict::{Evidence, log_lines},
};

/// How long work may take to go on after a fault.
const RECOVERING: Duration = Duration::from_secs(180);

/// How long all tasks may take to end after the last fault.
const QUIET: Duration = Duration::from_secs(400);

/// When nothing changed for this long and the queues are empty, nothing will.
const STILL: Duration = Duration::from_secs(30);

/// How long a round takes, roughly: what the load is paced by.
const ROUND: u64 = 4;

/// How many of a hundred rounds have two faults at once.
const TWO_AT_ONCE_PERCENT: u64 = 25;

/// What a run is made of.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Plan {
    pub(crate) seed: u64,
    pub(crate) rounds: usize,
    /// The least number of tasks.
    pub(crate) tasks: usize,
}

/// A round that is over.
pub(crate) struct Round {
    pub(crate) kind: String,
    /// From the end of the fault until each process that was hit has completed something that it began after it; `None`
    /// if one did not.
    pub(crate) recovery: Option<Duration>,
}

/// A run that is going on.
struct Run {
    plan: Plan,
    field: Arc<Field>,
    database: DatabaseConnection,
    completions: Arc<Completions>,
    watching: JoinHandle<()>,
}

/// Runs it, and gives how many violations there were.
pub(crate) async fn run(plan: Plan, field: Field) -> usize {
    let started = Instant::now();
    let run = Run::begin(plan, field).await;
    let (load, broker_url) = (Arc::new(Load::default()), run.broker_url());
    let publisher = load::publisher(&broker_url).await;
    let per_second = (plan.tasks as u64 / (plan.rounds as u64 * ROUND)).max(20);
    let publishing = tokio::spawn(load.clone().publish(publisher, plan.seed, per_second, plan.tasks));
    let rounds = run.rounds().await;
    load.is_enough();
    publishing.await.expect("the load is published");
    run.wait_until_quiet(&load).await;
    run.stop_runtimes().await;
    let evidence = run.evidence(&load).await;
    evidence.judge();
    println!("chaos: {plan:?}, in {:.0?}", started.elapsed());
    report::tell_load(&evidence, load.published_again());
    report::tell_rounds(&rounds);
    let violations = run.field.shared.violations.tell();
    println!("violations: {violations} (seed {})", plan.seed);
    run.watching.abort();
    violations
}

impl Run {
    async fn begin(plan: Plan, field: Field) -> Self {
        let url = {
            let postgres = field.postgres();
            postgres.url(postgres.port)
        };
        let completions = Arc::<Completions>::default();
        let mut options = ConnectOptions::new(url);
        options.max_connections(3).sqlx_logging(false).acquire_timeout(Duration::from_secs(5));
        let database = Database::connect(options).await.expect("the test's Postgres is there");
        let watching = tokio::spawn(completions.clone().watch(database.clone()));
        Self { plan, field: Arc::new(field), database, completions, watching }
    }

    fn broker_url(&self) -> String {
        let rabbitmq = self.field.rabbitmq();
        rabbitmq.url(rabbitmq.port)
    }

    async fn rounds(&self) -> Vec<Round> {
        let mut dice = Dice::new(self.plan.seed);
        let (mut deck, mut rounds) = (Vec::new(), Vec::new());
        for n in 1..=self.plan.rounds {
            let mut faults = Vec::new();
            for _ in 0..1 + usize::from(dice.chance(TWO_AT_ONCE_PERCENT)) {
                if deck.is_empty() {
                    deck = Fault::deck(&mut dice);
                }
                faults.extend(deck.pop());
            }
            self.wait_for_work().await;
            let round = self.round(&faults, n as u64).await;
            let recovery = round.recovery.map_or("never".to_owned(), |time| format!("{} ms", time.as_millis()));
            println!("round {n} of {}: {faults:?}, recovered after {recovery}", self.plan.rounds);
            let ended = round.recovery.is_none();
            rounds.push(round);
            if ended {
                break;
            }
        }
        rounds
    }

    /// Between two faults something is completed: else the second hits what has not come back yet.
    async fn wait_for_work(&self) {
        let (before, deadline) = (self.completions.len(), Instant::now() + RECOVERING);
        while self.completions.len() == before && Instant::now() < deadline {
            tokio::time::sleep(LOOK).await;
        }
    }

    async fn round(&self, faults: &[Fault], n: u64) -> Round {
        let applied: Vec<_> = faults
            .iter()
            .enumerate()
            .map(|(which, fault)| {
                let (field, fault) = (self.field.clone(), *fault);
                let mut dice = Dice::of(self.plan.seed.rotate_left(32), n * 2 + which as u64);
                spawn_blocking(move || fault.apply(&field, &mut dice))
            })
            .collect();
        let (mut at, mut hit) = (DateTime::<Utc>::MIN_UTC, Vec::new());
        for ended in applied {
            let ended: Ended = ended.await.expect("the fault could be made");
            at = at.max(ended.at);
            hit.extend(ended.hit);
        }
        let kinds: Vec<String> = faults.iter().map(|fault| fault.kind()).collect();
        Round { kind: kinds.join(" + "), recovery: self.recovery(at, &hit).await }
    }

    /// Waits until each of the processes, or one that took its place, has completed something that it began since then.
    async fn recovery(&self, since: DateTime<Utc>, hit: &[ProcessId]) -> Option<Duration> {
        let (deadline, executions) = (Instant::now() + RECOVERING, &self.field.shared.executions);
        loop {
            let firsts: Option<Vec<_>> =
                hit.iter().map(|process| self.completions.first_since(since, *process, executions)).collect();
            if let Some(last) = firsts.and_then(|firsts| firsts.into_iter().max()) {
                return (last - since).to_std().ok();
            }
            if Instant::now() > deadline {
                let violation = format!("one of {hit:?} completed nothing within {RECOVERING:?} after {since}");
                self.field.shared.violations.add(violation);
                return None;
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    /// Waits until every task has ended and every queue but those of dead letters is empty. What is lost never ends:
    /// once nothing changes any more there is nothing to wait for.
    async fn wait_until_quiet(&self, load: &Load) {
        let (sent, deadline) = (load.sent().len(), Instant::now() + QUIET);
        let (mut last, mut changed) = ((0, 0), Instant::now());
        loop {
            let rows = rows::tasks(&self.database).await.unwrap_or_default();
            let now = (rows.len(), rows.len() - rows::open(&rows).len());
            if now != last {
                (last, changed) = (now, Instant::now());
            }
            let over = now.0 >= sent && now.0 == now.1;
            let left = if over || changed.elapsed() > STILL { self.left_in_queues().await } else { Vec::new() };
            if over && left.is_empty() {
                return;
            }
            if Instant::now() > deadline || changed.elapsed() > STILL && left.is_empty() {
                return self.not_quiet(&rows, sent, left);
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    }

    fn not_quiet(&self, rows: &[rows::Row], sent: usize, left: Vec<(String, u64)>) {
        let open: Vec<_> = rows::open(rows)
            .into_iter()
            .take(10)
            .map(|row| (&row.text, log_lines(&self.field.shared, row.id)))
            .collect();
        self.field.shared.violations.add(format!(
            "not all is over: {} rows for {sent} tasks, queues {left:?}, some that have not ended: {open:#?}",
            rows.len()
        ));
    }

    /// Messages in queues that have to be empty.
    async fn left_in_queues(&self) -> Vec<(String, u64)> {
        let field = self.field.clone();
        let depths = spawn_blocking(move || field.rabbitmq().depths()).await.expect("RabbitMQ is there");
        depths.into_iter().filter(|(name, depth)| *depth > 0 && !name.starts_with("dead.")).collect()
    }

    /// With nothing to do a stop leaves nothing behind.
    async fn stop_runtimes(&self) {
        for number in 0..self.field.runtimes() {
            let field = self.field.clone();
            let said = spawn_blocking(move || field.runtime(number).stop(GRACES[1].1)).await.expect("it stops");
            if !said.contains("nothing is left behind") {
                self.field.shared.violations.add(format!("runtime {number} was idle and said at its stop: {said}"));
            }
        }
        let left = self.left_in_queues().await;
        if !left.is_empty() {
            self.field.shared.violations.add(format!("after the stop there is something in the queues: {left:?}"));
        }
    }

    async fn evidence(&self, load: &Load) -> Evidence<'_> {
        let stored = rows::events(&self.database).await.expect("the rows can be read");
        Evidence {
            shared: &self.field.shared,
            sent: load.sent(),
            rows: rows::tasks(&self.database).await.expect("the rows can be read"),
            completed: self.completions.all(),
            dead: dead_letters::take(&self.broker_url(), "dead.tasks").await,
            dead_events: dead_letters::take(&self.broker_url(), "dead.event.store").await,
            events: (load.events(), stored),
            attempts: rows::attempts(&self.database).await.expect("the rows can be read"),
        }
    }
}
