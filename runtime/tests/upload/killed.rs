//! A runtime that is killed (`kill -9`) in the middle of an upload.

use std::{
    fs,
    io::Write,
    path::{Path, PathBuf},
    time::{Duration, Instant, SystemTime},
};

use reqwest::{Method, StatusCode};
use serde_json::json;

use crate::{Site, answering, body::begin, guest::padded, process::PATIENCE, send};

#[tokio::test]
async fn one_that_has_read_half_of_a_file_has_stored_nothing() {
    let mut site = Site::guarded(&[]);
    let bytes = answering("one");
    let mut stream = begin(&site, bytes.len());
    stream.write_all(&bytes[..bytes.len() / 2]).unwrap();
    site.kill_and_restart();
    site.assert_empty().await;
    assert_eq!(site.put("work", bytes).await.0, StatusCode::CREATED);
    assert_eq!(site.task("work").await["result"], "one");
}

/// Files that are being written, or were left by who wrote them.
fn unfinished(blobs: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(blobs) else { return Vec::new() };
    entries.map(|entry| entry.unwrap().path()).filter(|path| path.to_str().unwrap().contains('#')).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_one_that_was_writing_a_file_has_left_does_not_count_and_goes() {
    let mut site = Site::guarded(&[]);
    let (blobs, bytes) = (site.folder.path().join("components/blobs"), padded(answering("one"), 60 << 20));
    let cut_off = tokio::spawn(site.request(Method::PUT, "/work").body(bytes.clone()).send());
    let deadline = Instant::now() + PATIENCE;
    while unfinished(&blobs).is_empty() {
        assert!(Instant::now() < deadline && !cut_off.is_finished(), "nothing is written: {}", site.warren.log());
        // The file is written by another process: there is no event to wait for.
        std::thread::sleep(Duration::from_millis(1));
    }
    site.kill_and_restart();
    cut_off.await.unwrap().unwrap_err();
    let left = unfinished(&blobs);
    assert_eq!(left.len(), 1, "it was killed before the file was whole");
    assert_eq!(site.get("").await.1["items"], json!([]));
    assert_eq!(site.get("/work").await.0, StatusCode::NOT_FOUND);
    assert_eq!(site.put("work", bytes).await.0, StatusCode::CREATED);
    assert_eq!(site.task("work").await["result"], "one");
    assert_eq!(unfinished(&blobs), left, "it may be of one that lives");

    let file = fs::File::options().write(true).open(&left[0]).unwrap();
    file.set_modified(SystemTime::now() - Duration::from_secs(25 * 3600)).unwrap();
    let index = site.folder.path().join("components/index/work/00000002.json#1");
    fs::write(&index, "{").unwrap();
    let file = fs::File::options().write(true).open(&index).unwrap();
    file.set_modified(SystemTime::now() - Duration::from_secs(25 * 3600)).unwrap();
    let again = site.request(Method::PUT, "/work").body(answering("two"));
    assert_eq!(send(again).await.0, StatusCode::CREATED);
    assert_eq!((unfinished(&blobs), index.exists()), (Vec::new(), false));
}
