//! What clients connect to: a port, or a socket in the file system.

use std::io;
use std::net::SocketAddr;

use tokio::net::{TcpListener, TcpSocket, lookup_host};

use super::socket::Socket;
use super::unix::SocketFile;
use crate::caller::Peer;
use crate::settings::socket_path;

/// Connections that the kernel queues until we accept them. With the usual 128, a burst of clients would overflow the queue,
/// and those that do not fit retry only after a second.
pub(super) const BACKLOG: u32 = 4096;

/// The kernel's send buffer per connection, in bytes; the kernel doubles it for its own bookkeeping. A reply that fits reaches
/// its client however slowly that reads: once the kernel has it, nothing here waits. The usual 4 MiB would hold whole replies
/// to clients that do not read, for every connection, before we noticed.
const SEND_BUFFER: u32 = 128 * 1024;

/// An open listener.
#[derive(Debug)]
pub struct Listener(Kind);

#[derive(Debug)]
enum Kind {
    Port(TcpListener),
    File(SocketFile),
}

impl Listener {
    /// Listens at an address as the configuration writes it: a host and a port, or `unix:` and a path.
    ///
    /// # Errors
    /// If the address is not there or taken.
    pub async fn open(address: &str) -> io::Result<Self> {
        match socket_path(address) {
            Some(path) => Ok(Listener(Kind::File(SocketFile::open(path).await?))),
            None => Ok(bind(address).await?.into()),
        }
    }

    /// Where it listens, as clients write it: `http://127.0.0.1:8080` or `unix:/run/quotefold.sock`.
    ///
    /// # Errors
    /// If the system does not say which port it is.
    pub fn shown(&self, scheme: &str) -> io::Result<String> {
        match &self.0 {
            Kind::Port(listener) => Ok(format!("{scheme}://{}", listener.local_addr()?)),
            Kind::File(file) => Ok(format!("unix:{}", file.path().display())),
        }
    }

    /// Waits for the next client.
    pub(super) async fn accept(&self) -> io::Result<(Socket, Peer)> {
        match &self.0 {
            Kind::Port(listener) => {
                listener.accept().await.map(|(stream, peer)| (Socket::Tcp(stream), peer.ip().into()))
            }
            Kind::File(file) => Ok((Socket::Unix(file.accept().await?), Peer::UnixSocket)),
        }
    }
}

impl From<TcpListener> for Listener {
    fn from(listener: TcpListener) -> Self {
        Listener(Kind::Port(listener))
    }
}

/// Listens at a host, as a number or a name, and a port.
///
/// # Errors
/// If the name does not resolve, or no address that it resolves to can be bound.
pub async fn bind(address: &str) -> io::Result<TcpListener> {
    let mut error = io::Error::new(io::ErrorKind::NotFound, "this name resolves to no address");
    for address in lookup_host(address).await? {
        match bind_one(address) {
            Ok(listener) => return Ok(listener),
            Err(reason) => error = reason,
        }
    }
    Err(error)
}

fn bind_one(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    // without it, the port could not be bound again right after the server has ended
    socket.set_reuseaddr(true)?;
    // connections inherit it
    socket.set_send_buffer_size(SEND_BUFFER)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}
