//! Servers that are no registry, or a bad one: whatever they answer, there is an error, soon, and within bounds.

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

use super::*;

const QUICK: Patience =
    Patience { connect: Duration::from_secs(10), idle: Duration::from_secs(2), total: Duration::from_secs(60) };

/// The digest of no bytes at all.
const EMPTY: &str = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

/// What a server does with a request.
#[derive(Clone)]
enum Answer {
    Text(String),
    /// A head, and bytes without end after it.
    Endless(&'static str),
    Silence,
}

fn ok(body: &str) -> Answer {
    Answer::Text(format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}", body.len()))
}

/// Starts a server, whose answer depends on its own host and port and on the path; gives the host and the port.
async fn serve(answer: impl Fn(&str, &str) -> Answer + Send + Sync + 'static) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let host = listener.local_addr().unwrap().to_string();
    let name = host.clone();
    tokio::spawn(async move {
        let mut open = Vec::new();
        while let Ok((mut stream, _)) = listener.accept().await {
            let path = read_path(&mut stream).await;
            match answer(&name, &path) {
                // A client that has enough breaks off.
                Answer::Text(text) => drop(stream.write_all(text.as_bytes()).await),
                Answer::Endless(head) => {
                    drop(stream.write_all(head.as_bytes()).await);
                    while stream.write_all(&[b' '; 4096]).await.is_ok() {}
                }
                Answer::Silence => open.push(stream),
            }
        }
    });
    host
}

async fn read_path(stream: &mut TcpStream) -> String {
    let (mut head, mut block) = (Vec::new(), [0; 4096]);
    while !head.windows(4).any(|end| end == b"\r\n\r\n") {
        match stream.read(&mut block).await {
            Ok(0) | Err(_) => break,
            Ok(read) => head.extend_from_slice(&block[..read]),
        }
    }
    String::from_utf8_lossy(&head).split(' ').nth(1).unwrap_or_default().to_owned()
}

/// Pulls from it, and gives the whole error.
async fn refused(host: &str, patience: Patience) -> String {
    let reference = OciReference::find(&format!("oci://{host}/a:1")).unwrap().unwrap();
    let pulled = pull_patiently(&reference, Transport::default(), ByteSize::mib(1), patience).await;
    format!("{:#}", pulled.map(|pulled| pulled.pinned).unwrap_err())
}

/// A server whose `/v2/` is well, and whose manifest is this.
async fn with_manifest(answer: Answer) -> String {
    serve(move |_, path| if path == "/v2/" { ok("{}") } else { answer.clone() }).await
}

#[tokio::test]
async fn a_server_that_does_not_answer_is_given_up() {
    let host = serve(|_, _| Answer::Silence).await;
    assert!(refused(&host, QUICK).await.contains(&format!("{host} does not answer in time")));
    let host = with_manifest(Answer::Silence).await;
    assert!(refused(&host, QUICK).await.contains("does not answer in time"));
    let host = serve(|_, _| Answer::Silence).await;
    let in_all = Patience { idle: Duration::from_secs(60), total: Duration::from_millis(200), ..QUICK };
    assert!(refused(&host, in_all).await.contains("was not read within 200ms"));
}

#[tokio::test]
async fn an_answer_without_end_is_read_to_its_bound() {
    let host = with_manifest(Answer::Endless("HTTP/1.1 200 OK\r\n\r\n")).await;
    assert!(refused(&host, PATIENCE).await.contains("sends more than 4.0 MiB"));
    let layer = format!(r#"{{"mediaType":"application/wasm","digest":"{EMPTY}","size":5000}}"#);
    let manifest = ok(&format!(r#"{{"layers":[{layer}]}}"#));
    let endless = |path: &str| path.contains("/blobs/").then_some(Answer::Endless("HTTP/1.1 200 OK\r\n\r\n"));
    let host = serve(move |_, path| endless(path).unwrap_or_else(|| manifest.clone())).await;
    assert!(refused(&host, PATIENCE).await.contains("sends more than 4.9 KiB"));
    // The text of an error is not even read.
    let host = with_manifest(Answer::Endless("HTTP/1.1 500 Internal Server Error\r\n\r\n")).await;
    assert!(
        refused(&host, PATIENCE).await.contains("has answered 500 Internal Server Error: is it a registry, and well?")
    );
}

#[tokio::test]
async fn garbage_is_told_as_garbage() {
    let host = serve(|_, _| ok("<html>welcome</html>")).await;
    assert!(refused(&host, PATIENCE).await.contains("what the registry has there is no manifest"));
    let host = serve(|_, _| Answer::Text("SSH-2.0-OpenSSH_9.2\r\n".into())).await;
    assert!(refused(&host, PATIENCE).await.contains("not as a registry does"));
    let host = with_manifest(Answer::Text("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{".into())).await;
    assert!(refused(&host, PATIENCE).await.contains("did not answer to the end"));
    let host = with_manifest(Answer::Text("HTTP/1.1 429 Too Many Requests\r\nContent-Length: 0\r\n\r\n".into())).await;
    assert!(refused(&host, PATIENCE).await.contains("takes no more requests for now"));
}

fn challenge(realm: &str) -> Answer {
    Answer::Text(format!(
        "HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Bearer realm=\"{realm}\"\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
    ))
}

/// A server that asks for a token, and answers so where it is asked for one.
async fn with_token(token: Answer) -> String {
    serve(move |host, path| match path.starts_with("/token") {
        true => token.clone(),
        false => challenge(&format!("http://{host}/token")),
    })
    .await
}

#[tokio::test]
async fn an_answer_with_a_token_is_bounded_like_the_others() {
    let host = with_token(Answer::Endless("HTTP/1.1 200 OK\r\n\r\n")).await;
    let told = refused(&host, PATIENCE).await;
    assert!(told.contains("can't be logged in to") && told.contains("sends more than 64.0 KiB"), "{told}");
    let host = with_token(Answer::Silence).await;
    let told = refused(&host, QUICK).await;
    assert!(told.contains(&format!("{host}, which {host} names for tokens, does not answer as it should")), "{told}");
    // The text of an error is not even read.
    let host = with_token(Answer::Endless("HTTP/1.1 401 Unauthorized\r\n\r\n")).await;
    assert!(refused(&host, PATIENCE).await.contains("to no stranger"));
    let host = with_token(Answer::Endless("HTTP/1.1 503 Service Unavailable\r\n\r\n")).await;
    assert!(refused(&host, PATIENCE).await.contains("names for tokens, has answered 503 Service Unavailable"));
}

#[tokio::test]
async fn a_token_that_cant_be_used_is_an_error() {
    let host = with_token(ok(r#"{"token":"a\nb"}"#)).await;
    assert!(refused(&host, PATIENCE).await.contains("not as a registry does"));
    for useless in [r#"{"token":7}"#, r#"{"token":""}"#, "{}", r#""pa55word""#, "<html>", ""] {
        let told = refused(&with_token(ok(useless)).await, PATIENCE).await;
        assert!(told.contains("which it names for tokens, gives none") && !told.contains("pa55word"), "{told}");
    }
}

#[tokio::test]
async fn a_token_may_have_either_name() {
    for token in [r#"{"token":"t"}"#, r#"{"access_token":"t"}"#, r#"{"token":"","access_token":"t"}"#] {
        // It asks again whatever it gets.
        assert!(refused(&with_token(ok(token)).await, PATIENCE).await.contains("to no stranger"), "{token}");
    }
}

#[tokio::test]
async fn a_way_to_log_in_that_is_not_known_is_told() {
    let negotiate = "HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Negotiate\r\nContent-Length: 0\r\n\r\n";
    for answer in [Answer::Text(negotiate.into()), challenge("/token"), challenge("file:///token")] {
        let host = serve(move |_, _| answer.clone()).await;
        assert!(refused(&host, PATIENCE).await.contains("in a way that is not supported"));
    }
}
