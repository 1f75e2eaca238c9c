//! `warren compile-component`: the child in which a runtime compiles a component. Not for people.

use std::{process::ExitCode, time::Duration};

use anyhow::Context;
use bytesize::ByteSize;

use crate::{
    components::{Inside, serve},
    sandbox::compiling_engine,
};

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The stack of guests, in bytes
    #[arg(long)]
    stack: usize,
    /// The most processor time, in seconds
    #[arg(long)]
    time: u64,
    /// The most address space, in bytes
    #[arg(long)]
    memory: u64,
}

pub(super) fn execute(args: &Args) -> anyhow::Result<ExitCode> {
    let limits = Inside { time: Duration::from_secs(args.time), memory: ByteSize(args.memory) };
    serve(limits, || compiling_engine(args.stack)).context("nothing was compiled")
}
