//! Files that are not its own.

use std::{
    fs::{self, File},
    io::{Seek, SeekFrom, Write},
};

use warren_task::{
    Failure,
    serde_json::{Value, json},
};

use crate::refused;

pub(crate) fn read(path: &str) -> Result<Value, Failure> {
    let bytes = fs::read(path).map_err(refused)?;
    Ok(json!(String::from_utf8_lossy(&bytes)))
}

pub(crate) fn write(path: &str, bytes: usize, times: usize) -> Result<Value, Failure> {
    let mut file = File::create(path).map_err(refused)?;
    let block = vec![b'x'; bytes];
    for _ in 0..times {
        file.write_all(&block).map_err(refused)?;
    }
    file.flush().map_err(refused)?;
    Ok(json!(bytes * times))
}

pub(crate) fn create(folder: &str, files: usize) -> Result<Value, Failure> {
    for n in 0..files {
        File::create(format!("{folder}/{n}")).map_err(refused)?;
    }
    Ok(json!(fs::read_dir(folder).map_err(refused)?.count()))
}

/// Makes a symbolic link and reads through it.
pub(crate) fn link(target: &str, path: &str) -> Result<Value, Failure> {
    let (folder, name) = path.rsplit_once('/').unwrap_or((".", path));
    for (preopened, at) in wasip2::filesystem::preopens::get_directories() {
        if at == folder {
            preopened.symlink_at(target, name).map_err(refused)?;
        }
    }
    read(path)
}

pub(crate) fn stretch(path: &str, bytes: u64) -> Result<Value, Failure> {
    let mut file = File::create(path).map_err(refused)?;
    file.write_all(&[0; 100_000]).map_err(refused)?;
    let stretched = file.set_len(bytes).map_err(refused);
    // What was refused must have changed nothing.
    while file.write_all(&[0; 100_000]).is_ok() {}
    stretched.map(|()| json!(bytes))
}

pub(crate) fn sprinkle(path: &str, blocks: u64) -> Result<Value, Failure> {
    let mut file = File::create(path).map_err(refused)?;
    for block in 0..blocks {
        file.seek(SeekFrom::Start(block * 4096)).map_err(refused)?;
        file.write_all(&[1]).map_err(refused)?;
    }
    Ok(json!(blocks))
}

pub(crate) fn hard_links(folder: &str, links: usize) -> Result<Value, Failure> {
    let first = format!("{folder}/first");
    File::create(&first).map_err(refused)?;
    for n in 0..links {
        fs::hard_link(&first, format!("{folder}/{n}")).map_err(refused)?;
    }
    Ok(json!(links))
}

/// One level after the other, each opened by the one above it, so that no path becomes too long.
pub(crate) fn nest(folder: &str, levels: usize) -> Result<Value, Failure> {
    use wasip2::filesystem::types::{DescriptorFlags, OpenFlags, PathFlags};
    let preopened = wasip2::filesystem::preopens::get_directories();
    let (mut here, _) = preopened.into_iter().find(|(_, path)| path == folder).ok_or_else(|| refused("no folder"))?;
    for _ in 0..levels {
        here.create_directory_at("d").map_err(refused)?;
        let flags = DescriptorFlags::READ | DescriptorFlags::MUTATE_DIRECTORY;
        here = here.open_at(PathFlags::empty(), "d", OpenFlags::DIRECTORY, flags).map_err(refused)?;
    }
    Ok(json!(levels))
}
