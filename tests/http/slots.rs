//! Which clients keep their connections when slots run short.

use std::net::SocketAddr;
use std::time::Duration;

use quotefold::server::listen::Limits;
use quotefold::settings::access::{AccessSettings, Network};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::timeout;

use crate::misbehaving::{Server, limits, stack_limits};
use crate::support::{Reply, read_reply, read_to_end};

const SLOTS: usize = 20;

/// The number of taken slots from which slots count as short: nine tenths.
const SHORT: usize = 18;

/// A request that keeps its connection open.
const ASK: &str = "GET / HTTP/1.1\r\nHost: x\r\n\r\n";

/// Far more than a reply takes here.
const SOON: Duration = Duration::from_secs(20);

/// A server with few slots, which closes no connection merely because it is idle.
async fn small_server() -> Server {
    Server::with(patient_limits(), stack_limits()).await
}

fn patient_limits() -> Limits {
    Limits { max_connections: SLOTS, header_timeout: Duration::from_secs(3600), ..limits() }
}

/// A connection of the client with this number: all of 127.0.0.0/8 is this machine.
async fn connect(server: &Server, client: u8) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind(SocketAddr::from(([127, 0, 0, client], 0))).unwrap();
    socket.connect(server.address).await.unwrap()
}

/// A connection on which a request was answered.
async fn served(server: &Server, client: u8) -> TcpStream {
    let mut stream = connect(server, client).await;
    ask_again(&mut stream).await;
    stream
}

async fn ask_again(stream: &mut TcpStream) {
    stream.write_all(ASK.as_bytes()).await.unwrap();
    let mut read = Vec::new();
    while !read.ends_with(b"hello") {
        let mut part = [0; 1024];
        let length = timeout(SOON, stream.read(&mut part)).await.expect("no reply").unwrap();
        assert!(length > 0, "closed");
        read.extend_from_slice(&part[..length]);
    }
}

