//! Sockets.

use std::net::{TcpListener, TcpStream, ToSocketAddrs, UdpSocket};

use warren_task::{
    Failure,
    serde_json::{Value, json},
};

use crate::refused;

pub(crate) fn connect(address: &str) -> Result<Value, Failure> {
    TcpStream::connect(address).map(|_| json!("connected")).map_err(refused)
}

pub(crate) fn listen(address: &str) -> Result<Value, Failure> {
    TcpListener::bind(address).map(|_| json!("listening")).map_err(refused)
}

pub(crate) fn bind(address: &str) -> Result<Value, Failure> {
    let socket = UdpSocket::bind("0.0.0.0:0").map_err(refused)?;
    socket.send_to(b"hello", address).map(|sent| json!(sent)).map_err(refused)
}

pub(crate) fn look_up(name: &str) -> Result<Value, Failure> {
    let found = (name, 80).to_socket_addrs().map_err(refused)?;
    Ok(json!(found.map(|address| address.to_string()).collect::<Vec<_>>()))
}
