//! Requests over HTTP to where they may not go, and answers that do not end.

use serde_json::{Value, json};
use warren::{manifest::Allow, outcome::ErrorClass};

use super::{attacker::Prison, server::Server};

/// An operator who allows every name, and this machine at the server's port.
fn prison(server: &Server) -> Prison {
    let private = [format!("127.0.0.1:{}", server.port()), format!("localhost:{}", server.port())];
    Prison::allowing(Allow {
        hosts: vec!["*:*".parse().unwrap()],
        private_hosts: private.iter().map(|host| host.parse().unwrap()).collect(),
        secrets: vec!["env:CARGO_MANIFEST_DIR".parse().unwrap()],
        ..Allow::default()
    })
}

fn get(url: &str) -> Value {
    json!({ "attack": "http", "method": "GET", "url": url })
}

/// A manifest that grants this machine.
fn granting(server: &Server, more: &str) -> String {
    format!("[grants]\nprivate_hosts = ['127.0.0.1:{}']\n{more}", server.port())
}

#[tokio::test]
async fn a_host_that_is_granted_answers_and_the_receipt_says_so() {
    let server = Server::start().await;
    let attacked = prison(&server).attack(&granting(&server, ""), get(&format!("http://{}/", server.address()))).await;
    assert_eq!(attacked.got(), json!({ "status": 200, "body": "hello" }));
    let http = &attacked.receipt().http;
    assert_eq!((http.requests, http.hosts.as_slice()), (1, [server.address()].as_slice()));
    assert!(http.sent > 20 && http.received > 40, "{http:?}");
}

#[tokio::test]
async fn a_host_that_is_not_granted_is_not_asked() {
    let server = Server::start().await;
    let url = format!("http://{}/", server.address());
    let line = format!("[grants] hosts = [\"{}\"]", server.address());
    prison(&server).attack("", get(&url)).await.failed_as(ErrorClass::Denied, &["GET", &line, "HttpRequestDenied"]);
    let other = "[grants]\nhosts = ['api.example.com:443']";
    prison(&server).attack(other, get(&url)).await.failed_as(ErrorClass::Denied, &[&line]);
    let methods = format!("[grants]\nprivate_hosts = [{{ host = '{}', methods = ['HEAD'] }}]", server.address());
    prison(&server).attack(&methods, get(&url)).await.failed_as(ErrorClass::Denied, &["GET"]);
    assert_eq!(server.connections(), 0);
}

#[tokio::test]
async fn a_name_that_leads_to_this_machine_is_not_the_internet() {
    let server = Server::start().await;
    let (port, manifest) = (server.port(), "[grants]\nhosts = ['*:*']");
    let attacked = prison(&server).attack(manifest, get(&format!("http://localhost:{port}/"))).await;
    attacked.failed_as(ErrorClass::Denied, &["not on the internet", "private_hosts"]);
    // Numbers that a resolver would take for an address.
    for host in ["2130706433", "0x7f000001", "127.1", "0"] {
        let attacked = prison(&server).attack(manifest, get(&format!("http://{host}:{port}/"))).await;
        attacked.failed_as(ErrorClass::Technical, &["HttpRequestUriInvalid"]);
    }
    // No star stands for an address.
    for host in ["127.0.0.1", "[::1]", "[::ffff:127.0.0.1]", "169.254.169.254", "0.0.0.0"] {
        let attacked = prison(&server).attack(manifest, get(&format!("http://{host}:{port}/"))).await;
        attacked.failed_as(ErrorClass::Denied, &["not granted"]);
    }
    assert_eq!(server.connections(), 0);
    let granted = format!("[grants]\nprivate_hosts = ['localhost:{port}']");
    assert_eq!(prison(&server).attack(&granted, get(&format!("http://LocalHost:{port}/"))).await.got()["status"], 200);
}

