//! What a guest writes to files, counted: into its own directory and into those that it was granted together.
//!
//! The host's functions for files are the ones of `wasmtime-wasi`; those that take room on a disk are put in front of them
//! here, under the same names, and ask first.

use bytes::Bytes;
use wasmtime::{
    StoreContextMut,
    component::{Linker, LinkerInstance, Resource},
};
use wasmtime_wasi::{
    WasiView, async_trait,
    filesystem::{Descriptor, WasiFilesystemCtxView, WasiFilesystemView},
    p2::{
        DynOutputStream, FsError, OutputStream, Pollable, StreamError, StreamResult,
        bindings::filesystem::types::{DescriptorFlags, ErrorCode, HostDescriptor, OpenFlags, PathFlags},
    },
};

use super::{guest::Guest, ledger::Ledger};
use crate::outcome::ErrorClass;

/// The room that a file system gives away at once, in bytes. A file, a directory or a link takes one beyond its content.
const BLOCK: u64 = 4096;

/// Source: `wit/deps/filesystem.wit` of `wasmtime-wasi`.
const INTERFACE: &str = "wasi:filesystem/types@0.2.12";

/// Counts what one execution writes.
#[derive(Debug, Clone)]
pub(super) struct Disk {
    ledger: Ledger,
    limit: u64,
}

impl Disk {
    pub(super) fn new(ledger: Ledger, limit: u64) -> Self {
        Self { ledger, limit }
    }

    /// Takes room for so many bytes, or refuses them all.
    fn take(&self, bytes: u64) -> Result<(), ErrorCode> {
        if self.ledger.write(bytes, self.limit) {
            return Ok(());
        }
        let text =
            super::exceeded("disk", "asked for room for another", &super::bytes(bytes), &super::bytes(self.limit));
        self.ledger.refused(ErrorClass::DiskLimit, text);
        Err(ErrorCode::InsufficientSpace)
    }

    /// Takes room for a directory.
    fn take_directory(&self) -> Result<(), ErrorCode> {
        if !self.ledger.directory() {
            self.ledger.refused(ErrorClass::DiskLimit, "made more directories than an execution may (256)");
            return Err(ErrorCode::InsufficientSpace);
        }
        self.take(BLOCK)
    }
}

/// The bytes of the blocks that a write of this length touches.
fn blocks(offset: u64, length: u64) -> u64 {
    let first = offset / BLOCK;
    let end = offset.saturating_add(length).div_ceil(BLOCK);
    end.saturating_sub(first).saturating_mul(BLOCK)
}

type Written<T> = (Result<T, ErrorCode>,);

/// Puts the counting functions in front of the others.
pub(super) fn add_to_linker(linker: &mut Linker<Guest>) -> wasmtime::Result<()> {
    linker.allow_shadowing(true);
    let mut types = linker.instance(INTERFACE)?;
    types.func_wrap_async(
        "[method]descriptor.write",
        |mut store: StoreContextMut<'_, Guest>, (file, bytes, offset): (Resource<Descriptor>, Vec<u8>, u64)| {
            Box::new(async move {
                let guest = store.data_mut();
                let written = async {
                    guest.disk().take(blocks(offset, bytes.len() as u64))?;
                    guest.files().write(file, bytes, offset).await
                };
                answer(written.await)
            })
        },
    )?;
    types.func_wrap_async(
        "[method]descriptor.set-size",
        |mut store: StoreContextMut<'_, Guest>, (file, size): (Resource<Descriptor>, u64)| {
            Box::new(async move {
                let guest = store.data_mut();
                let resized = async {
                    guest.disk().take(size)?;
                    guest.files().set_size(file, size).await
                };
                answer(resized.await)
            })
        },
    )?;
    types.func_wrap(
        "[method]descriptor.write-via-stream",
        |mut store: StoreContextMut<'_, Guest>, (file, offset): (Resource<Descriptor>, u64)| {
            let guest = store.data_mut();
            let stream = guest.files().write_via_stream(file, offset);
            counted(guest, stream)
        },
    )?;
    types.func_wrap(
        "[method]descriptor.append-via-stream",
        |mut store: StoreContextMut<'_, Guest>, (file,): (Resource<Descriptor>,)| {
            let guest = store.data_mut();
            let stream = guest.files().append_via_stream(file);
            counted(guest, stream)
        },
    )?;
    add_entries(&mut types)?;
    linker.allow_shadowing(false);
    Ok(())
}

