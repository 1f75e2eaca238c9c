//! A component that tries what it must not be able to do, and says how far it came. Which of it, says its payload.
//!
//! What it gets it returns; what it is refused it returns as a `technical` failure with the reason that it was given.

#![cfg(target_os = "wasi")]

mod files;
mod network;
mod requests;
mod resources;

use serde::Deserialize;
use warren_task::{
    Failure,
    serde_json::{Value, json},
};

/// What is tried.
#[derive(Deserialize)]
#[serde(rename_all = "snake_case", tag = "attack")]
enum Attack {
    /// Nothing: it answers.
    None,
    /// Everything about its surroundings.
    Environment,
    Read {
        path: String,
    },
    Write {
        path: String,
        bytes: usize,
        times: usize,
    },
    Create {
        folder: String,
        files: usize,
    },
    Link {
        target: String,
        path: String,
    },
    /// Makes a file this long without writing to it.
    Stretch {
        path: String,
        bytes: u64,
    },
    /// Writes one byte into each of so many blocks.
    Sprinkle {
        path: String,
        blocks: u64,
    },
    HardLinks {
        folder: String,
        links: usize,
    },
    /// A directory in a directory, and so on.
    Nest {
        folder: String,
        levels: usize,
    },
    Tcp {
        address: String,
    },
    Listen {
        address: String,
    },
    Udp {
        address: String,
    },
    LookUp {
        name: String,
    },
    Http {
        method: String,
        url: String,
        #[serde(default)]
        body: usize,
        #[serde(default)]
        headers: Vec<(String, String)>,
    },
    /// The same, so many times one after the other.
    HttpOften {
        url: String,
        times: usize,
    },
    /// So many at the same time.
    HttpAtOnce {
        url: String,
        times: usize,
    },
    /// Writes to stdout until it is stopped.
    Chatter,
    /// Says something on both streams.
    Say {
        out: String,
        err: String,
    },
    /// Takes memory until there is none.
    Hoard,
    /// Computes for ever.
    Spin,
    /// Waits.
    Sleep {
        ms: u64,
    },
    /// Answers with so many bytes.
    Large {
        bytes: usize,
    },
    Panic,
    Exit,
    /// Counts in memory of its own; the answer is 1 unless something was left by another execution.
    Remember,
    /// What cannot be foreseen: the time and random numbers.
    Chance,
}

#[warren_task::task]
fn execute(attack: Attack) -> Result<Value, Failure> {
    match attack {
        Attack::None => Ok(json!({})),
        Attack::Environment => Ok(resources::environment()),
        Attack::Read { path } => files::read(&path),
        Attack::Write { path, bytes, times } => files::write(&path, bytes, times),
        Attack::Create { folder, files } => files::create(&folder, files),
        Attack::Link { target, path } => files::link(&target, &path),
        Attack::Stretch { path, bytes } => files::stretch(&path, bytes),
        Attack::Sprinkle { path, blocks } => files::sprinkle(&path, blocks),
        Attack::HardLinks { folder, links } => files::hard_links(&folder, links),
        Attack::Nest { folder, levels } => files::nest(&folder, levels),
        Attack::Tcp { address } => network::connect(&address),
        Attack::Listen { address } => network::listen(&address),
        Attack::Udp { address } => network::bind(&address),
        Attack::LookUp { name } => network::look_up(&name),
        Attack::Http { method, url, body, headers } => requests::send(&method, &url, body, &headers),
        Attack::HttpOften { url, times } => requests::often(&url, times),
        Attack::HttpAtOnce { url, times } => requests::at_once(&url, times),
        Attack::Chatter => resources::chatter(),
        Attack::Say { out, err } => Ok(resources::say(&out, &err)),
        Attack::Hoard => resources::hoard(),
        Attack::Spin => resources::spin(),
        Attack::Sleep { ms } => Ok(resources::sleep(ms)),
        Attack::Large { bytes } => Ok(json!("x".repeat(bytes))),
        Attack::Panic => panic!("told to"),
        Attack::Exit => std::process::exit(3),
        Attack::Remember => Ok(resources::remember()),
        Attack::Chance => Ok(resources::chance()),
    }
}

fn refused(error: impl std::fmt::Debug) -> Failure {
    Failure::technical(format!("{error:?}"))
}
