//! `warren completions`: a completion script for a shell.

use std::process::ExitCode;

use clap::CommandFactory;
use clap_complete::Shell;

#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  warren completions bash > ~/.local/share/bash-completion/completions/warren\n  warren completions zsh > \"${fpath[1]}/_warren\"\n  warren completions fish > ~/.config/fish/completions/warren.fish"
)]
pub(super) struct Args {
    /// The shell
    shell: Shell,
}

pub(super) fn execute(args: &Args) -> anyhow::Result<ExitCode> {
    clap_complete::generate(args.shell, &mut super::Cli::command(), "warren", &mut std::io::stdout());
    Ok(ExitCode::SUCCESS)
}
