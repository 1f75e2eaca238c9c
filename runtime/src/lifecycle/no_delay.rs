//! Has the system send statements at once, and not wait for an acknowledgement with the last part of one.
//!
//! sqlx 0.9.0 leaves Nagle's algorithm on (<https://github.com/transact-rs/sqlx/issues/4335>, mended there for the version that
//! follows). A statement of more than one TLS record, or of more than the socket takes at once, then waits 40 ms for the
//! server's delayed acknowledgement: a flush of 1,000 rows takes 48 ms in place of 10 (`docs/performance.md`). The driver hands
//! out no socket, so they are found among the open files of this process.

use std::{
    fs,
    net::SocketAddr,
    os::fd::{BorrowedFd, RawFd},
};

use rustix::net::{getpeername, sockopt::set_tcp_nodelay};

/// Where a process finds its open files, on Linux and macOS.
const OPEN_FILES: &str = "/dev/fd";

/// Sets it for all of this process' TCP connections to `port`. Where that can't be done they are slow, and work.
pub(super) fn of_connections_to(port: u16) {
    let Ok(files) = fs::read_dir(OPEN_FILES) else { return };
    for file in files.flatten() {
        if let Some(file) = file.file_name().to_str().and_then(|name| name.parse().ok()) {
            send_at_once(file, port);
        }
    }
}

fn send_at_once(file: RawFd, port: u16) {
    #[allow(unsafe_code, reason = "there is no safe way to look at a file by its number")]
    // SAFETY: borrowed for two calls that neither read, write nor close it. If another thread closes it meanwhile they fail, or
    // find another file: one that is no TCP connection to this port is left as it is, and one that is may be sent at once, too.
    let file = unsafe { BorrowedFd::borrow_raw(file) };
    let peer = getpeername(file).ok().flatten().and_then(|peer| SocketAddr::try_from(peer).ok());
    if peer.is_some_and(|peer| peer.port() == port)
        && let Err(error) = set_tcp_nodelay(file, true)
    {
        tracing::debug!(%error, "a connection to the database may wait before it sends: {error}");
    }
}

#[cfg(test)]
mod tests {
    use std::net::{TcpListener, TcpStream};

    use super::*;

    #[test]
    fn connections_to_the_port_are_set_and_others_are_not() {
        let (one, other) = (TcpListener::bind("127.0.0.1:0").unwrap(), TcpListener::bind("127.0.0.1:0").unwrap());
        let (one, other) = (one.local_addr().unwrap(), other.local_addr().unwrap());
        let (to_one, to_other) = (TcpStream::connect(one).unwrap(), TcpStream::connect(other).unwrap());
        assert!(!to_one.nodelay().unwrap());
        of_connections_to(one.port());
        assert!(to_one.nodelay().unwrap());
        assert!(!to_other.nodelay().unwrap());
    }
}
