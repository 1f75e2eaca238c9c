//! Signed components: what is not signed by a key of the settings, for its name, file and manifest, is neither taken nor
//! executed, whoever has put it into the store and however.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that panics has failed")]

#[path = "signatures/commands.rs"]
mod commands;
#[path = "support/guest.rs"]
mod guest;
#[path = "signatures/http.rs"]
mod http;
#[path = "signatures/openssl.rs"]
mod openssl;
#[path = "support/process.rs"]
mod process;
#[path = "signatures/runtime.rs"]
mod runtime;
#[path = "signatures/service.rs"]
mod service;

use std::{
    fs,
    path::Path,
    process::{Command, Output},
};

use process::{compiled, warren};
use serde_json::Value;
use tempfile::TempDir;
use warren::components::{ComponentStore, Digest, PublicKey, Signature, SigningKey, Statement, Upload};

/// A component that answers with a text.
fn answering(text: &str) -> Vec<u8> {
    let memory = format!(r#"(memory (export "memory") 1) (data (i32.const 64) "\"{text}\"")"#);
    guest::guest_with(&memory, &guest::answer(64, u32::try_from(text.len() + 2).unwrap()))
}

fn new_key() -> SigningKey {
    SigningKey::from_pem(SigningKey::new_pem().unwrap().as_bytes()).unwrap()
}

fn sign(key: &SigningKey, name: &str, file: &[u8], manifest: Option<&str>) -> Signature {
    key.sign(&Statement::new(&name.parse().unwrap(), &Digest::of(file), manifest))
}

/// The store in that folder, as one has it who can write to it and asks nobody.
fn unguarded(folder: &Path) -> ComponentStore {
    ComponentStore::open_or_create(folder.to_str().unwrap()).unwrap()
}

fn upload(bytes: Vec<u8>, manifest: Option<&str>, signature: Option<Signature>) -> Upload {
    let manifest = manifest.map(str::to_owned);
    Upload { bytes: bytes.into(), manifest, signature, by: "me".into(), imports: Vec::new() }
}

/// A folder with settings, a store, and two private keys: `key.pem`, which counts, and `other.pem`.
struct Site {
    folder: TempDir,
    key: SigningKey,
    other: SigningKey,
}

impl Site {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let keys = ["key.pem", "other.pem"].map(|file| {
            let pem = SigningKey::new_pem().unwrap();
            fs::write(folder.path().join(file), &pem).unwrap();
            SigningKey::from_pem(pem.as_bytes()).unwrap()
        });
        let [key, other] = keys;
        let site = Self { folder, key, other };
        site.require(&[&site.key]);
        site
    }

    /// Only what one of these has signed counts from now on.
    fn require(&self, keys: &[&SigningKey]) {
        let keys: Vec<_> = keys.iter().map(|key| key.public_key().to_string()).collect();
        self.write("warren.toml", format!("[components]\nrequire_signatures = {keys:?}\n"));
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    fn write(&self, file: &str, bytes: impl AsRef<[u8]>) {
        fs::write(self.path().join(file), bytes).unwrap();
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = warren();
        command.current_dir(self.path()).env("WARREN_COMPONENTS_CACHE", compiled()).args(args);
        command
    }

    /// Runs it; gives its exit code, stdout and stderr.
    fn run(&self, args: &[&str]) -> (i32, String, String) {
        let Output { status, stdout, stderr } = self.command(args).output().unwrap();
        (status.code().unwrap(), String::from_utf8(stdout).unwrap(), String::from_utf8(stderr).unwrap())
    }

    #[track_caller]
    fn succeed(&self, args: &[&str]) -> String {
        let (code, stdout, stderr) = self.run(args);
        assert_eq!(code, 0, "{args:?}: {stdout}{stderr}");
        stdout
    }

    #[track_caller]
    fn refused(&self, args: &[&str], told: &str) {
        let (code, stdout, stderr) = self.run(args);
        assert!(code == 1 && (stdout.contains(told) || stderr.contains(told)), "{args:?}: {stdout}{stderr}");
    }

    fn json(&self, args: &[&str]) -> Value {
        serde_json::from_str(&self.succeed(&[args, &["--output", "json"]].concat())).unwrap()
    }

    fn public(&self) -> PublicKey {
        self.key.public_key()
    }
}
