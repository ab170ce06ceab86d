//! Opens the port, with what its connections inherit.

use std::io;

use tokio::net::{TcpListener, TcpSocket, lookup_host};

/// Connections that the kernel keeps for us until we take them. With the usual 128, those who come too many at once are not
/// heard, and try again only after a second.
const BACKLOG: u32 = 4096;

/// What the kernel keeps for a client that does not read; it doubles that for its own bookkeeping. A reply that fits gets to
/// whoever reads it, however slowly: once the kernel has it, nobody here waits. The usual 4 MiB would hold whole conversations
/// that nobody reads, for every connection, before we noticed.
const SEND_BUFFER: u32 = 128 * 1024;

/// Listens at an address: a host, by number or by name, and a port.
///
/// # Errors
/// Why none of the addresses that the host stands for can be had.
pub async fn bind(address: &str) -> io::Result<TcpListener> {
    let mut error = io::Error::new(io::ErrorKind::NotFound, "this name stands for no address");
    for address in lookup_host(address).await? {
        let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
        // else the port could not be had again right after an end
        socket.set_reuseaddr(true)?;
        // connections inherit it
        socket.set_send_buffer_size(SEND_BUFFER)?;
        match socket.bind(address).and_then(|()| socket.listen(BACKLOG)) {
            Ok(listener) => return Ok(listener),
            Err(reason) => error = reason,
        }
    }
    Err(error)
}
