//! Stand-in proxies on loopback: one that speaks HTTP (CONNECT, and whole URLs), perhaps over TLS, and one that speaks SOCKS5.
//!
//! They know vendors by names that no resolver knows, and write down what they were asked to carry.

use std::collections::HashMap;
use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use parking_lot::Mutex;
use rustls::{ServerConnection, StreamOwned};

use super::authority::Certified;
use super::upstream::read_head;

/// A user name and a password.
pub(crate) type Credentials = (&'static str, &'static str);

/// A running proxy. Its thread ends with the test's process.
pub(crate) struct StandInProxy {
    pub(crate) address: SocketAddr,
    scheme: &'static str,
    shared: Arc<Shared>,
}

struct Shared {
    /// Where the vendors are, by name.
    vendors: HashMap<String, SocketAddr>,
    /// The only user whom it serves; if there is none, it serves all.
    allowed: Option<Credentials>,
    /// `CONNECT a.test:443`, `GET a.test:80`, `SOCKS a.test:80`: each tunnel, and each call without one.
    carried: Mutex<Vec<String>>,
    /// How many connections it has accepted.
    accepted: Mutex<usize>,
}

trait Stream: Read + Write {}

impl<S: Read + Write> Stream for S {}

impl StandInProxy {
    /// A proxy that speaks HTTP.
    pub(crate) fn http(vendors: &[(&str, SocketAddr)], allowed: Option<Credentials>) -> Self {
        StandInProxy::new("http", vendors, allowed, |shared, stream| shared.speak_http(&mut &stream, &stream))
    }

    /// A proxy that speaks HTTP over TLS.
    pub(crate) fn https(certified: &Certified, vendors: &[(&str, SocketAddr)], allowed: Option<Credentials>) -> Self {
        let certified = Arc::clone(certified);
        StandInProxy::new("https", vendors, allowed, move |shared, stream| {
            let connection = ServerConnection::new(Arc::clone(&certified)).expect("a certificate that fits");
            let socket = stream.try_clone().ok()?;
            shared.speak_http(&mut StreamOwned::new(connection, stream), &socket)
        })
    }

    /// A proxy that speaks SOCKS5.
    pub(crate) fn socks(vendors: &[(&str, SocketAddr)], allowed: Option<Credentials>) -> Self {
        StandInProxy::new("socks5h", vendors, allowed, |shared, stream| shared.speak_socks(&stream))
    }

    /// A proxy that replies to every CONNECT with this status.
    pub(crate) fn refusing(status: &'static str) -> Self {
        StandInProxy::new("http", &[], None, move |_, mut stream| {
            read_head(&mut stream)?;
            stream.write_all(format!("HTTP/1.1 {status} Said\r\nContent-Length: 0\r\n\r\n").as_bytes()).ok()
        })
    }

    /// A proxy that closes every connection as soon as a request has come.
    pub(crate) fn closing(scheme: &'static str) -> Self {
        StandInProxy::new(scheme, &[], None, |_, mut stream| stream.read(&mut [0; 4096]).ok().map(drop))
    }

    /// A proxy that says nothing.
    pub(crate) fn mute(scheme: &'static str) -> Self {
        StandInProxy::new(scheme, &[], None, |_, mut stream| {
            while stream.read(&mut [0; 64]).is_ok_and(|read| read > 0) {}
            Some(())
        })
    }

    fn new(
        scheme: &'static str,
        vendors: &[(&str, SocketAddr)],
        allowed: Option<Credentials>,
        speak: impl Fn(&Shared, TcpStream) -> Option<()> + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("its address");
        let vendors = vendors.iter().map(|(name, address)| ((*name).to_owned(), *address)).collect();
        let shared = Arc::new(Shared { vendors, allowed, carried: Mutex::default(), accepted: Mutex::default() });
        let (seen, speak) = (Arc::clone(&shared), Arc::new(speak));
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                *seen.accepted.lock() += 1;
                let (seen, speak) = (Arc::clone(&seen), Arc::clone(&speak));
                thread::spawn(move || speak(&seen, stream));
            }
        });
        StandInProxy { address, scheme, shared }
    }

    /// Its URL, with these credentials.
    pub(crate) fn url(&self, credentials: Option<Credentials>) -> String {
        let user = credentials.map(|(user, password)| format!("{user}:{password}@")).unwrap_or_default();
        format!("{}://{user}{}", self.scheme, self.address)
    }

    /// Its name in our words.
    pub(crate) fn name(&self) -> String {
        self.url(None)
    }

    /// What it was asked to carry.
    pub(crate) fn carried(&self) -> Vec<String> {
        self.shared.carried.lock().clone()
    }

    /// How many connections it has accepted.
    pub(crate) fn accepted(&self) -> usize {
        *self.shared.accepted.lock()
    }
}

impl Shared {
    /// Notes what is asked for, and connects to it.
    fn connect(&self, how: &str, host: &str, port: u16) -> Option<TcpStream> {
        self.carried.lock().push(format!("{how} {host}:{port}"));
        TcpStream::connect(self.vendors.get(host)?).ok()
    }