#[tokio::test]
async fn a_redirect_is_an_answer_and_where_it_leads_is_looked_at_again() {
    let server = Server::start().await;
    let url = format!("http://{}/redirect", server.address());
    assert_eq!(prison(&server).attack(&granting(&server, ""), get(&url)).await.got()["status"], 302);
    let followed =
        prison(&server).attack(&granting(&server, ""), get("http://169.254.169.254/latest/meta-data/")).await;
    followed.failed_as(ErrorClass::Denied, &["169.254.169.254:80"]);
}

#[tokio::test]
async fn a_url_can_not_make_one_host_look_like_another() {
    let server = Server::start().await;
    let url = format!("http://{}@169.254.169.254/", server.address());
    prison(&server).attack(&granting(&server, ""), get(&url)).await.failed();
    for method in ["CONNECT", "TRACE", &"A".repeat(100)] {
        let odd = json!({ "attack": "http", "method": method, "url": format!("http://{}/mirror", server.address()) });
        prison(&server).attack(&granting(&server, ""), odd).await.failed_as(ErrorClass::Technical, &["Method"]);
    }
    let header = json!({ "attack": "http", "method": "GET", "url": format!("http://{}/mirror", server.address()),
        "headers": [["host", "internal.example"]] });
    // The runtime sets it, and a guest that wants to is refused.
    prison(&server).attack(&granting(&server, ""), header).await.failed();
}

#[tokio::test]
async fn answers_that_do_not_end_end_at_their_limits() {
    let server = Server::start().await;
    let limits = "[limits]\nhttp_timeout = '500ms'\nhttp_received = '256KiB'";
    // What comes without end comes slowly where the machine is slow.
    let patient = "[limits]\nhttp_timeout = '20s'\nhttp_received = '256KiB'";
    let url = |path: &str| get(&format!("http://{}{path}", server.address()));
    let ends = [
        ("/silent", limits, "http_timeout"),
        ("/slow", limits, "http_timeout"),
        ("/endless", patient, "http_received"),
    ];
    for (path, limits, limit) in ends {
        let attacked = prison(&server).attack(&granting(&server, limits), url(path)).await;
        attacked.failed_as(ErrorClass::HttpLimit, &[&format!("[limits] {limit}")]);
        assert!(attacked.receipt().http.received <= 256 << 10, "{:?}", attacked.receipt());
    }
    for path in ["/head", "/garbage"] {
        prison(&server).attack(&granting(&server, limits), url(path)).await.failed();
    }
}

#[tokio::test]
async fn no_more_is_sent_than_may_be() {
    let server = Server::start().await;
    let url = format!("http://{}/wait", server.address());
    let much = json!({ "attack": "http", "method": "POST", "url": url, "body": 1 << 20 });
    let attacked = prison(&server).attack(&granting(&server, "[limits]\nhttp_sent = '64KiB'"), much).await;
    attacked.failed_as(ErrorClass::HttpLimit, &["[limits] http_sent"]);
    let often = json!({ "attack": "http_often", "url": url, "times": 5 });
    let attacked = prison(&server).attack(&granting(&server, "[limits]\nhttp_requests = 3"), often).await;
    attacked.failed_as(ErrorClass::HttpLimit, &["asked for one more than 3", "[limits] http_requests"]);
    assert_eq!(attacked.receipt().http.requests, 3);
}

#[tokio::test]
async fn no_more_requests_are_under_way_than_may_be() {
    let server = Server::start().await;
    let url = format!("http://{}/wait", server.address());
    let at_once = json!({ "attack": "http_at_once", "url": url, "times": 8 });
    assert_eq!(prison(&server).attack(&granting(&server, "[limits]\nhttp_concurrency = 2"), at_once).await.got(), 8);
    assert!((1..=2).contains(&server.most_open()), "{}", server.most_open());
}

