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

fn blobs(site: &Site) -> PathBuf {
    site.folder.path().join("components/blobs")
}

/// One that was killed while it wrote a file of these bytes. `None`: the file was whole before that.
async fn killed_while_it_writes(bytes: &[u8]) -> Option<Site> {
    let mut site = Site::guarded(&[]);
    let cut_off = tokio::spawn(site.request(Method::PUT, "/work").body(bytes.to_vec()).send());
    let deadline = Instant::now() + PATIENCE;
    while unfinished(&blobs(&site)).is_empty() {
        if cut_off.is_finished() {
            return None;
        }
        assert!(Instant::now() < deadline, "nothing is written: {}", site.warren.log());
        // The file is written by another process: there is no event to wait for.
        std::thread::sleep(Duration::from_millis(1));
    }
    site.kill_and_restart();
    let answer = cut_off.await.unwrap();
    if unfinished(&blobs(&site)).is_empty() {
        return None;
    }
    answer.unwrap_err();
    Some(site)
}

#[tokio::test(flavor = "multi_thread")]
async fn what_one_that_was_writing_a_file_has_left_does_not_count_and_goes() {
    let bytes = padded(answering("one"), 60 << 20);
    let mut killed = None;
    // A machine that stands still between the look and the kill lets the file become whole.
    for _ in 0..10 {
        killed = killed_while_it_writes(&bytes).await;
        if killed.is_some() {
            break;
        }
    }
    let site = killed.expect("it is killed before the file is whole, in one of ten tries");
    let blobs = blobs(&site);
    let left = unfinished(&blobs);
    assert_eq!(left.len(), 1);
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
