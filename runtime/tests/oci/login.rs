//! Registries that want to know who asks.

use std::{
    fs,
    net::SocketAddr,
    os::unix::fs::PermissionsExt,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use axum::{
    Json, Router,
    extract::{Query, Request},
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Redirect, Response},
    routing::get,
    serve::Listener,
};
use base64::{Engine, prelude::BASE64_STANDARD};
use serde_json::{Value, json};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::{
    TlsAcceptor,
    rustls::{
        ServerConfig,
        crypto::ring,
        pki_types::{CertificateDer, PrivateKeyDer},
    },
    server::TlsStream,
};

use crate::{
    Author, Trap, hello,
    oci_registry::{AUTHORITY, OciRegistry, USER, WASM, WASM_CONFIG},
};

fn auth((user, password): (&str, &str)) -> String {
    BASE64_STANDARD.encode(format!("{user}:{password}"))
}

fn logged_in(registry: &str, user: (&str, &str)) -> Value {
    json!({ "auths": { registry: { "auth": auth(user) } } })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_registry_that_wants_a_login_gets_the_one_of_docker() {
    let Some(registry) = OciRegistry::with_login() else { return };
    let author = Author::new();
    registry.push("acme/greet:1.0", WASM_CONFIG, &[(WASM, &hello())]).await;
    let (reference, address) = (registry.reference("acme/greet:1.0"), registry.address.as_str());
    let told = author.refused(&reference);
    assert!(
        told.contains(&format!("{address} gives {reference} to no stranger: `docker login {address}` first")),
        "{told}"
    );

    author.docker_config(&logged_in("elsewhere.example.com", USER));
    assert!(author.refused(&reference).contains("to no stranger"));
    author.docker_config(&logged_in(address, ("author", "wr0ng")));
    let told = author.refused(&reference);
    assert!(told.contains("to the user whom `docker login` has stored: log in as one who may pull it"), "{told}");
    assert!(!told.contains("wr0ng") && !told.contains(&auth(("author", "wr0ng"))), "{told}");

    author.docker_config(&logged_in(address, USER));
    let (code, stdout, stderr) = author.run(&["component", "push", &reference]);
    assert_eq!(code, 0, "{stderr}");
    assert!(!format!("{stdout}{stderr}").contains(USER.1), "{stdout}{stderr}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_login_that_cant_be_read_is_told_and_not_shown() {
    let Some(registry) = OciRegistry::with_login() else { return };
    let author = Author::new();
    let (reference, address) = (registry.reference("acme/greet:1.0"), registry.address.as_str());
    let cases = [
        (json!("pa55word"), "writes it anew"),
        (json!({ "auths": { address: { "auth": "pa55word!" } } }), "writes it anew"),
        (
            json!({ "auths": { address: { "identitytoken": "pa55word" } } }),
            "is an identity token, which is not supported",
        ),
        (json!({ "credHelpers": { address: "nowhere" } }), "can't be read"),
    ];
    for (config, expected) in cases {
        author.docker_config(&config);
        let told = author.refused(&reference);
        assert!(told.contains(expected) && told.contains("config.json") && !told.contains("pa55word"), "{told}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_login_may_be_kept_by_another_program() {
    let Some(registry) = OciRegistry::with_login() else { return };
    let author = Author::new();
    registry.push("acme/greet:1.0", WASM_CONFIG, &[(WASM, &hello())]).await;
    let reference = registry.reference("acme/greet:1.0");
    author.docker_config(&json!({ "credsStore": "test" }));
    let path = std::env::join_paths(
        [author.0.path().to_owned()].into_iter().chain(std::env::split_paths(&std::env::var_os("PATH").unwrap())),
    );
    let path = path.unwrap();
    // As programs of Docker's: the registry comes on stdin, the login goes to stdout.
    let push = |answer: &str| {
        let program = author.file("docker-credential-test");
        fs::write(&program, format!("#!/bin/sh\nread -r asked\n{answer}\n")).unwrap();
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
        crate::run(author.command(&["component", "push", &reference]).env("PATH", &path))
    };
    let (code, _, stderr) = push("echo 'credentials not found in native keychain'; exit 1");
    assert!(code == 1 && stderr.contains("to no stranger"), "{stderr}");
    let (code, _, stderr) = push("echo pa55word; exit 1");
    assert!(
        code == 1 && stderr.contains("docker-credential-test, which ") && stderr.contains(" has failed"),
        "{stderr}"
    );
    assert!(!stderr.contains("pa55word"), "{stderr}");
    let answer = format!(
        "[ \"$asked\" = {} ] && echo '{{\"Username\":\"{}\",\"Secret\":\"{}\"}}'",
        registry.address, USER.0, USER.1
    );
    let (code, _, stderr) = push(&answer);
    assert_eq!(code, 0, "{stderr}");
}

/// Stands before an open registry, and asks for a token of its own service, as the registries of the clouds do.
async fn door(registry: &OciRegistry) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let challenge = format!("Bearer realm=\"http://{address}/token\",service=\"the door\"");
    let open = format!("http://{}", registry.address);
    let token = |headers: HeaderMap, Query(query): Query<Vec<(String, String)>>| async move {
        let asked = |name: &str, value: &str| query.contains(&(name.to_owned(), value.to_owned()));
        assert!(asked("scope", "repository:acme/greet:pull") && asked("service", "the door"), "{query:?}");
        match headers.get(header::AUTHORIZATION) {
            Some(login) if *login == format!("Basic {}", auth(USER)) => {
                Json(json!({ "token": "t0ken" })).into_response()
            }
            Some(_) | None => (StatusCode::UNAUTHORIZED, "pa55word").into_response(),
        }
    };
    let pass = move |request: Request| async move {
        match request.headers().get(header::AUTHORIZATION) {
            // To another host: the token has to stay here.
            Some(token) if *token == "Bearer t0ken" => {
                Redirect::temporary(&format!("{open}{}", request.uri())).into_response()
            }
            Some(_) | None => {
                (StatusCode::UNAUTHORIZED, [(header::WWW_AUTHENTICATE, challenge)]).into_response() as Response
            }
        }
    };
    let router = Router::new().route("/token", get(token)).fallback(pass);
    tokio::spawn(async move { axum::serve(listener, router).await });
    address
}

#[tokio::test(flavor = "multi_thread")]
async fn a_registry_with_tokens_gets_one_for_the_login() {
    let Some(registry) = OciRegistry::start() else { return };
    let author = Author::new();
    registry.push("acme/greet:1.0", WASM_CONFIG, &[(WASM, &hello())]).await;
    let door = door(&registry).await;
    let reference = format!("oci://{door}/acme/greet:1.0");
    assert!(author.refused(&reference).contains("to no stranger"));
    author.docker_config(&logged_in(&door, ("author", "wr0ng")));
    let told = author.refused(&reference);
    assert!(told.contains("log in as one who may pull it") && !told.contains("pa55word"), "{told}");
    author.docker_config(&logged_in(&door, USER));
    let (code, _, stderr) = author.run(&["component", "push", &reference]);
    assert_eq!(code, 0, "{stderr}");
}

/// A listener that speaks TLS, with the certificate of [`OciRegistry::with_tls`].
struct TlsListener(TcpListener, TlsAcceptor);

impl TlsListener {
    async fn new() -> Self {
        let certificate = CertificateDer::from(include_bytes!("../attacks/localhost.crt.der").as_slice());
        let key = PrivateKeyDer::try_from(include_bytes!("../attacks/localhost.key.der").as_slice()).unwrap();
        let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![certificate], key)
            .unwrap();
        Self(TcpListener::bind("127.0.0.1:0").await.unwrap(), TlsAcceptor::from(Arc::new(config)))
    }
}

impl Listener for TlsListener {
    type Io = TlsStream<TcpStream>;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        loop {
            let (stream, address) = self.0.accept().await.unwrap();
            if let Ok(stream) = self.1.accept(stream).await {
                return (stream, address);
            }
        }
    }

    fn local_addr(&self) -> std::io::Result<Self::Addr> {
        self.0.local_addr()
    }
}

/// A registry with TLS and without artifacts, whose service for tokens is its own by the first answer and `then` by those after
/// it; by all of them, if it is not `honest` at first.
async fn fickle(honest: bool, then: &Trap) -> String {
    let listener = TlsListener::new().await;
    let address = listener.local_addr().unwrap().to_string();
    let (own, other) = (format!("https://{address}/token"), format!("{}/token", then.url()));
    let is_honest = Arc::new(AtomicBool::new(honest));
    let token = |headers: HeaderMap| async move {
        assert_eq!(headers[header::AUTHORIZATION], format!("Basic {}", auth(USER)));
        Json(json!({ "access_token": "t0ken" }))
    };
    let pass = move |request: Request| async move {
        match request.headers().get(header::AUTHORIZATION) {
            Some(token) if *token == "Bearer t0ken" => StatusCode::NOT_FOUND.into_response(),
            Some(_) | None => {
                let realm = if is_honest.swap(false, Ordering::SeqCst) { own } else { other };
                let challenge = format!("Bearer realm=\"{realm}\"");
                (StatusCode::UNAUTHORIZED, [(header::WWW_AUTHENTICATE, challenge)]).into_response() as Response
            }
        }
    };
    let router = Router::new().route("/token", get(token)).fallback(pass);
    tokio::spawn(async move { axum::serve(listener, router).await });
    address
}

#[tokio::test(flavor = "multi_thread")]
async fn a_login_goes_where_the_answer_says_that_was_checked_and_never_over_plain_http() {
    let author = Author::new();
    fs::write(author.file("authority.pem"), AUTHORITY).unwrap();
    let trap = Trap::new();
    let cases = [(true, "there is no oci://"), (false, "wants the login over plain HTTP, where others can read it")];
    for (honest, expected) in cases {
        let address = fickle(honest, &trap).await;
        author.docker_config(&logged_in(&address, USER));
        let reference = format!("oci://{address}/acme/greet:1.0");
        let mut command = author.command(&["component", "push", &reference, "--plain-http=false"]);
        let (code, _, stderr) = crate::run(command.env("SSL_CERT_FILE", author.file("authority.pem")));
        assert!(trap.is_untouched(), "{stderr}");
        assert!(code == 1 && stderr.contains(expected), "{stderr}");
    }
}
