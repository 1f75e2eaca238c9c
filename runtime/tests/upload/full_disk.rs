//! An upload for which the store's disk has no room.

use reqwest::StatusCode;

use crate::{Site, answering, assert_refused, guest::padded, small_disk::SmallDisk};

#[tokio::test]
async fn what_finds_no_room_is_told_and_leaves_what_is_there() {
    let Some(disk) = SmallDisk::mount(256) else { return };
    let site = Site::guarded(&[("WARREN_COMPONENTS_URL", disk.path().to_str().unwrap())]);
    assert_eq!(site.put("work", answering("one")).await.0, StatusCode::CREATED);
    let large = padded(answering("two"), 300 << 10);
    assert_refused(site.put("work", large).await, StatusCode::SERVICE_UNAVAILABLE, "No space left on device");
    assert_eq!(site.task("work").await["result"], "one");
    assert_eq!(site.put("work", answering("three")).await.0, StatusCode::CREATED);
}
