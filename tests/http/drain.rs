//! How the server shuts down: in stages, and in time, whatever its clients do.

use std::process::Command;
use std::time::{Duration, Instant};

use quotefold::server::drain::{Drain, Stage};
use quotefold::server::listen::{Ended, Limits};
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::misbehaving::{Server, limits, stack_limits};
use crate::support::{read_reply, read_to_end};

const SLOW: &str = "GET /slow HTTP/1.1\r\nHost: x\r\n\r\n";
const ENDLESS: &str = "GET /endless HTTP/1.1\r\nHost: x\r\n\r\n";

async fn server(drain_delay: Duration, drain_timeout: Duration) -> Server {
    Server::with(Limits { drain_delay, drain_timeout, ..limits() }, stack_limits()).await
}

#[tokio::test]
async fn while_draining_requests_are_served_and_clients_told_to_reconnect() {
    let server = server(Duration::from_secs(60), Duration::from_secs(10)).await;
    let before = server.say("GET / HTTP/1.1\r\nHost: x\r\n\r\n").await;
    server.drain.advance(Stage::Draining);
    for path in ["/", "/health/live", "/nowhere"] {
        // Without `Connection: close` in the request, only the server can close the connection.
        let reply = server.ask(&format!("GET {path} HTTP/1.1\r\nHost: x\r\n\r\n")).await;
        assert_eq!(reply.header("connection"), Some("close"), "{reply:?}");
    }
    server.drain.advance(Stage::Closing);
    assert!(read_to_end(before).await.ends_with("hello"));
    assert_eq!(server.ended().await, Ended { cancelled: 0 });
}

#[tokio::test]
async fn requests_in_flight_are_finished_and_no_new_ones_admitted() {
    let server = server(Duration::from_millis(50), Duration::from_secs(10)).await;
    let client = server.say(SLOW).await;
    server.busy.becomes(1).await;
    server.drain.advance(Stage::Draining);
    server.drain.reached(Stage::Closing).await;
    // The listener closes right after the stage is announced.
    let refused = async {
        while TcpStream::connect(server.address).await.is_ok() {
            tokio::task::yield_now().await;
        }
    };
    timeout(Duration::from_secs(5), refused).await.expect("the listener stays open");
    assert_eq!(server.busy.now(), 1, "the request in flight was not waited for");
    let reply = read_reply(client).await;
    assert_eq!((reply.status, reply.body.as_str()), (200, "done"));
    assert_eq!(server.ended().await, Ended { cancelled: 0 });
}

#[tokio::test]
async fn silent_and_idle_connections_do_not_delay_the_end() {
    let server = server(Duration::ZERO, Duration::from_secs(60)).await;
    let _silent = server.connect().await;
    let mut idle = server.say("GET / HTTP/1.1\r\nHost: x\r\n\r\n").await;
    assert!(idle.read(&mut [0; 1024]).await.unwrap() > 0);
    let started = Instant::now();
    server.drain.advance(Stage::Draining);
    assert_eq!(server.ended().await, Ended { cancelled: 0 });
    assert!(started.elapsed() < Duration::from_secs(5), "{:?}", started.elapsed());
}

#[tokio::test]
async fn a_client_that_has_sent_an_empty_line_holds_up_the_end_no_longer_than_a_head_may_take() {
    let server = server(Duration::ZERO, Duration::from_secs(600)).await;
    let _empty = server.say("\r\n").await;
    let started = Instant::now();
    server.drain.advance(Stage::Draining);
    assert_eq!(server.ended().await, Ended { cancelled: 0 });
    assert!(started.elapsed() < Duration::from_secs(60), "{:?}", started.elapsed());
}

#[tokio::test]
async fn no_client_delays_the_end_longer_than_allowed() {
    let server = server(Duration::ZERO, Duration::from_millis(300)).await;
    let _half = server.say("GET / HTTP/1.1\r\nHost: x\r\nX-Half").await;
    let _silent = server.connect().await;
    let _body_missing = server.say("POST /length HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nhalf").await;
    let _endless = server.say(ENDLESS).await;
    let mut not_reading = server.say("GET /huge HTTP/1.1\r\nHost: x\r\n\r\n").await;
    assert_eq!(not_reading.read(&mut [0; 1]).await.unwrap(), 1);
    server.busy.becomes(1).await;
    let busy = server.busy.clone();
    let started = Instant::now();
    server.drain.advance(Stage::Draining);
    let ended = server.ended().await;
    assert!(started.elapsed() < Duration::from_secs(3), "{:?}", started.elapsed());
    assert_eq!(ended, Ended { cancelled: 4 }, "all but the silent one");
    assert_eq!(busy.now(), 0);
}

#[tokio::test]
async fn a_second_request_to_end_takes_effect_at_once() {
    let server = server(Duration::from_secs(60), Duration::from_secs(60)).await;
    let client = server.say(ENDLESS).await;
    server.busy.becomes(1).await;
    server.drain.advance(Stage::Draining);
    server.drain.advance(Stage::Cancelling);
    let started = Instant::now();
    assert_eq!(server.ended().await, Ended { cancelled: 1 });
    assert!(started.elapsed() < Duration::from_secs(3), "{:?}", started.elapsed());
    assert_eq!(read_to_end(client).await, "");
}

#[tokio::test]
async fn the_first_signal_drains_and_the_second_cancels() {
    // Both signals go to this process, which from here on handles them instead of dying.
    let terminated = Drain::new();
    let following = tokio::spawn(terminated.follow_signals(|| false).unwrap());
    signal_ourselves("-TERM");
    timeout(Duration::from_secs(5), terminated.reached(Stage::Draining)).await.unwrap();
    assert_eq!(terminated.stage(), Stage::Draining);

    let interrupted = Drain::new();
    tokio::spawn(interrupted.follow_signals(|| false).unwrap());
    signal_ourselves("-INT");
    timeout(Duration::from_secs(5), interrupted.reached(Stage::Closing)).await.unwrap();
    assert_eq!(interrupted.stage(), Stage::Closing);
    timeout(Duration::from_secs(5), terminated.reached(Stage::Cancelling)).await.unwrap();
    following.abort();
}

fn signal_ourselves(signal: &str) {
    let status = Command::new("kill").args([signal, &std::process::id().to_string()]).status().unwrap();
    assert!(status.success());
}
