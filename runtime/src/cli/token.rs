//! `warren token`: tokens for those who change components or dead letters over HTTP.

use std::time::Duration;

use anyhow::Context;
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use chrono::{SecondsFormat, Utc};
use clap::Subcommand;

use super::output;
use crate::config::{Scope, Token, TokenHash};

/// By which people and scanners of leaked secrets know what it is.
const PREFIX: &str = "wrn_";

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Make a token, and print it and the lines for warren.toml
    #[command(after_help = "\
The token is shown this once and kept nowhere: warren.toml gets its hash. Each runtime that is to know it needs these lines,
and a restart.

Examples:
  warren token new --name ci
  warren token new --name team-a --expires 90d --component 'team-a.*'
  warren token new --name on-call --scope dead-letters:write")]
    New(Args),
}

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Who gets it; stands with the versions that are pushed with it
    #[arg(long, value_parser = Token::check_name)]
    name: String,
    /// What it is good for
    #[arg(long, value_enum, default_value = "components:write")]
    scope: Vec<ScopeArg>,
    /// For how long it is good, such as 90d. Without it, for ever
    #[arg(long, value_name = "DURATION", value_parser = humantime::parse_duration)]
    expires: Option<Duration>,
    /// A component that it may write, or the beginning of names with a * behind. Without it, all
    #[arg(long, value_name = "NAME")]
    component: Vec<String>,
}

/// The scopes that there are.
#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum ScopeArg {
    /// Push, roll back and remove components
    #[value(name = "components:write")]
    ComponentsWrite,
    /// Have dead letters tried again, and throw them away
    #[value(name = "dead-letters:write")]
    DeadLettersWrite,
}

impl ScopeArg {
    fn as_str(self) -> &'static str {
        match self {
            Self::ComponentsWrite => Scope::ComponentsWrite.as_str(),
            Self::DeadLettersWrite => Scope::DeadLettersWrite.as_str(),
        }
    }
}

pub(super) fn execute(command: &Command) -> anyhow::Result<()> {
    let Command::New(args) = command;
    let mut random = [0; 32];
    getrandom::fill(&mut random).context("the system gives no random bytes")?;
    let token = format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(random));
    output::print_text(&format!("{token}\n\n# warren.toml\n{}", args.to_toml(&TokenHash::of(&token))?))?;
    output::tell("The token is shown this once: keep it where secrets are kept. The lines are for warren.toml.")?;
    Ok(())
}

impl Args {
    /// The lines, quoted as TOML quotes.
    fn to_toml(&self, hash: &TokenHash) -> anyhow::Result<String> {
        let quoted = |text: &str| toml::Value::from(text).to_string();
        let list =
            |items: &[&str]| format!("[{}]", items.iter().map(|item| quoted(item)).collect::<Vec<_>>().join(", "));
        let mut scopes: Vec<_> = self.scope.iter().map(|scope| scope.as_str()).collect();
        scopes.dedup();
        let mut lines = vec![
            "[[http.tokens]]".to_owned(),
            format!("name = {}", quoted(&self.name)),
            format!("sha256 = {}", quoted(&hash.to_hex())),
            format!("scopes = {}", list(&scopes)),
        ];
        if let Some(expires) = self.expires {
            let end = Utc::now().checked_add_signed(chrono::TimeDelta::from_std(expires)?);
            let end = end.context("--expires is too long")?.to_rfc3339_opts(SecondsFormat::Secs, true);
            lines.push(format!("expires = {}", quoted(&end)));
        }
        if !self.component.is_empty() {
            let components: Vec<_> = self.component.iter().map(String::as_str).collect();
            lines.push(format!("components = {}", list(&components)));
        }
        Ok(lines.join("\n"))
    }
}
