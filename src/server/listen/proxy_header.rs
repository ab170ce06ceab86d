//! Reads the header with which a load balancer says whose connection it passes on: version 2 of the PROXY protocol.
//!
//! It comes before everything else, only from balancers that are trusted, and only where the configuration says that it does. Whether
//! one is there is never guessed: a client could then write its own.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use tokio::io::{AsyncRead, AsyncReadExt};

/// What each header begins with.
const SIGNATURE: [u8; 12] = *b"\r\n\r\n\0\r\nQUIT\n";

/// The length of what each header has: signature, version and command, family and protocol, length of the rest.
const FIXED: usize = 16;

/// The header of a connection that the sender makes for itself, to see whether the service lives.
pub(crate) const LOCAL: [u8; FIXED] = *b"\r\n\r\n\0\r\nQUIT\n\x20\0\0\0";

/// What is wrong with a header.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
enum Fault {
    #[error("the connection does not begin with the header of the PROXY protocol, version 2")]
    NoHeader,
    #[error("the header of the PROXY protocol has a command that is neither LOCAL nor PROXY")]
    Command,
    #[error("the header of the PROXY protocol names no TCP client")]
    NoClient,
}

/// Reads a header, and nothing behind it. Returns the client that it names; `None` if the balancer speaks for itself.
///
/// # Errors
/// The connection ends, or does not begin with a header that names a TCP client.
pub(super) async fn read(stream: &mut (impl AsyncRead + Unpin)) -> io::Result<Option<IpAddr>> {
    let mut fixed = [0; FIXED];
    stream.read_exact(&mut fixed).await?;
    let [signature @ .., command, family, high, low] = fixed;
    if signature != SIGNATURE || command >> 4 != 2 {
        return Err(invalid(Fault::NoHeader));
    }
    // at most 64 KiB, and only trusted peers come this far
    let mut rest = vec![0; usize::from(u16::from_be_bytes([high, low]))];
    stream.read_exact(&mut rest).await?;
    client(command & 0xf, family, &rest).map_err(invalid)
}

fn invalid(fault: Fault) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, fault)
}

/// The client that a header names. What follows the addresses is not looked at.
fn client(command: u8, family: u8, rest: &[u8]) -> Result<Option<IpAddr>, Fault> {
    match (command, family) {
        (0, _) => Ok(None),
        (1, 0x11) => match rest {
            // both addresses and both ports are there
            [a, b, c, d, _, _, _, _, _, _, _, _, ..] => Ok(Some(Ipv4Addr::new(*a, *b, *c, *d).into())),
            _ => Err(Fault::NoClient),
        },
        (1, 0x21) => {
            let source = rest.first_chunk::<16>().filter(|_| rest.len() >= 36).ok_or(Fault::NoClient)?;
            Ok(Some(Ipv6Addr::from(*source).into()))
        }
        // Without an address, the balancer would be taken for the client, and be believed what the client has written.
        (1, _) => Err(Fault::NoClient),
        _ => Err(Fault::Command),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn header(command: u8, family: u8, rest: &[u8]) -> Vec<u8> {
        let length = u16::try_from(rest.len()).unwrap().to_be_bytes();
        [&SIGNATURE[..], &[command, family], &length, rest].concat()
    }

    /// What is read, and what is left behind it.
    fn read_now(bytes: &[u8]) -> (io::Result<Option<IpAddr>>, &[u8]) {
        let (mut rest, runtime) = (bytes, tokio::runtime::Builder::new_current_thread().build().unwrap());
        (runtime.block_on(read(&mut rest)), rest)
    }

    #[test]
    fn the_client_of_a_tcp_connection_is_named() {
        let v4 = [[203, 0, 113, 7, 10, 0, 0, 1, 0x12, 0x34, 0, 80].as_slice(), b"\x04\0\x01x"].concat();
        let mut v6 = [0; 36];
        v6[..16].copy_from_slice(&"2001:db8::7".parse::<Ipv6Addr>().unwrap().octets());
        for (family, addresses, named) in [(0x11, v4.as_slice(), "203.0.113.7"), (0x21, &v6, "2001:db8::7")] {
            let bytes = [header(0x21, family, addresses), b"GET / HTTP/1.1\r\n".to_vec()].concat();
            let (client, rest) = read_now(&bytes);
            assert_eq!(client.unwrap(), Some(named.parse().unwrap()));
            assert_eq!(rest, b"GET / HTTP/1.1\r\n");
        }
    }

    #[test]
    fn a_balancer_may_speak_for_itself() {
        for header in [LOCAL.to_vec(), header(0x20, 0, b""), header(0x20, 0x11, &[0; 12])] {
            let (client, rest) = read_now(&header);
            assert_eq!((client.unwrap(), rest), (None, &b""[..]));
        }
    }

    #[test]
    fn what_names_no_tcp_client_is_refused() {
        let unknown = [
            header(0x21, 0x00, b""),
            header(0x21, 0x12, &[0; 12]),
            header(0x21, 0x31, &[0; 216]),
            header(0x21, 0x11, &[0; 11]),
            header(0x21, 0x21, &[0; 35]),
            header(0x22, 0x11, &[0; 12]),
            header(0x11, 0x11, &[0; 12]),
            b"PROXY TCP4 203.0.113.7 10.0.0.1 4660 80\r\n".to_vec(),
            b"GET / HTTP/1.1\r\nHost: x\r\n\r\n".to_vec(),
        ];
        for bytes in unknown {
            assert_eq!(read_now(&bytes).0.map_err(|error| error.kind()), Err(io::ErrorKind::InvalidData), "{bytes:?}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_up_to_the_end_of_the_header_and_not_beyond(
            begins_right in any::<bool>(),
            mut bytes in proptest::collection::vec(any::<u8>(), 0..300),
            (command, family, length) in (0x1f..0x24_u8, any::<u8>(), 0..300_u16),
        ) {
            if begins_right {
                let fixed = [&SIGNATURE[..], &[command, family], &length.to_be_bytes()].concat();
                bytes.splice(..0, fixed);
            }
            let (read, rest) = read_now(&bytes);
            let taken = bytes.len() - rest.len();
            let end = if begins_right && command >> 4 == 2 { FIXED + usize::from(length) } else { FIXED };
            prop_assert!(taken <= end, "{taken} of {end}");
            prop_assert!(read.is_err() || taken == end);
        }
    }
}
