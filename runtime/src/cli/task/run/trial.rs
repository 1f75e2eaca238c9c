//! One execution in a sandbox that is made for it and gone after it.

use std::sync::Arc;

use anyhow::Context;
use bytes::Bytes;
use event_driven::names::Priority;
use tokio::sync::mpsc;
use uuid::Uuid;

use super::input::Input;
use crate::{
    cli::{local::Local, output},
    components::Digest,
    config::Config,
    outcome::Outcome,
    sandbox::{Call, Execution, Program, TaskInfo},
};

/// What came of an execution.
pub(super) struct Trial {
    /// The component's.
    pub(super) digest: Digest,
    pub(super) execution: Execution,
    /// Everything that the guest has written.
    pub(super) log: String,
}

/// Executes it, as a runtime with these settings would. `live`: what the guest writes goes to stderr, line by line. `None`:
/// `stop` came first.
///
/// # Errors
/// If it can't be executed at all: it is no component, or its manifest goes beyond what is allowed.
pub(super) async fn run(
    config: &Config,
    input: &Input,
    live: bool,
    stop: impl Future<Output = ()>,
) -> anyhow::Result<Option<Trial>> {
    let mut stop = std::pin::pin!(stop);
    let local = Local::new(config)?;
    let (digest, program) = tokio::select! {
        prepared = prepare(config, &local, input) => prepared?,
        // What is being compiled is given up.
        () = &mut stop => return Ok(None),
    };
    let slot = local.sandbox.slot(&program, Priority::Normal).await.context("the sandbox has no place for a guest")?;
    let (listener, mut written) = mpsc::unbounded_channel();
    let mut running = local.sandbox.execute_heard(slot, program, call(config, input), listener);
    let mut log = Log { live, ..Log::default() };
    let mut stopped = false;
    let execution = loop {
        // Nothing is lost by a branch that is dropped: the execution and the stop go on, what was written stays in the queue.
        tokio::select! {
            biased;
            Some(bytes) = written.recv() => log.take(&bytes)?,
            execution = &mut running => break execution,
            () = &mut stop, if !stopped => {
                stopped = true;
                local.sandbox.interrupt();
            }
        }
    };
    while let Ok(bytes) = written.try_recv() {
        log.take(&bytes)?;
    }
    let log = log.end()?;
    Ok((execution.outcome != Outcome::Interrupted).then_some(Trial { digest, execution, log }))
}

async fn prepare(config: &Config, local: &Local, input: &Input) -> anyhow::Result<(Digest, Arc<Program>)> {
    let bounds = config.to_bounds();
    let manifest = match &input.manifest {
        Some(manifest) => manifest.within(&bounds)?,
        None => bounds.without_manifest(),
    };
    let unusable = || format!("{} can't be a component of warren", input.origin);
    let (digest, component) = local.compile(input.component.clone()).await.with_context(unusable)?;
    let program = local.sandbox.prepare(&component, manifest).with_context(unusable)?;
    Ok((digest, Arc::new(program)))
}

/// A task of its own, at its first attempt.
fn call(config: &Config, input: &Input) -> Call {
    Call {
        info: TaskInfo {
            task_id: Uuid::now_v7(),
            task_name: input.task_name.as_str().into(),
            attempt: 0,
            correlation_id: Uuid::now_v7().to_string().into(),
            producer_app: config.service.name.as_str().into(),
        },
        payload: input.payload.as_str().into(),
    }
}

/// What a guest has written, of which whole lines were told.
#[derive(Default)]
struct Log {
    live: bool,
    written: Vec<u8>,
    told: usize,
}

impl Log {
    fn take(&mut self, bytes: &Bytes) -> std::io::Result<()> {
        self.written.extend_from_slice(bytes);
        match bytes.iter().rposition(|byte| *byte == b'\n') {
            Some(at) => self.tell(self.written.len() - bytes.len() + at + 1),
            None => Ok(()),
        }
    }

    /// The whole of it, after the last line was told, which may have no end.
    fn end(mut self) -> std::io::Result<String> {
        self.tell(self.written.len())?;
        Ok(String::from_utf8_lossy(&self.written).into_owned())
    }

    fn tell(&mut self, upto: usize) -> std::io::Result<()> {
        let new = self.written.get(self.told..upto).unwrap_or_default();
        self.told = upto;
        if !self.live || new.is_empty() {
            return Ok(());
        }
        let text = String::from_utf8_lossy(new).replace("\r\n", "\n");
        output::tell(&output::harmless(text.strip_suffix('\n').unwrap_or(&text)))
    }
}