#[tokio::test]
async fn a_credential_is_added_where_it_belongs_and_the_guest_never_sees_it() {
    let server = Server::start().await;
    let host = server.address();
    let manifest = granting(
        &server,
        &format!("credentials = [{{ host = '{host}', prefix = 'Bearer ', secret = 'env:CARGO_MANIFEST_DIR' }}]"),
    );
    // The server mirrors the head: that is how this test sees it, and why a credential goes to one host only. What the guest
    // itself says there is replaced.
    let own = json!({ "attack": "http", "method": "GET", "url": format!("http://{host}/mirror"),
        "headers": [["authorization", "of the guest"]] });
    for request in [get(&format!("http://{host}/mirror")), own] {
        let head = prison(&server).attack(&manifest, request).await.got()["body"].as_str().unwrap().to_owned();
        let added: Vec<_> = head.lines().filter(|line| line.starts_with("authorization")).collect();
        assert_eq!(added, [format!("authorization: Bearer {}", env!("CARGO_MANIFEST_DIR"))]);
    }
    let other = Server::start().await;
    let both = manifest.replace("private_hosts = [", &format!("private_hosts = ['127.0.0.1:{}', ", other.port()));
    let allow_both = Prison::allowing(Allow {
        private_hosts: vec!["127.0.0.1:*".parse().unwrap()],
        secrets: vec!["env:CARGO_MANIFEST_DIR".parse().unwrap()],
        ..Allow::default()
    });
    let elsewhere = allow_both.attack(&both, get(&format!("http://{}/mirror", other.address()))).await;
    assert!(!elsewhere.got()["body"].as_str().unwrap().contains("authorization"), "{elsewhere:?}");
    // Unencrypted to another machine (or what could be one), it is not sent at all.
    let named = format!("[grants]\nprivate_hosts = ['localhost:{}']\n", server.port())
        + &format!("credentials = [{{ host = 'localhost:{}', secret = 'env:CARGO_MANIFEST_DIR' }}]", server.port());
    let plain = prison(&server).attack(&named, get(&format!("http://localhost:{}/", server.port()))).await;
    plain.failed_as(ErrorClass::Denied, &["only https:// will do"]);
    let around = prison(&server).attack(&manifest, json!({ "attack": "environment" })).await;
    assert_eq!(around.got()["variables"], json!({}));
}

#[tokio::test]
async fn a_certificate_that_nobody_trusted_has_signed_is_refused() {
    let server = Server::with_tls("127.0.0.1").await;
    let url = format!("https://{}/", server.address());
    let attacked = prison(&server).attack(&granting(&server, ""), get(&url)).await;
    attacked.failed_as(ErrorClass::Technical, &["Tls"]);
    assert_eq!(server.connections(), 1);
}

/// Runs itself once more, in a process whose system trusts the authority.
#[tokio::test]
async fn a_certificate_that_the_system_trusts_is_taken_for_its_own_host_alone() {
    let authority = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/attacks/authority.crt.pem");
    if std::env::var("SSL_CERT_FILE").as_deref() != Ok(authority) {
        let mut again = tokio::process::Command::new(std::env::current_exe().unwrap());
        again.args(["--exact", std::thread::current().name().unwrap()]).env("SSL_CERT_FILE", authority);
        let ended = again.output().await.unwrap();
        let told = String::from_utf8_lossy(&ended.stdout);
        assert!(
            ended.status.success() && told.contains("1 passed"),
            "{told}{}",
            String::from_utf8_lossy(&ended.stderr)
        );
        return;
    }
    let server = Server::with_tls("127.0.0.1").await;
    let url = format!("https://{}/mirror", server.address());
    let attacked = prison(&server).attack(&granting(&server, ""), get(&url)).await;
    assert!(attacked.got().to_string().contains("GET /mirror"), "{attacked:?}");

    // This address is not on the certificate.
    let other = Server::with_tls("127.0.0.2").await.address();
    let allow = Allow { private_hosts: vec![other.parse().unwrap()], ..Allow::default() };
    let manifest = format!("[grants]\nprivate_hosts = ['{other}']");
    let attacked = Prison::allowing(allow).attack(&manifest, get(&format!("https://{other}/mirror"))).await;
    attacked.failed_as(ErrorClass::Technical, &["Tls"]);
}
