//! Who may write: those with a token that is known, has not expired and is good for it.

use std::fs;

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::{Site, TOKEN, answering, assert_refused, process::warren, raw, send, token};

/// A request that writes, for each way to.
fn writes() -> [(Method, &'static str); 3] {
    [(Method::PUT, "/work"), (Method::POST, "/work/current"), (Method::DELETE, "/work")]
}

#[tokio::test]
async fn without_a_good_token_nobody_writes_and_all_get_the_same_answer() {
    let expired = token("old", "wrn_old", "scopes = ['components:write']\nexpires = 2020-01-01T00:00:00Z");
    let good = token("ci", TOKEN, "scopes = ['components:write']");
    let site = Site::start(&(expired + &good), &[], &[]);
    let mut answers = Vec::new();
    for (method, path) in writes() {
        for authorization in
            [None, Some("Bearer wrn_wrong"), Some("Bearer wrn_old"), Some("Basic wrn_test-token"), Some("Bearer ")]
        {
            let url = format!("{}/v1/components{path}", site.warren.url);
            let request = site.http.request(method.clone(), url).body(answering("one"));
            let request =
                authorization.into_iter().fold(request, |request, value| request.header("authorization", value));
            let response = request.send().await.unwrap();
            assert_eq!(response.status(), StatusCode::UNAUTHORIZED, "{method} {authorization:?}");
            assert_eq!(response.headers()["www-authenticate"], "Bearer realm=\"warren\"");
            answers.push(response.text().await.unwrap());
        }
    }
    answers.dedup();
    assert_eq!(answers.len(), 1, "{answers:?}");
    site.assert_empty().await;
    for told in ["it has no token", "none of those that are configured", "the token old has expired"] {
        site.warren.wait_for_line(told);
    }
    let log = site.warren.log();
    for secret in ["wrn_wrong", "wrn_old", TOKEN] {
        assert!(!log.contains(secret), "{secret} is in the log:\n{log}");
    }
    assert_eq!(site.put("work", answering("one")).await.0, StatusCode::CREATED);
}

#[tokio::test]
async fn nothing_is_read_of_those_who_may_not_write() {
    let site = Site::guarded(&[]);
    for (method, path) in writes() {
        let head = format!(
            "{method} /v1/components{path} HTTP/1.1\r\nhost: {}\r\ncontent-type: application/json\r\nconnection: close\r\n\
             content-length: 100\r\n\r\n",
            site.addr()
        );
        // Not a byte of the body is waited for.
        let told = raw(site.connect(), head.as_bytes());
        assert!(told.starts_with("HTTP/1.1 401"), "{method} {path}: {told}");
    }
}

#[tokio::test]
async fn a_token_is_good_for_its_scopes_and_components_alone() {
    let none = token("reader", "wrn_reader", "scopes = []");
    let some = token("ci", TOKEN, "scopes = ['components:write']\ncomponents = ['team-a.*']");
    let site = Site::start(&(none + &some), &[], &[]);
    for (method, path) in writes() {
        let url = format!("{}/v1/components{path}", site.warren.url);
        let request = site.http.request(method.clone(), url).bearer_auth("wrn_reader").body(answering("one"));
        assert_refused(send(request).await, StatusCode::FORBIDDEN, "components:write");
        let request = site.request(method, path).body(answering("one"));
        assert_refused(send(request).await, StatusCode::FORBIDDEN, "the token ci is not for component work");
    }
    site.assert_empty().await;
    assert_eq!(site.put("team-a.work", answering("one")).await.0, StatusCode::CREATED);
}

#[tokio::test]
async fn a_fresh_token_with_its_lines_in_the_settings_may_write_until_it_expires() {
    let made = warren().args(["token", "new", "--name", "ci", "--expires", "90d"]).output().unwrap();
    let made = String::from_utf8(made.stdout).unwrap();
    let (fresh, lines) = made.split_once('\n').unwrap();
    assert!(fresh.starts_with("wrn_") && fresh.len() == 47, "{made}");
    assert!(lines.contains("expires = ") && !lines.contains(fresh), "{made}");
    let site = Site::start(lines, &[], &[]);
    let request = site.http.put(format!("{}/v1/components/work", site.warren.url)).bearer_auth(fresh);
    let (status, pushed) = send(request.body(answering("one"))).await;
    assert_eq!((status, &pushed["by"]), (StatusCode::CREATED, &json!("ci")));

    // Neither it nor its hash is shown.
    let hash = lines.split("sha256 = \"").nth(1).unwrap().split('"').next().unwrap();
    let shown = warren().current_dir(site.folder.path()).args(["config", "--output", "json"]).output().unwrap();
    let shown = String::from_utf8(shown.stdout).unwrap();
    let settings: Value = serde_json::from_str(&shown).unwrap();
    let tokens = settings.as_array().unwrap().iter().find(|setting| setting["setting"] == "http.tokens").unwrap();
    assert!(tokens["value"].as_str().unwrap().contains("***"), "{tokens}");
    for text in [shown, site.warren.log()] {
        assert!(!text.contains(hash) && !text.contains(fresh), "{text}");
    }
}

#[test]
fn settings_with_a_token_in_a_wrong_place_do_not_show_it() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("warren.toml");
    for (text, told) in [
        ("[http]\ntokens = ['wrn_topsecret']", "as `warren token new` prints them"),
        ("[[http.tokens]]\nname = 'ci'\nsha256 = 'wrn_topsecret'\nscopes = []", "not the token"),
    ] {
        fs::write(&file, text).unwrap();
        let output = warren().current_dir(folder.path()).arg("config").output().unwrap();
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert!(!output.status.success() && stderr.contains(told) && !stderr.contains("topsecret"), "{stderr}");
    }
    fs::remove_file(&file).unwrap();
    let output = warren().current_dir(folder.path()).env("WARREN_HTTP_TOKENS", "wrn_topsecret").arg("config").output();
    let stderr = String::from_utf8(output.unwrap().stderr).unwrap();
    assert!(stderr.contains("$WARREN_HTTP_TOKENS") && !stderr.contains("topsecret"), "{stderr}");
}
