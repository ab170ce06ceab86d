//! Proxies that people run: microsocks and tinyproxy, as Debian packages them. A fresh machine has neither, so these tests run only
//! when asked for: `cargo test --test network real_proxies -- --ignored`. `.ci/run` installs both and does that.

use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};

use crate::sources::{service, source, verdict};
use crate::support::{Authority, Configuration, Setup, Upstream, until};

/// A running proxy, ended with the test.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A port that is free right now.
fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// Starts a proxy of this Debian package, and waits until it listens.
fn run(program: &str, package: &str, arguments: &[&str], port: u16) -> Running {
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let child = command.spawn().unwrap_or_else(|error| {
        panic!("{program} cannot be started ({error}); install it with: apt-get install {package}")
    });
    let running = Running(child);
    until(&format!("{program} listens"), || TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_ok());
    running
}

/// An address of a vendor on this machine that is not on loopback by its looks, so that it is asked through a proxy.
fn address(vendor: &Upstream) -> SocketAddr {
    (Ipv4Addr::UNSPECIFIED, vendor.address.port()).into()
}

/// Asserts that a proxy carries calls over HTTP and HTTPS, with the right user and not with a wrong one.
fn assert_carries(proxy: &dyn Fn(&str) -> String) {
    let authority = Authority::new();
    let plain = Upstream::quoting("100");
    let setup = Setup { certified: Some(authority.certify("0.0.0.0")), ..Setup::default() };
    let secure = Upstream::quoting_over(setup, "100");
    let calls = [
        (format!("base_url = \"http://{}\"\n", address(&plain)), &plain),
        (format!("base_url = \"https://{}\"\n{}", address(&secure), authority.ca_file()), &secure),
    ];
    for (lines, vendor) in calls {
        let at = |password: &str| service(&[source("desk", &format!("{lines}proxy = \"{}\"", proxy(password)))]);
        let (status, detail) = verdict(&at("planted-wrong"), "desk");
        assert!(status == "failed / connection" && detail.contains("the proxy"), "{status} {detail}");
        assert!(!detail.contains("planted"), "{detail}");
        assert_eq!(vendor.calls(), 0);
        assert_eq!(verdict(&at("planted-pass"), "desk"), ("used".to_owned(), String::new()));
        assert_eq!(vendor.calls(), 1);
    }
}

#[test]
#[ignore = "needs microsocks"]
fn microsocks_carries_calls_over_socks() {
    let port = free_port();
    let arguments = ["-i", "127.0.0.1", "-p", &port.to_string(), "-u", "planted-user", "-P", "planted-pass"];
    let _running = run("microsocks", "microsocks", &arguments, port);
    assert_carries(&|password| format!("socks5h://planted-user:{password}@127.0.0.1:{port}"));
}

#[test]
#[ignore = "needs tinyproxy"]
fn tinyproxy_carries_calls_over_http() {
    let port = free_port();
    let file = Configuration::new(&format!(
        "Port {port}\nListen 127.0.0.1\nTimeout 60\nAllow 127.0.0.1\nBasicAuth planted-user planted-pass\nDisableViaHeader Yes\n"
    ));
    let _running = run("tinyproxy", "tinyproxy-bin", &["-d", "-c", file.path()], port);
    assert_carries(&|password| format!("http://planted-user:{password}@127.0.0.1:{port}"));
}
