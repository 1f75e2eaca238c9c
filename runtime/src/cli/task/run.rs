//! `warren task run`: a component in the very sandbox of the runtime, here and now, without broker and database.

mod input;
mod report;
mod trial;
mod watch;

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::bail;

use self::{
    input::{Input, Source},
    trial::Trial,
    watch::Watch,
};
use crate::{
    cli::{
        manifest_file::ManifestFile,
        oci::Transport,
        output::{self, Format, Output},
        payload, settings,
        signals::Signals,
    },
    config::Config,
    outcome::Outcome,
};

pub(super) const HELP: &str = "\
The result goes to stdout; what the guest writes, as it comes, and the receipt go to stderr. [limits], [ceiling] and [allow] of
the settings hold as they do in a runtime, and secrets are read from this environment. One attempt is made, nothing is recorded.

Exits with 0 if the task COMPLETED, 1 if it FAILED, 2 if it could not be executed. --watch goes on until ctrl-c, then exits with
0; JSON comes as one object a line then.

Examples:
  warren task run target/wasm32-wasip2/release/resize.wasm --payload '{\"a\":1}'
  warren task run ./resize.wasm --manifest resize.toml --payload @picture.json --watch
  warren task run resize --payload - --output json < picture.json
  warren task run oci://registry.example.com/acme/resize:1.4.0 --payload @picture.json";

#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Args {
    /// The component: a file, named by a path or with .wasm at its end; an artifact, oci://registry/repository:tag (or
    /// @sha256:…); or the name of one in the store
    #[arg(value_name = "FILE|NAME")]
    component: String,
    /// What it is given: JSON, @FILE, or - for stdin
    #[arg(long, default_value = "null", allow_hyphen_values = true, value_name = "JSON|@FILE|-")]
    payload: String,
    /// Its limits and grants. Without it, the file beside FILE that ends in .toml, or the manifest in the store; for oci://…
    /// none
    #[arg(long, value_name = "FILE.toml")]
    manifest: Option<PathBuf>,
    #[command(flatten)]
    transport: Transport,
    /// Run again whenever the component's file, the manifest or the payload's @FILE changes
    #[arg(long)]
    watch: bool,
    #[command(flatten)]
    output: Output,
}

/// What the command was asked for, read once.
struct Asked<'a> {
    config: Config,
    source: Source,
    manifest: Option<&'a Path>,
    payload: String,
    format: Format,
}

pub(super) async fn execute(file: Option<&Path>, args: &Args) -> anyhow::Result<ExitCode> {
    let asked = Asked {
        config: settings::load(file, Vec::new())?.config,
        source: Source::of(&args.component, args.transport)?,
        manifest: args.manifest.as_deref(),
        payload: match args.payload.as_str() {
            // Stdin can be read once only.
            "-" => payload::read("-")?.get().to_owned(),
            payload => payload.to_owned(),
        },
        format: args.output.output,
    };
    let signals = Signals::listen()?;
    if args.watch { asked.watch(signals).await } else { asked.once(signals).await }
}

impl Asked<'_> {
    async fn read(&self) -> anyhow::Result<Input> {
        self.source.read(&self.config, self.manifest, &self.payload).await
    }

    async fn run(&self, input: &Input, stop: impl Future<Output = ()>) -> anyhow::Result<Option<Trial>> {
        trial::run(&self.config, input, self.format == Format::Table, stop).await
    }

    async fn once(&self, mut signals: Signals) -> anyhow::Result<ExitCode> {
        let input = self.read().await?;
        let mut signal = "";
        let stop = async { signal = signals.next().await };
        let Some(trial) = self.run(&input, stop).await? else { bail!("{signal}: the task was interrupted") };
        match self.format {
            Format::Json => output::print_json(&report::json(&input, &trial)?)?,
            Format::Table => report::print(&trial)?,
        }
        Ok(match trial.execution.outcome {
            Outcome::Completed(_) => ExitCode::SUCCESS,
            Outcome::Failed(_) | Outcome::GivenUp(_) | Outcome::Interrupted | Outcome::Cancelled => ExitCode::FAILURE,
        })
    }

    async fn watch(&self, mut signals: Signals) -> anyhow::Result<ExitCode> {
        let mut changes = Watch::begin(&self.files()?)?;
        let mut seen = self.seen().await;
        loop {
            // What ends the execution too soon: a change, or the signal that ends all of it.
            let mut next = None;
            let stop = async { next = Some(self.next(&mut changes, &mut signals, &seen).await) };
            self.show(&seen, stop).await?;
            let next = match next {
                Some(next) => next?,
                None => self.next(&mut changes, &mut signals, &seen).await?,
            };
            match next {
                Some(input) => seen = input,
                None => return Ok(ExitCode::SUCCESS),
            }
        }
    }

    /// Waits for something that is not what was seen last. `None`: a signal came.
    async fn next(
        &self,
        changes: &mut Watch,
        signals: &mut Signals,
        seen: &Result<Input, String>,
    ) -> anyhow::Result<Option<Result<Input, String>>> {
        loop {
            tokio::select! {
                changed = changes.changed() => changed?,
                _signal = signals.next() => return Ok(None),
            }
            let now = self.seen().await;
            if now != *seen {
                return Ok(Some(now));
            }
        }
    }

    /// What is there now, or why that is nothing to execute: a file that is just being written comes right by itself.
    async fn seen(&self) -> Result<Input, String> {
        self.read().await.map_err(|error| format!("{error:#}"))
    }

    /// Executes what was seen and prints what came of it, or what is in the way. Only what can't be printed is an error.
    async fn show(&self, seen: &Result<Input, String>, stop: impl Future<Output = ()>) -> anyhow::Result<()> {
        if self.format == Format::Table {
            output::tell(&format!("── {} ──", chrono::Local::now().format("%H:%M:%S")))?;
        }
        let input = match seen {
            Ok(input) => input,
            Err(error) => {
                output::print_error(&anyhow::Error::msg(error.clone()));
                return Ok(());
            }
        };
        match (self.run(input, stop).await, self.format) {
            (Ok(Some(trial)), Format::Json) => output::print_text(&report::json(input, &trial)?.to_string())?,
            (Ok(Some(trial)), Format::Table) => report::print(&trial)?,
            (Ok(None), _) => output::tell("interrupted")?,
            (Err(error), _) => output::print_error(&error),
        }
        Ok(())
    }

    /// The files that may change.
    fn files(&self) -> anyhow::Result<Vec<PathBuf>> {
        let component = match &self.source {
            Source::File(path) => path.clone(),
            Source::Artifact(reference, _) => bail!("--watch watches files, and {reference} is none"),
            Source::Store(name) => {
                bail!("--watch watches files, and {name} is a name in the store: give the path of its .wasm")
            }
        };
        let manifest = self.manifest.map_or_else(|| ManifestFile::beside(&component), Path::to_owned);
        let payload = self.payload.strip_prefix('@').map(PathBuf::from);
        Ok([component, manifest].into_iter().chain(payload).collect())
    }
}
