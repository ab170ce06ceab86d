//! Log lines about requests.

use std::io;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use quotefold::server::drain::Stage;
use quotefold::server::stack::StackLimits;
use quotefold::settings::RequestLog;
use quotefold::settings::access::{AccessSettings, Network};
use tracing::subscriber::DefaultGuard;
use tracing_subscriber::fmt::MakeWriter;

use crate::misbehaving::{Server, limits, stack_limits};

/// What has been logged on this thread since it was created. Tests run server and clients on one thread.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    fn start() -> (Log, DefaultGuard) {
        let log = Log::default();
        let subscriber = tracing_subscriber::fmt().with_ansi(false).with_writer(log.clone()).finish();
        (log, tracing::subscriber::set_default(subscriber))
    }

    /// The lines about requests.
    fn lines(&self) -> Vec<String> {
        let text = String::from_utf8(self.0.lock().unwrap().clone()).unwrap();
        text.lines().filter(|line| line.contains("request{")).map(str::to_string).collect()
    }

    async fn line(&self) -> String {
        while self.lines().is_empty() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        self.lines().remove(0)
    }
}

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl MakeWriter<'_> for Log {
    type Writer = Log;

    fn make_writer(&self) -> Log {
        self.clone()
    }
}

fn assert_contains(line: &str, parts: &[&str]) {
    for part in parts {
        assert!(line.contains(part), "{part} is not in {line}");
    }
}

#[tokio::test]
async fn only_the_wanted_requests_get_a_line() {
    for (requests, wanted) in [(RequestLog::None, 0), (RequestLog::Errors, 1), (RequestLog::All, 3)] {
        let server = Server::with(limits(), StackLimits { requests, ..stack_limits() }).await;
        let (log, _guard) = Log::start();
        server.get("/").await;
        server.get("/nowhere?at=all").await;
        server.get("/panic").await;
        let mut lines = log.lines();
        lines.retain(|line| line.contains("answered"));
        assert_eq!(lines.len(), wanted, "{lines:?}");
        if let [_, unknown, _] = &lines[..] {
            assert_contains(unknown, &["INFO", "GET", "/nowhere?at=all", "status=404", "elapsed_ms="]);
        }
    }
}

#[tokio::test]
async fn a_line_names_the_client_behind_a_trusted_proxy_and_else_the_peer() {
    for (trusted, client) in [("127.0.0.1", "client=\"192.0.2.7\""), ("10.0.0.1", "client=\"127.0.0.1\"")] {
        let trusted_proxies = vec![Network::parse(trusted).unwrap()];
        let access = AccessSettings { trusted_proxies, ..AccessSettings::default() };
        let server = Server::guarded(limits(), stack_limits(), &access).await;
        let (log, _guard) = Log::start();
        server.ask("GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\nX-Forwarded-For: 192.0.2.7\r\n\r\n").await;
        assert_contains(&log.line().await, &[client, "status=200"]);
    }
}

#[tokio::test]
async fn neither_a_hostile_url_nor_a_hostile_method_fills_the_disk() {
    let server = Server::start().await;
    let long = "X".repeat(10_000);
    for line in [format!("GET /{long}"), format!("{long} /")] {
        let (log, _guard) = Log::start();
        server.ask(&format!("{line} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")).await;
        let logged = log.line().await;
        assert!(logged.len() < 1000, "{logged}");
    }
}

#[tokio::test]
async fn a_client_that_leaves_before_its_reply_is_in_the_log_under_its_id() {
    let server = Server::start().await;
    let (log, _guard) = Log::start();
    let client = server.say("GET /endless HTTP/1.1\r\nHost: x\r\nx-request-id: order-17\r\n\r\n").await;
    server.busy.becomes(1).await;
    drop(client);
    assert_contains(&log.line().await, &["/endless", "order-17", "the client left"]);
}

#[tokio::test]
async fn a_request_that_the_end_cancels_is_not_blamed_on_its_client() {
    let server = Server::start().await;
    let (log, _guard) = Log::start();
    let _client = server.say("GET /endless HTTP/1.1\r\nHost: x\r\n\r\n").await;
    server.busy.becomes(1).await;
    server.drain.advance(Stage::Cancelling);
    assert_contains(&log.line().await, &["WARN", "/endless", "cancelled"]);
}

#[tokio::test]
async fn a_panic_is_in_the_log_with_its_words() {
    let server = Server::start().await;
    let (log, _guard) = Log::start();
    server.get("/panic").await;
    let lines = log.lines();
    assert_contains(&lines[0], &["ERROR", "this handler panics on purpose"]);
    assert_contains(&lines[1], &["WARN", "status=500"]);
}