/// A connection on which a request is being answered that never ends.
async fn busy(server: &Server, client: u8) -> TcpStream {
    let mut stream = connect(server, client).await;
    stream.write_all(b"GET /endless HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
    stream
}

/// Which of these connections the server has closed, once it has closed `count` of them.
async fn closed(streams: &mut [TcpStream], count: usize) -> Vec<usize> {
    let look = async {
        loop {
            let is_closed = |stream: &TcpStream| !matches!(stream.try_read(&mut [0]), Err(ref e) if e.kind() == std::io::ErrorKind::WouldBlock);
            let closed: Vec<usize> = (0..streams.len()).filter(|at| is_closed(&streams[*at])).collect();
            if closed.len() >= count {
                return closed;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(SOON, look).await.expect("too few are closed")
}

async fn ask_as(server: &Server, client: u8) -> Reply {
    let mut stream = connect(server, client).await;
    stream.write_all(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").await.unwrap();
    timeout(SOON, read_reply(stream)).await.expect("no place")
}

#[tokio::test]
async fn a_client_that_holds_all_connections_keeps_no_other_out() {
    for said in [ASK, "", "GET / HTTP/1.1\r\nHost: x\r\nX-Half"] {
        let server = small_server().await;
        let mut held = Vec::new();
        for _ in 0..3 * SLOTS {
            let mut stream = connect(&server, 1).await;
            // its own newcomers may already have taken its slot
            let _ = stream.write_all(said.as_bytes()).await;
            held.push(stream);
        }
        for client in [2, 3, 2] {
            assert_eq!(ask_as(&server, client).await.body, "hello");
        }
    }
}

#[tokio::test]
async fn the_client_that_holds_most_loses_the_connection_that_was_idle_longest() {
    let server = small_server().await;
    let mut many = Vec::new();
    for _ in 0..SHORT - 2 {
        many.push(served(&server, 1).await);
    }
    let mut others = [served(&server, 2).await, served(&server, 2).await];
    // it was idle longest until now
    ask_again(&mut many[0]).await;
    let mut newcomers = [served(&server, 3).await, served(&server, 3).await];
    assert_eq!(closed(&mut many, 2).await, [1, 2]);
    for stream in others.iter_mut().chain(&mut newcomers).chain([&mut many[0]]) {
        ask_again(stream).await;
    }
}

#[tokio::test]
async fn while_slots_are_free_one_client_may_hold_any_number() {
    let server = small_server().await;
    let mut many = Vec::new();
    for _ in 0..SHORT {
        many.push(served(&server, 1).await);
    }
    for stream in &mut many {
        ask_again(stream).await;
    }
}

#[tokio::test]
async fn a_request_under_way_is_never_cut_off_for_a_newcomer() {
    let server = small_server().await;
    let mut held = Vec::new();
    for _ in 0..SLOTS {
        held.push(busy(&server, 1).await);
    }
    server.busy.becomes(SLOTS).await;
    let mut waiting = connect(&server, 2).await;
    waiting.write_all(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").await.unwrap();
    assert!(timeout(Duration::from_millis(300), waiting.readable()).await.is_err(), "served beyond the cap");
    assert_eq!(server.busy.now(), SLOTS);
    held.pop();
    assert_eq!(timeout(SOON, read_reply(waiting)).await.expect("no slot").body, "hello");
}

#[tokio::test]
async fn a_waiting_newcomer_gets_the_slot_of_a_connection_that_becomes_idle() {
    let server = small_server().await;
    let mut held = Vec::new();
    for number in 0..SLOTS {
        let mut stream = connect(&server, 1).await;
        let path = if number == 0 { "/slow" } else { "/endless" };
        stream.write_all(format!("GET {path} HTTP/1.1\r\nHost: x\r\n\r\n").as_bytes()).await.unwrap();
        held.push(stream);
    }
    server.busy.becomes(SLOTS).await;
    assert_eq!(ask_as(&server, 2).await.body, "hello");
    assert_eq!(server.busy.now(), SLOTS - 1);
    assert!(read_to_end(held.swap_remove(0)).await.ends_with("done"), "the request in flight was answered first");
}

#[tokio::test]
async fn no_client_loses_a_connection_to_one_that_holds_more() {
    let server = small_server().await;
    let mut few = [served(&server, 1).await, served(&server, 1).await];
    let mut held = Vec::new();
    for _ in 0..SHORT {
        held.push(busy(&server, 2).await);
    }
    server.busy.becomes(SHORT).await;
    // no slot is left, so this one waits for one
    let _greedy = connect(&server, 2).await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    for stream in &mut few {
        ask_again(stream).await;
    }
}

#[tokio::test]
async fn a_client_gets_at_most_its_cap_of_connections_a_proxy_any_number() {
    let proxies = [Network::parse("127.0.0.9").unwrap()].into();
    let capped = Limits { max_connections_per_client: Some(3), proxies, ..patient_limits() };
    let server = Server::with(capped, stack_limits()).await;
    let mut held = [served(&server, 1).await, served(&server, 1).await, served(&server, 1).await];
    for _ in 0..3 {
        let mut refused = connect(&server, 1).await;
        // it may be closed before this is written
        let _ = refused.write_all(ASK.as_bytes()).await;
        assert_eq!(timeout(SOON, read_to_end(refused)).await.expect("neither served nor closed"), "");
    }
    for stream in &mut held {
        ask_again(stream).await;
    }
    assert_eq!(ask_as(&server, 2).await.body, "hello");
    let mut behind_the_proxy = Vec::new();
    for _ in 0..5 {
        behind_the_proxy.push(served(&server, 9).await);
    }
    // a freed slot can be taken again
    drop(held);
    let again = async { while read_to_end(server_says_hello(&server).await).await.is_empty() {} };
    timeout(SOON, again).await.expect("the places were not given back");
}

async fn server_says_hello(server: &Server) -> TcpStream {
    let mut stream = connect(server, 1).await;
    let _ = stream.write_all(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").await;
    stream
}

#[tokio::test]
async fn refused_clients_keep_connections_only_while_slots_are_free() {
    let keys = vec!["a-key-that-opens-it".into()];
    let rate = vec![quotefold::units::Limit::try_from("1/h".to_owned()).unwrap()];
    let access = AccessSettings { keys, rate, ..AccessSettings::default() };
    let server = Server::guarded(patient_limits(), stack_limits(), &access).await;
    let refused = async |status: &str| {
        let mut stream = connect(&server, 1).await;
        stream.write_all(ASK.as_bytes()).await.unwrap();
        let mut part = vec![0; 4096];
        let length = timeout(SOON, stream.read(&mut part)).await.unwrap().unwrap();
        let text = String::from_utf8_lossy(&part[..length]).to_lowercase();
        assert!(text.starts_with(&format!("http/1.1 {status}")), "{text}");
        (stream, text.contains("connection: close"))
    };
    let (_unauthorized, closes) = refused("401").await;
    assert!(!closes);
    let (_too_many, closes) = refused("429").await;
    assert!(!closes);
    let mut others = Vec::new();
    for _ in 0..SHORT {
        let mut stream = connect(&server, 2).await;
        stream.write_all(b"GET /health/live HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
        others.push(stream);
    }
    let (stream, closes) = refused("429").await;
    assert!(closes);
    assert_eq!(timeout(SOON, read_to_end(stream)).await.expect("it stays open"), "");
    // health is not refused
    assert!(!read_health(&server).await.contains("connection: close"));
}

async fn read_health(server: &Server) -> String {
    let mut stream = connect(server, 3).await;
    stream.write_all(b"GET /health/live HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
    let mut part = vec![0; 4096];
    let length = timeout(SOON, stream.read(&mut part)).await.unwrap().unwrap();
    String::from_utf8_lossy(&part[..length]).to_lowercase()
}
