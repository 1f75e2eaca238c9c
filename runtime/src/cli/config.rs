//! `warren config`: the settings in force, each with where it came from; passwords masked.

use std::{path::Path, process::ExitCode};

use serde_json::json;

use super::{output, settings};

#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  warren config\n  WARREN_LIMITS_TIMEOUT=5s warren config --output json")]
pub(super) struct Args {
    #[command(flatten)]
    output: output::Output,
}

pub(super) fn execute(file: Option<&Path>, args: &Args) -> anyhow::Result<ExitCode> {
    let loaded = settings::load(file, Vec::new())?;
    let rows = loaded.settings();
    args.output.print(
        &["setting", "value", "from"],
        &rows,
        |(setting, value, origin)| vec![setting.clone(), value.clone(), origin.to_string()],
        |(setting, value, origin)| json!({ "setting": setting, "value": value, "from": origin.to_string() }),
    )?;
    Ok(ExitCode::SUCCESS)
}
