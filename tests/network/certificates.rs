//! Certificates: which are trusted, and what happens to a call if one is not. A key never goes to another host.

use std::net::TcpListener;
use std::thread;
use std::time::{Duration, Instant};

use crate::sources::{certified, service, source, source_at, verdict};
use crate::support::{Authority, Certified};

/// Asserts that a vendor with this certificate gets one connection and no call: the stack must not retry, since a certificate
/// does not become valid by itself, and must send nothing unencrypted.
fn assert_refused(certificate: Certified, authority: Option<&Authority>, words: &str) {
    let vendor = certified(certificate, "100");
    let ca_file = authority.map(Authority::ca_file).unwrap_or_default();
    let service = service(&[source_at(&vendor, "desk", &ca_file)]);
    let (verdict, detail) = verdict(&service, "desk");
    assert_eq!(verdict, "failed / tls", "{detail}");
    assert!(detail.contains(&vendor.address.to_string()) && detail.contains(words), "{words:?} is not in {detail:?}");
    assert_eq!((vendor.connections(), vendor.plain(), vendor.calls()), (1, 0, 0));
}

#[test]
fn a_private_authority_is_trusted_only_by_sources_with_its_ca_file() {
    let authority = Authority::new();
    let vendor = certified(authority.certify("127.0.0.1"), "100");
    let service = service(&[source_at(&vendor, "a", &authority.ca_file()), source_at(&vendor, "b", "")]);
    let reply = service.prices("BTC-USD");
    assert_eq!(reply.verdict("BTC-USD", "a"), "used");
    assert_eq!(reply.verdict("BTC-USD", "b"), "failed / tls");
    let detail = reply.quote("BTC-USD", "b")["detail"].to_string();
    assert!(detail.contains("unknown issuer; if that is your own authority, set ca_file"), "{detail}");
    assert_eq!((vendor.calls(), vendor.plain()), (1, 0));
}

#[test]
fn a_certificate_of_an_authority_that_nobody_knows_is_refused() {
    let (known, stranger) = (Authority::new(), Authority::new());
    assert_refused(stranger.certify("127.0.0.1"), None, "set ca_file");
    assert_refused(stranger.certify("127.0.0.1"), Some(&known), "neither the system nor ca_file has it");
}

#[test]
fn a_certificate_that_has_expired_is_refused() {
    let authority = Authority::new();
    assert_refused(authority.certify_expired("127.0.0.1"), Some(&authority), "has expired");
}

#[test]
fn a_certificate_for_another_host_is_refused() {
    let authority = Authority::new();
    assert_refused(authority.certify("other.test"), Some(&authority), "not valid for that name, only for");
}

#[test]
fn a_vendor_that_does_not_speak_tls_is_not_spoken_to_in_the_clear() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let vendor = thread::spawn(move || {
        let mut heard = [0; 1];
        let (mut stream, _) = listener.accept().unwrap();
        std::io::Read::read_exact(&mut stream, &mut heard).unwrap();
        std::io::Write::write_all(&mut stream, b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n").unwrap();
        heard
    });
    let service = service(&[source("desk", &format!("base_url = \"https://{address}\""))]);
    let (verdict, detail) = verdict(&service, "desk");
    assert_eq!((verdict.as_str(), detail), ("failed / tls", format!("{address} does not speak TLS there")));
    assert_eq!(vendor.join().unwrap(), [22], "the record type of a TLS handshake");
}

#[test]
fn a_handshake_that_stalls_is_no_connection_and_does_not_take_the_whole_attempt() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || listener.incoming().map_while(Result::ok).collect::<Vec<_>>());
    let more = format!("base_url = \"https://{address}\"\ntimeout = \"400ms\"");
    let service = service(&[source("desk", &more)]);
    let started = Instant::now();
    let (verdict, detail) = verdict(&service, "desk");
    assert_eq!(verdict, "failed / connection", "{detail}");
    assert_eq!(detail, format!("cannot reach {address}: no connection and TLS handshake within 300 ms"));
    assert!(started.elapsed() < Duration::from_secs(8), "{:?}", started.elapsed());
}