/// What makes a file, a directory or a link.
fn add_entries(types: &mut LinkerInstance<'_, Guest>) -> wasmtime::Result<()> {
    types.func_wrap_async(
        "[method]descriptor.open-at",
        |mut store: StoreContextMut<'_, Guest>,
         (folder, follow, path, how, flags): (Resource<Descriptor>, PathFlags, String, OpenFlags, DescriptorFlags)| {
            Box::new(async move {
                let guest = store.data_mut();
                let opened = async {
                    if how.contains(OpenFlags::CREATE) {
                        guest.disk().take(BLOCK)?;
                    }
                    guest.files().open_at(folder, follow, path, how, flags).await
                };
                answer(opened.await)
            })
        },
    )?;
    types.func_wrap_async(
        "[method]descriptor.create-directory-at",
        |mut store: StoreContextMut<'_, Guest>, (folder, path): (Resource<Descriptor>, String)| {
            Box::new(async move {
                let guest = store.data_mut();
                let made = async {
                    guest.disk().take_directory()?;
                    guest.files().create_directory_at(folder, path).await
                };
                answer(made.await)
            })
        },
    )?;
    types.func_wrap_async(
        "[method]descriptor.link-at",
        |mut store: StoreContextMut<'_, Guest>,
         (folder, follow, from, other, to): (Resource<Descriptor>, PathFlags, String, Resource<Descriptor>, String)| {
            Box::new(async move {
                let guest = store.data_mut();
                let linked = async {
                    guest.disk().take(BLOCK)?;
                    guest.files().link_at(folder, follow, from, other, to).await
                };
                answer(linked.await)
            })
        },
    )?;
    types.func_wrap_async(
        "[method]descriptor.symlink-at",
        |mut store: StoreContextMut<'_, Guest>, (folder, from, to): (Resource<Descriptor>, String, String)| {
            Box::new(async move {
                let guest = store.data_mut();
                let linked = async {
                    guest.disk().take(BLOCK)?;
                    guest.files().symlink_at(folder, from, to).await
                };
                answer(linked.await)
            })
        },
    )
}

/// What the guest gets: an error of the file system's, or the end of its execution.
fn answer<T>(done: Result<T, FsError>) -> wasmtime::Result<Written<T>> {
    match done {
        Ok(done) => Ok((Ok(done),)),
        Err(error) => Ok((Err(error.downcast()?),)),
    }
}

fn counted(
    guest: &mut Guest,
    stream: Result<Resource<DynOutputStream>, FsError>,
) -> wasmtime::Result<Written<Resource<DynOutputStream>>> {
    let (stream,) = answer(stream)?;
    let stream = match stream {
        Ok(stream) => stream,
        Err(error) => return Ok((Err(error),)),
    };
    let disk = guest.disk().clone();
    let table = guest.ctx().table;
    let inner = table.delete(stream)?;
    let counted: DynOutputStream = Box::new(Counted { inner, disk, left: 0 });
    Ok((Ok(table.push(counted)?),))
}

/// A stream into a file whose bytes are counted.
struct Counted {
    inner: DynOutputStream,
    disk: Disk,
    /// Bytes that the last block which was taken still has room for.
    left: u64,
}

#[async_trait]
impl Pollable for Counted {
    async fn ready(&mut self) {
        self.inner.ready().await;
    }
}

#[async_trait]
impl OutputStream for Counted {
    fn write(&mut self, bytes: Bytes) -> StreamResult<()> {
        let length = bytes.len() as u64;
        let more = blocks(0, length.saturating_sub(self.left));
        match self.disk.take(more) {
            Ok(()) => {
                self.left = (self.left + more).saturating_sub(length);
                self.inner.write(bytes)
            }
            Err(_full) => {
                let full = std::io::Error::from(std::io::ErrorKind::StorageFull);
                Err(StreamError::LastOperationFailed(full.into()))
            }
        }
    }

    fn flush(&mut self) -> StreamResult<()> {
        self.inner.flush()
    }

    fn check_write(&mut self) -> StreamResult<usize> {
        self.inner.check_write()
    }

    async fn cancel(&mut self) {
        self.inner.cancel().await;
    }
}

impl Guest {
    fn files(&mut self) -> WasiFilesystemCtxView<'_> {
        self.filesystem()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_blocks_are_counted_and_what_is_refused_is_not() {
        assert_eq!([blocks(0, 0), blocks(0, 1), blocks(4095, 2), blocks(8192, 4096)], [0, 4096, 8192, 4096]);
        let disk = Disk::new(Ledger::default(), 10_000);
        assert!(disk.take(u64::MAX).is_err() && disk.take(10_001).is_err());
        assert!(disk.take(10_000).is_ok());
        assert!(disk.take(1).is_err() && disk.take(u64::MAX).is_err() && disk.take(u64::MAX - 9_999).is_err());
    }
}
