//! An upload whose store goes away.

use std::time::{Duration, Instant};

use reqwest::{Method, StatusCode};
use serde_json::Value;
use tokio::task::block_in_place;

use crate::{
    Site, answering, assert_refused,
    process::PATIENCE,
    s3::{Gate, S3},
    send,
};

/// Waits until `/readyz` says this of the store.
async fn told_of_store(site: &Site, right: impl Fn(&str) -> bool) {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let answer = site.http.get(format!("{}/readyz", site.warren.url)).send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::OK, "it goes on with what it has");
        let told: Value = answer.json().await.unwrap();
        if right(told["parts"]["components"].as_str().unwrap()) {
            return;
        }
        assert!(Instant::now() < deadline, "{told}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// One whose store is a bucket.
pub(crate) fn site(variables: &[(String, String)]) -> Site {
    let mut settings: Vec<_> = variables.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    settings.push(("WARREN_COMPONENTS_URL", "s3://components/here"));
    Site::guarded(&settings)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_goes_away_in_the_middle_of_an_upload_is_told_and_takes_it_when_it_is_back() {
    let Some(server) = S3::start() else { return };
    let direct = site(&server.variables());
    assert_eq!(direct.put("work", answering("one")).await.0, StatusCode::CREATED);
    let gate = Gate::before(&server, "PUT /components/here/blobs/");
    let site = site(&gate.variables());
    assert_eq!(site.task("work").await["result"], "one");

    let began = Instant::now();
    let cut_off = tokio::spawn(send(site.request(Method::PUT, "/work").body(answering("two"))));
    block_in_place(|| gate.wait(PATIENCE));
    gate.hang_up();
    assert_refused(
        cut_off.await.unwrap(),
        StatusCode::SERVICE_UNAVAILABLE,
        "the store of components at s3://components/here",
    );
    assert!(began.elapsed() < Duration::from_secs(120), "{:?}", began.elapsed());
    told_of_store(&site, |told| told.starts_with("the store of components at s3://components/here")).await;
    assert_eq!(site.task("work").await["result"], "one");
    assert_eq!(direct.get("/work").await.1["versions"].as_array().unwrap().len(), 1, "nothing has changed");

    gate.open();
    told_of_store(&site, |told| told == "ok").await;
    assert_eq!(site.put("work", answering("two")).await.0, StatusCode::CREATED);
    assert_eq!(site.get("/work").await.1["current"], 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_hangs_is_told_in_seconds() {
    let Some(server) = S3::start() else { return };
    let site = site(&server.variables());
    server.signal("STOP");
    let refused = site.put("work", answering("one")).await;
    assert_refused(refused, StatusCode::SERVICE_UNAVAILABLE, "has not answered within 10 s");
    server.signal("CONT");
    assert_eq!(site.put("work", answering("one")).await.0, StatusCode::CREATED);
    assert_eq!(site.task("work").await["result"], "one");
}
