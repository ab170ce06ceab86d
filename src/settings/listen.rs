//! Addresses to listen at: a host and a port, or `unix:` and the path of a socket.

use std::net::SocketAddr;
use std::path::Path;

/// What a socket's path comes after.
const UNIX: &str = "unix:";

/// The longest path of a socket, in bytes, that Linux takes.
const LONGEST_PATH: usize = 107;

/// What is wrong with an address to listen at; `None` if it is right. `such_as` is a port that would be right there.
pub(crate) fn fault(text: &str, such_as: &str) -> Option<String> {
    let socket = "unix:/run/quotefold/quotefold.sock";
    match text.strip_prefix(UNIX) {
        Some(path) if !path.starts_with('/') || path.ends_with('/') || path.contains('\0') => {
            Some(format!("{text:?} is not the whole path of a socket; write one such as \"{socket}\""))
        }
        Some(path) if path.len() > LONGEST_PATH => {
            Some(format!("{path:?} has {} bytes; a socket's path may have at most {LONGEST_PATH}", path.len()))
        }
        Some(_) => None,
        None if is_host_and_port(text) => None,
        None => Some(format!(
            "{text:?} is not an address; write a host and a port, such as \"{such_as}\" or \"[::]:8080\", or \"{socket}\""
        )),
    }
}

/// The path of the socket, if the address names one.
pub(crate) fn socket_path(text: &str) -> Option<&Path> {
    text.strip_prefix(UNIX).map(Path::new)
}

/// Whether a text is a host (an IP address or a name) and a port.
fn is_host_and_port(text: &str) -> bool {
    let name_and_port = || {
        let (host, port) = text.rsplit_once(':')?;
        port.parse::<u16>().ok()?;
        let is_name = host.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-.".contains(&byte));
        Some(is_name && host.bytes().any(|byte| byte.is_ascii_alphabetic()))
    };
    text.parse::<SocketAddr>().is_ok() || name_and_port() == Some(true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_has_a_host_and_a_port() {
        for right in ["127.0.0.1:8080", "0.0.0.0:0", "[::]:8080", "localhost:80"] {
            assert_eq!(fault(right, ""), None, "{right}");
        }
        for wrong in ["", "8080", ":8080", "127.0.0.1", "127.0.0.1:99999", "256.0.0.1:80", "http://x:80", "a b:80"] {
            assert!(fault(wrong, "").is_some(), "{wrong}");
        }
    }

    #[test]
    fn or_it_is_the_whole_path_of_a_socket() {
        assert_eq!(
            (fault("unix:/run/q.sock", ""), socket_path("unix:/run/q.sock")),
            (None, Some(Path::new("/run/q.sock")))
        );
        assert_eq!(socket_path("127.0.0.1:80"), None);
        let long = format!("unix:/{}", "x".repeat(LONGEST_PATH));
        for wrong in ["unix:", "unix:q.sock", "unix:/", "unix:/run/", "unix:/a\0b", &long] {
            assert!(fault(wrong, "").is_some(), "{wrong}");
        }
        assert_eq!(fault(&long[..long.len() - 1], ""), None);
    }
}
