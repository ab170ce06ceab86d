//! Listeners whose connections begin with a header of the PROXY protocol: who may connect, and who is the peer then.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use crate::support::{Configuration, PATIENCE, Program, Upstream, get, run, start};

const SIGNATURE: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";

/// The header of a connection that comes from this IPv4 address.
fn from(client: [u8; 4]) -> Vec<u8> {
    [SIGNATURE, &[0x21, 0x11, 0, 12], &client, &[10, 0, 0, 1, 0x12, 0x34, 0, 80]].concat()
}

/// The header of a connection of the load balancer's own.
fn local() -> Vec<u8> {
    [SIGNATURE, &[0x20, 0, 0, 0]].concat()
}

fn settings(trusted: &str) -> String {
    let server = "[server]\nproxy_protocol = true\n";
    format!("{server}[access]\ntrusted_proxies = [{trusted}]\nrate = \"1/h\"\n")
}

/// What comes back for these bytes, until the connection ends.
fn exchange(address: SocketAddr, bytes: &[u8]) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    // it may be closed before this is written
    let _ = stream.write_all(bytes);
    let mut reply = Vec::new();
    let _ = stream.read_to_end(&mut reply);
    String::from_utf8(reply).unwrap()
}

/// The status of a request for symbols behind a header; empty if there is no reply.
fn asks(address: SocketAddr, header: &[u8], lines: &str) -> String {
    let request = format!("GET /symbols?q=btc HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{lines}\r\n");
    let reply = exchange(address, &[header, request.as_bytes()].concat());
    reply.split(' ').nth(1).unwrap_or_default().to_owned()
}

#[test]
fn the_client_that_the_header_names_is_the_peer() {
    let configuration = Configuration::new(&(settings("\"127.0.0.1\"") + &Upstream::quoting("100").source("a", "")));
    let (_program, address) = Program::serve(&configuration, &[]);
    let (one, other) = (from([203, 0, 113, 1]), from([203, 0, 113, 2]));
    assert_eq!([asks(address, &one, ""), asks(address, &one, "")], ["200", "429"]);
    assert_eq!(asks(address, &other, "X-Forwarded-For: 203.0.113.9\r\n"), "200");
    // it is not a proxy, and is not believed
    assert_eq!(asks(address, &other, "X-Forwarded-For: 203.0.113.10\r\n"), "429");
    // the balancer itself is one
    assert_eq!(asks(address, &local(), "X-Forwarded-For: 203.0.113.11\r\n"), "200");
    assert_eq!(asks(address, &local(), "X-Forwarded-For: 203.0.113.11\r\n"), "429");
}

#[test]
fn a_connection_without_the_header_gets_no_reply() {
    let configuration = Configuration::new(&(settings("\"127.0.0.1\"") + &Upstream::quoting("100").source("a", "")));
    let (_program, address) = Program::serve(&configuration, &[]);
    assert_eq!(asks(address, b"", ""), "");
    assert_eq!(asks(address, b"PROXY TCP4 203.0.113.1 10.0.0.1 4660 80\r\n", ""), "");
    let unix = [SIGNATURE, &[0x21, 0x31, 0, 216], &[0; 216]].concat();
    assert_eq!(asks(address, &unix, ""), "");
    let started = Instant::now();
    assert_eq!(exchange(address, &local()[..14]), "", "half a header");
    assert!(started.elapsed() < Duration::from_secs(30), "it ends in time: {:?}", started.elapsed());
    assert_eq!(asks(address, &local(), ""), "200");
}

#[test]
fn only_trusted_proxies_may_connect() {
    let configuration = Configuration::new(&(settings("\"10.0.0.0/8\"") + &Upstream::quoting("100").source("a", "")));
    let (_program, address) = Program::serve(&configuration, &[]);
    assert_eq!(asks(address, &local(), ""), "");
    assert_eq!(asks(address, &from([203, 0, 113, 1]), ""), "");
}

#[test]
fn the_commands_send_the_header_that_the_configuration_asks_for() {
    let sources = Upstream::quoting("100").source("a", "");
    let access = "[access]\ntrusted_proxies = [\"127.0.0.1\"]\n";
    let listening = |address: &str| {
        let server = format!("[server]\nlisten = \"{address}\"\nproxy_protocol = true\n");
        Configuration::new(&format!("{server}{access}{sources}"))
    };
    let (_program, port) = Program::serve(&listening("127.0.0.1:0"), &[]);
    let configuration = listening(&port.to_string());
    let ended = run(&["health", "--live", "--config", configuration.path()]);
    assert_eq!(ended.code, Some(0), "{ended:?}");
    let ended = run(&["health", "--live", &format!("http://{port}")]);
    assert_eq!(ended.code, Some(1), "{ended:?}");
}

#[test]
fn the_operators_address_has_a_setting_of_its_own() {
    let access =
        "[access]\nadmin_listen = \"127.0.0.1:0\"\nadmin_proxy_protocol = true\ntrusted_proxies = [\"127.0.0.1\"]\n";
    let configuration = Configuration::new(&(access.to_owned() + &Upstream::quoting("100").source("a", "")));
    let program =
        Program::new(&mut start(&["serve", "--config", configuration.path(), "--listen", "127.0.0.1:0"], &[]));
    let [address, admin] = program.addresses()[..] else { panic!("two addresses") };
    assert_eq!(get(address, "/health/live").status, 200);
    assert_eq!([asks(admin, b"", ""), asks(admin, &local(), "")], ["", "200"]);
}
