//! A server over HTTP for tasks that wait: `GET /100` is answered after 100 ms. `GET /most` tells how many answers were waited
//! for at once, at most, since it was last asked.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
    net::{TcpListener, TcpStream},
    time::sleep,
};

use crate::Result;

/// Answers that are waited for.
#[derive(Debug, Default)]
struct Open {
    now: AtomicUsize,
    most: AtomicUsize,
}

/// Prints where it listens.
pub(crate) async fn execute() -> Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    println!("{}", listener.local_addr()?);
    let open = Arc::<Open>::default();
    loop {
        let stream = match listener.accept().await {
            Ok((stream, _)) => stream,
            Err(error) => {
                // Too many at once, as a rule: some end soon.
                eprintln!("{error}");
                sleep(Duration::from_millis(10)).await;
                continue;
            }
        };
        let open = open.clone();
        tokio::spawn(async move {
            if let Err(error) = answer(stream, &open).await {
                eprintln!("{error}");
            }
        });
    }
}

/// One request a connection: who asks here keeps none.
async fn answer(stream: TcpStream, open: &Open) -> Result<()> {
    let (mut stream, mut first, mut line) = (BufReader::new(stream), String::new(), String::new());
    stream.read_line(&mut first).await?;
    while stream.read_line(&mut line).await? > "\r\n".len() {
        line.clear();
    }
    let path = first.split(' ').nth(1).unwrap_or_default();
    let body = match path {
        "/most" => open.most.swap(open.now.load(Ordering::Relaxed), Ordering::Relaxed).to_string(),
        path => {
            let pause = Duration::from_millis(path.trim_start_matches('/').parse()?);
            open.most.fetch_max(open.now.fetch_add(1, Ordering::Relaxed) + 1, Ordering::Relaxed);
            sleep(pause).await;
            open.now.fetch_sub(1, Ordering::Relaxed);
            String::new()
        }
    };
    let length = body.len();
    let answer = format!("HTTP/1.1 200 OK\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}");
    Ok(stream.write_all(answer.as_bytes()).await?)
}
