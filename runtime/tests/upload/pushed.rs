//! Good uploads, and those that are refused for what they are.

use base64::{Engine, engine::general_purpose::STANDARD};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use warren::components::Digest;

use crate::{Site, answering, assert_refused, send};

#[tokio::test]
async fn what_was_uploaded_is_executed_and_the_same_again_changes_nothing() {
    let site = Site::guarded(&[]);
    let bytes = answering("one");
    let digest = Digest::of(&bytes).to_string();
    let (status, first) = site.put("work", bytes.clone()).await;
    let expected = json!({ "name": "work", "version": 1, "change": "added", "digest": digest, "size_bytes": bytes.len(),
        "imports": [], "manifest": "none", "signed_by": null, "by": "ci" });
    assert_eq!((status, &first), (StatusCode::CREATED, &expected));
    let task = site.task("work").await;
    assert_eq!((&task["status"], &task["result"]), (&json!("COMPLETED"), &json!("one")));
    assert_eq!(task["component_digest"], digest);

    let (status, again) = site.put("work", bytes.clone()).await;
    assert_eq!((status, &again["change"], &again["version"]), (StatusCode::OK, &json!("unchanged"), &json!(1)));
    let (status, second) = site.put("work", answering("two")).await;
    assert_eq!((status, &second["version"]), (StatusCode::CREATED, &json!(2)));
    let (status, back) = site.put("work", bytes).await;
    assert_eq!((status, &back["change"], &back["version"]), (StatusCode::OK, &json!("again"), &json!(1)));
    let (_, versions) = site.get("/work").await;
    assert_eq!((&versions["current"], versions["versions"].as_array().unwrap().len()), (&json!(1), 2));
}

#[tokio::test]
async fn a_manifest_comes_with_its_component_in_one_request_and_stays() {
    let site = Site::guarded(&[]);
    let put = |manifest: &str, bytes| {
        let request = site.request(Method::PUT, "/work").header("warren-manifest", STANDARD.encode(manifest));
        send(request.body(bytes))
    };
    let (status, pushed) = put("[limits]\ntimeout = '5s'\n", answering("one")).await;
    assert_eq!((status, &pushed["manifest"]), (StatusCode::CREATED, &json!("given")), "{pushed}");
    let (_, kept) = site.put("work", answering("two")).await;
    assert_eq!((&kept["manifest"], &kept["version"]), (&json!("kept"), &json!(2)));
    let (_, versions) = site.get("/work").await;
    assert_eq!(versions["versions"][1]["manifest"], "[limits]\ntimeout = '5s'\n");
    assert_refused(
        put("[limits]\ntimeout = '2h'\n", answering("three")).await,
        StatusCode::UNPROCESSABLE_ENTITY,
        "is more than the operator allows",
    );
    assert_refused(
        put("[grants]\nhosts = ['api.example.com:443']\n", answering("three")).await,
        StatusCode::UNPROCESSABLE_ENTITY,
        "allow",
    );
    let no_text = site.request(Method::PUT, "/work").header("warren-manifest", "[limits]").body(answering("three"));
    assert_refused(send(no_text).await, StatusCode::BAD_REQUEST, "base64");
    let (_, versions) = site.get("/work").await;
    assert_eq!((&versions["current"], versions["versions"].as_array().unwrap().len()), (&json!(2), 2));
}

#[tokio::test]
async fn what_can_not_be_executed_is_refused_and_not_stored() {
    let site = Site::guarded(&[]);
    for (bytes, told) in [
        (b"\0asm\x01\0\0\0".to_vec(), "it is a core module, not a component"),
        (b"<html></html>".to_vec(), "it is no WebAssembly"),
        (Vec::new(), "it is no WebAssembly"),
        (answering("one")[..60].to_vec(), "it does not compile"),
        (wat::parse_str("(component)").unwrap(), "execute"),
    ] {
        assert_refused(site.put("work", bytes).await, StatusCode::UNPROCESSABLE_ENTITY, told);
    }
    site.assert_empty().await;
}

#[tokio::test]
async fn a_digest_that_is_not_that_of_the_bytes_is_refused() {
    let site = Site::guarded(&[]);
    let (right, other) = (Digest::of(&answering("one")), Digest::of(b"other"));
    let put = |digest: &str| send(site.request(Method::PUT, &format!("/work?digest={digest}")).body(answering("one")));
    assert_refused(put(other.as_str()).await, StatusCode::UNPROCESSABLE_ENTITY, right.as_str());
    assert_refused(put("abc").await, StatusCode::BAD_REQUEST, "sha256:");
    site.assert_empty().await;
    assert_eq!(put(right.as_str()).await.0, StatusCode::CREATED);
}

#[tokio::test]
async fn names_that_no_task_can_have_are_refused_and_twins_too() {
    let site = Site::guarded(&[]);
    for (name, told) in [
        ("%2e%2e%2fwork", "can't hold '/'"),
        ("a..b", "can't hold"),
        ("a%2Fb", "can't hold '/'"),
        ("w%D0%BErk", "can't hold"),
        ("work%00", "can't hold"),
    ] {
        assert_refused(site.put(name, answering("one")).await, StatusCode::UNPROCESSABLE_ENTITY, told);
    }
    assert_eq!(site.put("%FF", answering("one")).await.0, StatusCode::BAD_REQUEST);
    site.assert_empty().await;
    assert_eq!(site.put("work", answering("one")).await.0, StatusCode::CREATED);
    assert_refused(site.put("WORK", answering("two")).await, StatusCode::CONFLICT, "differs from WORK only in case");
}

#[tokio::test]
async fn two_that_upload_one_name_at_once_get_a_version_each() {
    let site = Site::guarded(&[]);
    let (one, two) = tokio::join!(site.put("work", answering("one")), site.put("work", answering("two")));
    assert_eq!((one.0, two.0), (StatusCode::CREATED, StatusCode::CREATED), "{one:?} {two:?}");
    let (_, versions) = site.get("/work").await;
    let mut digests: Vec<_> =
        versions["versions"].as_array().unwrap().iter().map(|version| &version["digest"]).collect();
    digests.sort_by_key(|digest| digest.as_str());
    let mut expected = [&one.1["digest"], &two.1["digest"]];
    expected.sort_by_key(|digest| digest.as_str());
    assert_eq!(digests, expected);
}

#[tokio::test]
async fn a_version_is_made_current_and_a_component_removed() {
    let site = Site::guarded(&[]);
    site.put("work", answering("one")).await;
    site.put("work", answering("two")).await;
    let use_version =
        |version: Value| send(site.request(Method::POST, "/work/current").json(&json!({ "version": version })));
    let (status, switched) = use_version(json!(1)).await;
    assert_eq!((status, &switched["before"], &switched["current"]), (StatusCode::OK, &json!(2), &json!(1)));
    assert_refused(use_version(json!(3)).await, StatusCode::NOT_FOUND, "it has 1 to 2");
    assert_eq!(use_version(json!(0)).await.0, StatusCode::UNPROCESSABLE_ENTITY);

    assert_eq!(send(site.request(Method::DELETE, "/work")).await.0, StatusCode::NO_CONTENT);
    assert_refused(send(site.request(Method::DELETE, "/work")).await, StatusCode::NOT_FOUND, "no component work");
    let (_, versions) = site.get("/work").await;
    assert_eq!((&versions["current"], versions["versions"].as_array().unwrap().len()), (&Value::Null, 2));
    assert_eq!(use_version(json!(2)).await.0, StatusCode::OK);
    assert_refused(site.get("/other").await, StatusCode::NOT_FOUND, "no component other");
}
