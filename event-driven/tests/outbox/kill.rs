//! A relay that is killed at any moment: nothing is lost, nothing overtakes.
//!
//! The relay is a process of its own: this very test binary, told by its environment to be one.

use std::{
    hash::{BuildHasher, RandomState},
    process::{Child, Command, Stdio},
    time::Duration,
};

use event_driven::{
    names::EventType,
    outbox::{Relay, RelaySettings},
};

use crate::{
    database::{self, Kind, TestDatabase, rows},
    shop::{Listener, Story, publisher, write},
    vhost::Vhost,
};

const DATABASE: &str = "OUTBOX_TEST_DATABASE";
const BROKER: &str = "OUTBOX_TEST_BROKER";

const ORDERS: u64 = 20;
const EVENTS: u64 = 40;

/// A process that is killed when this is dropped.
struct RelayProcess(Child);

impl RelayProcess {
    fn start(database: &TestDatabase, vhost: &Vhost) -> Self {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["--ignored", "--exact", "kill::the_relay_process"]);
        command.env(DATABASE, &database.url).env(BROKER, vhost.url());
        Self(command.stdout(Stdio::null()).spawn().unwrap())
    }
}

impl Drop for RelayProcess {
    fn drop(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

#[tokio::test]
#[ignore = "is what the other tests here start and kill"]
async fn the_relay_process() {
    let [database, broker] = [DATABASE, BROKER].map(|name| std::env::var(name).expect("set by the test"));
    let db = database::connect(&database).await;
    let publisher = publisher(broker.parse().unwrap()).await;
    let settings = RelaySettings { batch: 8, chain: 5, poll: Duration::from_millis(20), ..RelaySettings::default() };
    let _relay = Relay::new(&db, &publisher, settings).start();
    std::future::pending::<()>().await;
}

/// Up to `most`, another one each time.
fn random(most: u64) -> u64 {
    RandomState::new().hash_one(()) % most
}

async fn killed(kind: Kind, relays: usize) {
    let (vhost, database) = (Vhost::create(), TestDatabase::create(kind).await);
    let (db, publisher) = (database.connect().await, publisher(vhost.address()).await);
    let mut listener = Listener::start(vhost.address(), EventType::Update).await;
    let writing = async {
        for n in 0..EVENTS {
            for order in 0..ORDERS {
                write(&db, &publisher, order, n).await;
            }
        }
    };
    let hearing = async {
        let mut story = Story::default();
        let mut processes: Vec<_> = (0..relays).map(|_| RelayProcess::start(&database, &vhost)).collect();
        let (mut kills, mut next) = (0, 1 + random(60));
        while story.len() < usize::try_from(ORDERS * EVENTS).unwrap() {
            story.tell(&listener.next().await);
            next -= 1;
            if next == 0 {
                // In the middle of its work: it has just published something.
                let victim = usize::try_from(random(processes.len() as u64)).unwrap();
                processes[victim] = RelayProcess::start(&database, &vhost);
                (kills, next) = (kills + 1, 1 + random(120));
            }
        }
        (story, kills, processes)
    };
    let ((), (story, kills, _processes)) = tokio::join!(writing, hearing);
    eprintln!("{kind:?}: {kills} kills, {} duplicates", story.duplicates);
    assert!(kills >= 5, "{kills} kills show little");
    let empty = async {
        while !rows(&db).await.is_empty() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(crate::shop::LONG, empty).await.expect("the outbox becomes empty");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_relays_on_postgres_one_is_killed_again_and_again() {
    killed(Kind::Postgres, 2).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_relay_on_sqlite_is_killed_again_and_again() {
    killed(Kind::Sqlite, 1).await;
}
