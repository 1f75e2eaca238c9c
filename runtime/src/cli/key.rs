//! `warren key`: keys for those who sign components.

use std::{fs::OpenOptions, io, io::Write, os::unix::fs::OpenOptionsExt, path::PathBuf};

use anyhow::{Context, bail};
use clap::Subcommand;

use super::output;
use crate::components::SigningKey;

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Make a key, write it into a file, and print the lines for warren.toml
    #[command(after_help = "\
Whoever has the file can sign components: it belongs where secrets are kept. The public key, which is printed, is no secret.
Each runtime that is to require signatures needs the lines, and a restart; a list with two keys takes what either has signed.

Examples:
  warren key new ci.pem
  warren component sign resize.wasm --key ci.pem")]
    New(Args),
}

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Where the private key is written; a file that is there already is left alone
    #[arg(value_name = "KEY.pem")]
    file: PathBuf,
}

pub(super) fn execute(command: &Command) -> anyhow::Result<()> {
    let Command::New(Args { file }) = command;
    let pem = SigningKey::new_pem()?;
    let public = SigningKey::from_pem(pem.as_bytes())?.public_key();
    let path = file.display();
    let failed = || format!("{path} can't be written");
    let mut target = match OpenOptions::new().write(true).create_new(true).mode(0o600).open(file) {
        Ok(target) => target,
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            bail!("{path} is there already, and a key that is overwritten is lost: choose another name");
        }
        Err(error) => return Err(error).with_context(failed),
    };
    target.write_all(pem.as_bytes()).and_then(|()| target.sync_all()).with_context(failed)?;
    output::print_text(&format!("# warren.toml\n[components]\nrequire_signatures = [\"{public}\"]"))?;
    output::tell(&format!(
        "{path} is the private key: keep it where secrets are kept. The lines, with the public one, are for warren.toml."
    ))?;
    Ok(())
}
