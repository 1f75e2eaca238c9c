//! The component `attacker` in a sandbox, with a manifest that the operator allows.

use std::{path::PathBuf, sync::Arc};

use event_driven::names::Priority;
use serde_json::Value;
use uuid::Uuid;
use warren::{
    components::{Compiler, Place},
    manifest::{Allow, Bounds, Limits},
    outcome::{ErrorClass, Failure, Outcome},
    receipt::Receipt,
    sandbox::{Call, EngineSettings, Execution, Program, Sandbox, TaskInfo},
};

/// A sandbox, and what its operator allows.
pub(super) struct Prison {
    pub(super) sandbox: Arc<Sandbox>,
    allow: Allow,
}

fn component() -> Vec<u8> {
    let folder = std::env::var_os("WARREN_TEST_GUESTS").map(PathBuf::from).unwrap_or_else(|| {
        let target = std::env::var_os("CARGO_TARGET_DIR").map(PathBuf::from);
        target.unwrap_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../target")).join("guests")
    });
    let path = folder.join("attacker.wasm");
    std::fs::read(&path).unwrap_or_else(|error| {
        panic!("{}: {error}; run `tasks-wasm/build.sh guests attacker`", path.display());
    })
}

impl Prison {
    /// One whose operator allows nothing.
    pub(super) fn strict() -> Self {
        Self::allowing(Allow::default())
    }

    pub(super) fn allowing(allow: Allow) -> Self {
        let settings = EngineSettings { concurrency: 8, threads: 2, max_memory: 64 << 20, stack: 512 << 10 };
        Self { sandbox: Arc::new(Sandbox::new(&settings).unwrap()), allow }
    }

    /// The component with this manifest.
    pub(super) async fn program(&self, manifest: &str) -> Arc<Program> {
        let compiler = Compiler::new(self.sandbox.engine().clone(), Place::InProcess, None);
        let (_, compiled) = compiler.compile(component().into()).await.unwrap();
        Arc::new(self.sandbox.prepare(&compiled, self.bounds().read(manifest).unwrap()).unwrap())
    }

    pub(super) fn bounds(&self) -> Bounds {
        let (defaults, ceiling) = (Limits::default(), Limits::default_ceiling());
        Bounds { defaults, ceiling, allow: self.allow.clone(), retries: 0 }
    }

    /// Has it try something with this manifest.
    pub(super) async fn attack(&self, manifest: &str, attack: Value) -> Attacked {
        let program = self.program(manifest).await;
        execute(&self.sandbox, program, attack).await
    }
}

/// Executes the program on this payload.
pub(super) async fn execute(sandbox: &Sandbox, program: Arc<Program>, attack: Value) -> Attacked {
    let info = TaskInfo {
        task_id: Uuid::nil(),
        task_name: "attacker".into(),
        attempt: 0,
        correlation_id: "c".into(),
        producer_app: "p".into(),
    };
    let slot = sandbox.slot(&program, Priority::Normal).await.expect("the sandbox is not stopped");
    Attacked(sandbox.execute(slot, program, Call { info, payload: attack.to_string().into() }).await)
}

/// What came of an attempt.
#[derive(Debug)]
pub(super) struct Attacked(pub(super) Execution);

impl Attacked {
    pub(super) fn receipt(&self) -> &Receipt {
        &self.0.receipt
    }

    /// What it got.
    #[track_caller]
    pub(super) fn got(&self) -> Value {
        match &self.0.outcome {
            Outcome::Completed(result) => serde_json::from_str(result).unwrap(),
            other => panic!("expected a result, found {other:?}"),
        }
    }

    /// Why it failed.
    #[track_caller]
    pub(super) fn failed(&self) -> &Failure {
        match &self.0.outcome {
            Outcome::Failed(failure) => failure,
            other => panic!("expected a failure, found {other:?}"),
        }
    }

    /// That it failed as this class, with these words among others.
    #[track_caller]
    pub(super) fn failed_as(&self, class: ErrorClass, words: &[&str]) {
        let failure = self.failed();
        assert_eq!(failure.class, class, "{failure}");
        for word in words {
            assert!(failure.message.contains(word), "{word:?} is missing from: {failure}");
        }
    }
}
