//! A component out of an OCI registry: `oci://registry/repository:tag`, for the commands that take a file.
//!
//! [`pull`] reads one artifact, whole, into memory: the manifest that the [`reference`] names, and the one layer of it that is
//! WebAssembly. Whether that is a component is not decided here: its bytes go the way that a file's bytes go. Whatever the
//! registry answers, no more is read than the bounds of a token and of a manifest and `components.max_size`, for no longer than
//! [`Patience`] says, and nothing is handed on but what has the digest that was asked for.

mod challenge;
mod credentials;
mod manifest;
mod reference;
mod registry;

use std::time::Duration;

use anyhow::{Context, ensure};
use bytes::Bytes;
use bytesize::ByteSize;

pub(in crate::cli) use self::reference::OciReference;
use self::registry::Registry;
use super::{output, progress};

/// How long a registry is waited for.
#[derive(Debug, Clone, Copy)]
struct Patience {
    /// For a connection.
    connect: Duration,
    /// While nothing arrives.
    idle: Duration,
    /// For all of it.
    total: Duration,
}

/// `idle` and `total` are those of an upload over HTTP, which is the same way in the other direction.
const PATIENCE: Patience =
    Patience { connect: Duration::from_secs(10), idle: Duration::from_secs(30), total: Duration::from_secs(15 * 60) };

/// How a registry is asked.
#[derive(Debug, Clone, Copy, Default, clap::Args)]
pub(in crate::cli) struct Transport {
    /// Ask the registry of oci://… over plain HTTP. Without it: HTTPS, and plain HTTP for one on this machine
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    plain_http: Option<bool>,
}

/// An artifact that was read.
pub(in crate::cli) struct Pulled {
    /// Its reference with the digest that was found, which names the same bytes for ever.
    pub(in crate::cli) pinned: String,
    /// The layer that is WebAssembly.
    pub(in crate::cli) bytes: Bytes,
}

/// Reads an artifact, and tells its digest on stderr.
///
/// # Errors
/// If it can't be had, is no artifact with one layer of WebAssembly, or has more than `max_size`; with what to do.
pub(in crate::cli) async fn pull(
    reference: &OciReference,
    transport: Transport,
    max_size: ByteSize,
) -> anyhow::Result<Pulled> {
    let pulled = pull_patiently(reference, transport, max_size, PATIENCE).await?;
    output::tell(&format!("pulled {} ({})", pulled.pinned, ByteSize(pulled.bytes.len() as u64)))?;
    Ok(pulled)
}

async fn pull_patiently(
    reference: &OciReference,
    transport: Transport,
    max_size: ByteSize,
    patience: Patience,
) -> anyhow::Result<Pulled> {
    let is_plain = transport.plain_http.unwrap_or_else(|| reference.is_on_this_machine());
    let all = async {
        let registry = Registry::open(reference, is_plain, patience).await?;
        read(&registry, reference, max_size).await
    };
    let late = || {
        let total = humantime::format_duration(patience.total);
        format!("{reference} was not read within {total}: try again when the registry is faster")
    };
    tokio::time::timeout(patience.total, all).await.with_context(late)?
}

async fn read(registry: &Registry<'_>, reference: &OciReference, max_size: ByteSize) -> anyhow::Result<Pulled> {
    let (digest, text) = registry.manifest().await?;
    let layer = manifest::component_layer(&text).with_context(|| format!("{reference} can't be used"))?;
    let size = ByteSize(layer.size);
    ensure!(
        size <= max_size,
        "{reference} has {size}, a component has at most {max_size} (setting components.max_size, which the runtimes have, too)"
    );
    let bar = progress::bar(size);
    let bytes = registry.layer(&layer, &|more| bar.inc(more)).await;
    bar.finish_and_clear();
    Ok(Pulled { pinned: reference.pinned(&digest), bytes: bytes? })
}

#[cfg(test)]
mod tests;
