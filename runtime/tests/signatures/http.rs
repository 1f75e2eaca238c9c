//! Uploads, and going back, over HTTP.

use reqwest::{Client, Method, RequestBuilder, StatusCode};
use serde_json::{Value, json};

use crate::{Site, answering, process::Process, sign, unguarded, upload};

const GRANTS: &str = "[grants]\nenv = { A = \"b\" }\n";

struct Server {
    warren: Process,
    http: Client,
}

impl Server {
    fn start(site: &Site) -> Self {
        warren::tls::install_ring();
        let http = Client::builder().no_proxy().build().unwrap();
        Self { warren: Process::start(site.command(&["dev"])), http }
    }

    fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.http.request(method, format!("{}/v1/components/{path}", self.warren.url))
    }

    async fn put(&self, name: &str, bytes: Vec<u8>, headers: &[(&str, String)]) -> (StatusCode, Value) {
        let request = self.request(Method::PUT, name).body(bytes);
        send(headers.iter().fold(request, |request, (name, value)| request.header(*name, value))).await
    }
}

async fn send(request: RequestBuilder) -> (StatusCode, Value) {
    let response = request.send().await.unwrap();
    let (status, body) = (response.status(), response.bytes().await.unwrap());
    (status, serde_json::from_slice(&body).unwrap_or(Value::Null))
}

#[track_caller]
fn assert_refused((status, problem): (StatusCode, Value), expected: StatusCode, told: &str) {
    assert_eq!(status, expected, "{problem}");
    assert!(problem["detail"].as_str().unwrap().contains(told), "{problem}");
}

#[tokio::test]
async fn what_is_signed_is_taken_and_nothing_else() {
    let site = Site::new();
    let server = Server::start(&site);
    let (bytes, signature) = (answering("one"), "warren-signature");
    let manifest = ("warren-manifest", base64(GRANTS));
    assert_refused(
        server.put("work", bytes.clone(), &[]).await,
        StatusCode::UNPROCESSABLE_ENTITY,
        "component work is refused: it is not signed",
    );
    // It is not even compiled.
    assert_refused(
        server.put("work", b"hello".to_vec(), &[]).await,
        StatusCode::UNPROCESSABLE_ENTITY,
        "it is not signed",
    );
    for wrong in [
        sign(&site.other, "work", &bytes, None),
        sign(&site.key, "other", &bytes, None),
        sign(&site.key, "work", b"other", None),
        sign(&site.key, "work", &bytes, Some(GRANTS)),
    ] {
        let headers = [(signature, wrong.to_string())];
        let refused = server.put("work", bytes.clone(), &headers).await;
        assert_refused(refused, StatusCode::UNPROCESSABLE_ENTITY, "it has to be of name work");
    }
    let good = sign(&site.key, "work", &bytes, None).to_string();
    let beyond = server.put("work", bytes.clone(), &[(signature, good.clone()), manifest.clone()]).await;
    assert_refused(beyond, StatusCode::UNPROCESSABLE_ENTITY, "it has to be of name work");
    for garbage in ["hello", "", "c2hvcnQ="] {
        let refused = server.put("work", bytes.clone(), &[(signature, garbage.into())]).await;
        assert_refused(refused, StatusCode::BAD_REQUEST, "the header Warren-Signature: ");
    }
    assert!(!site.path().join("components/blobs").exists());

    let (status, pushed) = server.put("work", bytes.clone(), &[(signature, good.clone())]).await;
    let key = json!(site.public().to_string());
    assert_eq!((status, &pushed["signed_by"]), (StatusCode::CREATED, &key), "{pushed}");
    let with_manifest = sign(&site.key, "work", &bytes, Some(GRANTS)).to_string();
    let (status, pushed) = server.put("work", bytes.clone(), &[(signature, with_manifest), manifest]).await;
    assert_eq!((status, &pushed["version"]), (StatusCode::CREATED, &json!(2)));
    assert_refused(
        server.put("work", bytes, &[(signature, good.clone())]).await,
        StatusCode::UNPROCESSABLE_ENTITY,
        "the manifest is the one that the component has",
    );
    let (_, versions) = send(server.request(Method::GET, "work")).await;
    let first = &versions["versions"][0];
    assert_eq!((&first["signature"], &first["signed_by"]), (&json!(good), &key));
}

#[tokio::test]
async fn a_version_that_is_not_signed_is_not_made_current() {
    let site = Site::new();
    let (store, name) = (unguarded(&site.path().join("components")), "work".parse().unwrap());
    store.push(&name, upload(answering("unsigned"), None, None)).await.unwrap();
    let signature = sign(&site.key, "work", &answering("signed"), None);
    store.push(&name, upload(answering("signed"), None, Some(signature))).await.unwrap();
    let server = Server::start(&site);
    let switch = |version: u32| send(server.request(Method::POST, "work/current").json(&json!({ "version": version })));
    assert_refused(switch(1).await, StatusCode::UNPROCESSABLE_ENTITY, "component work is refused: it is not signed");
    assert_eq!(switch(2).await.0, StatusCode::OK);
    let (_, versions) = send(server.request(Method::GET, "work")).await;
    assert_eq!((&versions["current"], &versions["versions"][0]["signed_by"]), (&json!(2), &Value::Null));
}

fn base64(text: &str) -> String {
    use base64::{Engine, engine::general_purpose::STANDARD};
    STANDARD.encode(text)
}