    /// Serves one connection, of which `socket` is the lower end.
    fn speak_http(&self, client: &mut dyn Stream, socket: &TcpStream) -> Option<()> {
        loop {
            let head = read_head(client)?;
            let expected = self.allowed.map(|(user, password)| STANDARD.encode(format!("{user}:{password}")));
            if expected.is_some_and(|expected| !head.contains(&format!("asic {expected}\r\n"))) {
                client.write_all(b"HTTP/1.1 407 Who\r\nContent-Length: 0\r\n\r\n").ok()?;
                continue;
            }
            let mut words = head.split(' ');
            let (method, target) = (words.next()?, words.next()?);
            if method == "CONNECT" {
                let (host, port) = target.rsplit_once(':')?;
                let Some(vendor) = self.connect("CONNECT", host, port.parse().ok()?) else {
                    return client.write_all(b"HTTP/1.1 502 Where\r\n\r\n").ok();
                };
                client.write_all(b"HTTP/1.1 200 Connected\r\n\r\n").ok()?;
                return relay(client, socket, &vendor);
            }
            let (host, path) = target.strip_prefix("http://")?.split_at_checked(target.get(7..)?.find('/')?)?;
            let (name, port) = host.rsplit_once(':').unwrap_or((host, "80"));
            let mut vendor = self.connect(method, name, port.parse().ok()?)?;
            let of_us = |line: &&str| !line.to_ascii_lowercase().starts_with("proxy-");
            let lines: Vec<&str> = head.lines().skip(1).filter(of_us).collect();
            vendor.write_all(format!("{method} {path} HTTP/1.1\r\n{}\r\n", lines.join("\r\n")).as_bytes()).ok()?;
            let reply = read_head(&mut vendor)?;
            let length = reply.lines().find_map(|line| line.strip_prefix("Content-Length: ")?.parse().ok());
            let mut body = vec![0; length.unwrap_or(0)];
            vendor.read_exact(&mut body).ok()?;
            client.write_all(reply.as_bytes()).ok()?;
            client.write_all(&body).ok()?;
        }
    }

    /// Serves one connection of SOCKS5 (RFC 1928, RFC 1929).
    fn speak_socks(&self, client: &TcpStream) -> Option<()> {
        let (mut asking, mut answer) = (client, client);
        let mut bytes = |count: usize| {
            let mut read = vec![0; count];
            asking.read_exact(&mut read).ok().map(|()| read)
        };
        let methods = bytes(2)?[1];
        let methods = bytes(methods.into())?;
        let wanted = if self.allowed.is_some() { 2 } else { 0 };
        if !methods.contains(&wanted) {
            return answer.write_all(&[5, 255]).ok();
        }
        answer.write_all(&[5, wanted]).ok()?;
        if let Some((user, password)) = self.allowed {
            let length = bytes(2)?[1];
            let sent_user = bytes(length.into())?;
            let length = bytes(1)?[0];
            let sent_password = bytes(length.into())?;
            let is_allowed = (sent_user.as_slice(), sent_password.as_slice()) == (user.as_bytes(), password.as_bytes());
            answer.write_all(&[1, u8::from(!is_allowed)]).ok()?;
            if !is_allowed {
                return None;
            }
        }
        let host = match bytes(4)?[3] {
            1 => Ipv4Addr::from(<[u8; 4]>::try_from(bytes(4)?).ok()?).to_string(),
            4 => Ipv6Addr::from(<[u8; 16]>::try_from(bytes(16)?).ok()?).to_string(),
            _ => {
                let length = bytes(1)?[0];
                String::from_utf8(bytes(length.into())?).ok()?
            }
        };
        let port = u16::from_be_bytes(bytes(2)?.try_into().ok()?);
        let Some(vendor) = self.connect("SOCKS", &host, port) else {
            // host unreachable
            return answer.write_all(&[5, 4, 0, 1, 0, 0, 0, 0, 0, 0]).ok();
        };
        answer.write_all(&[5, 0, 0, 1, 0, 0, 0, 0, 0, 0]).ok()?;
        relay(&mut &*client, client, &vendor)
    }
}

/// Passes bytes on, in turns, until either side closes.
fn relay(client: &mut dyn Stream, socket: &TcpStream, mut vendor: &TcpStream) -> Option<()> {
    for side in [socket, vendor] {
        side.set_read_timeout(Some(Duration::from_millis(1))).ok()?;
    }
    loop {
        pass_on(client, &mut vendor)?;
        pass_on(&mut vendor, client)?;
    }
}

/// Passes on what has come; `None` if nothing more will.
fn pass_on(from: &mut dyn Stream, to: &mut dyn Stream) -> Option<()> {
    let mut bytes = [0; 4096];
    match from.read(&mut bytes) {
        Ok(0) => None,
        Ok(read) => to.write_all(&bytes[..read]).ok(),
        Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => Some(()),
        Err(_) => None,
    }
}
