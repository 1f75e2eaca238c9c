//! SIGTERM and SIGINT: the first asks for a stop, the second for one without the grace.

use std::{io::Read, process::ExitCode};

use tokio::{
    signal::unix::{Signal, SignalKind, signal},
    sync::mpsc,
};

/// Ties a service to the program that has started it: when that ends, however it does, so does the pipe that is our stdin.
#[derive(Debug, clap::Args)]
pub(super) struct Tied {
    /// Stop when stdin ends
    #[arg(long, hide = true)]
    stop_with_stdin: bool,
}

/// The signals that stop the process.
pub(super) struct Signals {
    terminate: Signal,
    interrupt: Signal,
    /// Tells once that stdin has ended.
    stdin: Option<mpsc::Receiver<()>>,
}

impl Signals {
    /// Starts to listen; from now on the signals don't end the process by themselves.
    pub(super) fn listen() -> std::io::Result<Self> {
        let (terminate, interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
        Ok(Self { terminate, interrupt, stdin: None })
    }

    /// The same for a service. The end of stdin asks for a stop as a signal does, where it is told to.
    pub(super) fn listen_tied(tied: &Tied) -> std::io::Result<Self> {
        let stdin = tied.stop_with_stdin.then(end_of_stdin);
        Ok(Self { stdin, ..Self::listen()? })
    }

    /// Waits for the next one. Cancel-safe.
    pub(super) async fn next(&mut self) -> &'static str {
        let stdin = async {
            let told = match &mut self.stdin {
                Some(stdin) => stdin.recv().await,
                None => None,
            };
            // It is told once; after that the channel is closed.
            if told.is_none() {
                std::future::pending::<()>().await;
            }
        };
        tokio::select! {
            _ = self.terminate.recv() => "SIGTERM",
            _ = self.interrupt.recv() => "SIGINT",
            () = stdin => "the end of stdin",
        }
    }
}

/// Reads stdin until it ends, on a thread that nobody waits for.
fn end_of_stdin() -> mpsc::Receiver<()> {
    let (told, ended) = mpsc::channel(1);
    std::thread::spawn(move || {
        let (mut stdin, mut some) = (std::io::stdin(), [0; 64]);
        while stdin.read(&mut some).is_ok_and(|read| read > 0) {}
        // Nobody listens any more when the service has stopped.
        let _ = told.blocking_send(());
    });
    ended
}

/// The exit code of a service that was asked to stop and has stopped: success if nothing was left behind.
pub(super) fn exit_code(clean: bool) -> ExitCode {
    if clean { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
