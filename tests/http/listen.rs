//! What clients can and cannot do with connections.

use std::fs::File;
use std::io::{Read, Seek};
use std::process::Command;
use std::time::{Duration, Instant};

use quotefold::server::listen::Limits;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::timeout;

use crate::misbehaving::{LARGE, Server, limits, stack_limits};
use crate::support::{read_reply, read_to_end};

const HALF_A_HEAD: &str = "GET / HTTP/1.1\r\nHost: x\r\nX-Half";

async fn impatient_server() -> Server {
    Server::with(Limits { header_timeout: Duration::from_millis(200), ..limits() }, stack_limits()).await
}

async fn server_that_lets_idle_clients_go() -> Server {
    Server::with(Limits { idle_timeout: Duration::from_millis(200), ..limits() }, stack_limits()).await
}

#[tokio::test]
async fn a_connection_that_stays_silent_is_closed() {
    let server = server_that_lets_idle_clients_go().await;
    let started = Instant::now();
    assert_eq!(read_to_end(server.connect().await).await, "");
    assert!(started.elapsed() < Duration::from_secs(2), "{:?}", started.elapsed());
}

#[tokio::test]
async fn half_a_head_is_closed_though_bytes_keep_coming() {
    let server = impatient_server().await;
    let mut client = server.say(HALF_A_HEAD).await;
    let drip = async {
        while client.write_all(b"x").await.is_ok() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(Duration::from_secs(2), drip).await.expect("a dripping head lives on");
}

#[tokio::test]
async fn an_idle_connection_is_closed_after_its_last_reply() {
    let server = server_that_lets_idle_clients_go().await;
    let reply = server.ask("GET / HTTP/1.1\r\nHost: x\r\n\r\n").await;
    assert_eq!((reply.status, reply.body.as_str()), (200, "hello"));
}

#[tokio::test]
async fn an_idle_connection_outlives_the_time_for_a_head() {
    let header_timeout = Duration::from_millis(20);
    let server = Server::with(Limits { header_timeout, ..limits() }, stack_limits()).await;
    let mut client = server.connect().await;
    let form = "POST /length HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\na=b";
    let chunked = "POST /length HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\na=b\r\n0\r\n\r\n";
    for words in ["GET / HTTP/1.1\r\nHost: x\r\n\r\n", form, chunked, "GET / HTTP/1.1\r\nHost: x\r\n\r\n"] {
        tokio::time::sleep(5 * header_timeout).await;
        client.write_all(words.as_bytes()).await.unwrap();
        let mut part = [0; 1024];
        let length = client.read(&mut part).await.unwrap();
        assert!(part[..length].starts_with(b"HTTP/1.1 200"), "{words}");
    }
}

#[tokio::test]
async fn half_a_head_behind_a_whole_request_is_closed_like_a_first_one() {
    let server = impatient_server().await;
    let form = "POST /length HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\na=b";
    let chunked = "POST /length HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\na=b\r\n0\r\n\r\n";
    for first in ["GET /slow HTTP/1.1\r\nHost: x\r\n\r\n", form, chunked] {
        let client = server.say(&format!("{first}{HALF_A_HEAD}")).await;
        // without a limit for the head, the default for idle connections would be longer than this
        let read = timeout(Duration::from_secs(20), read_to_end(client)).await.expect("it lives on");
        assert_eq!(read.matches("HTTP/1.1 200").count(), 1, "{read}");
    }
}

#[tokio::test]
async fn a_reply_may_take_longer_than_a_head() {
    let server = impatient_server().await;
    assert_eq!(server.get("/slow").await.body, "done");
}

#[tokio::test]
async fn one_connection_serves_many_requests() {
    let server = Server::start().await;
    let mut client = server.connect().await;
    for _ in 0..3 {
        client.write_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
        let mut part = [0; 1024];
        let length = client.read(&mut part).await.unwrap();
        assert!(part[..length].starts_with(b"HTTP/1.1 200"));
    }
}

#[tokio::test]
async fn five_hundred_half_sent_requests_disturb_no_other_client() {
    let server = impatient_server().await;
    let mut slow = Vec::new();
    for _ in 0..500 {
        slow.push(server.say(HALF_A_HEAD).await);
    }
    let started = Instant::now();
    assert_eq!(server.get("/").await.body, "hello");
    assert!(started.elapsed() < Duration::from_secs(10), "{:?}", started.elapsed());
    for client in slow {
        assert_eq!(read_to_end(client).await, "");
    }
}

#[tokio::test]
async fn more_connections_than_allowed_wait_for_one_to_end() {
    let server = Server::with(Limits { max_connections: 2, ..limits() }, stack_limits()).await;
    let endless = "GET /endless HTTP/1.1\r\nHost: x\r\n\r\n";
    let (first, _second) = (server.say(endless).await, server.say(endless).await);
    server.busy.becomes(2).await;
    let mut third = server.say("GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").await;
    let mut byte = [0; 1];
    let early = timeout(Duration::from_millis(300), third.read(&mut byte)).await;
    assert!(early.is_err(), "served beyond the cap");
    drop(first);
    assert!(read_to_end(third).await.ends_with("hello"));
}

#[tokio::test]
async fn a_client_that_leaves_takes_its_request_with_it() {
    let server = Server::start().await;
    let client = server.say("GET /endless HTTP/1.1\r\nHost: x\r\n\r\n").await;
    server.busy.becomes(1).await;
    drop(client);
    server.busy.becomes(0).await;
}

#[tokio::test]
async fn a_client_that_does_not_read_its_reply_is_dropped() {
    let impatient = Limits { max_connections: 1, write_timeout: Duration::from_millis(200), ..limits() };
    let server = Server::with(impatient, stack_limits()).await;
    let _not_reading = server.say("GET /huge HTTP/1.1\r\nHost: x\r\n\r\n").await;
    assert_eq!(server.get("/").await.body, "hello", "the only slot must become free");
}

#[tokio::test]
async fn a_client_that_reads_slowly_but_steadily_gets_everything() {
    let write_timeout = Duration::from_secs(2);
    let server = Server::with(Limits { write_timeout, ..limits() }, stack_limits()).await;
    let mut client = server.say("GET /large HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").await;
    let (started, mut read, mut part) = (Instant::now(), 0, vec![0; 64 << 10]);
    loop {
        tokio::time::sleep(Duration::from_millis(75)).await;
        match client.read(&mut part).await.unwrap() {
            0 => break,
            length => read += length,
        }
    }
    assert!(read > LARGE, "{read} bytes");
    assert!(started.elapsed() > 2 * write_timeout, "no slow client: {:?}", started.elapsed());
}

#[tokio::test]
async fn a_slow_reader_is_not_mistaken_for_one_that_has_stopped() {
    let server = Server::with(Limits { write_timeout: Duration::from_secs(1), ..limits() }, stack_limits()).await;
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(8 << 10).unwrap();
    let mut client = socket.connect(server.address).await.unwrap();
    client.write_all(b"GET /large HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
    // so slowly that the server's kernel does not report the connection ready for some two seconds
    for _ in 0..200 {
        tokio::time::sleep(Duration::from_millis(20)).await;
        assert!(client.read(&mut [0; 800]).await.expect("it was given up") > 0);
    }
}

#[tokio::test]
async fn the_kernel_keeps_little_for_a_stopped_reader_and_drops_it() {
    let impatient = Limits { write_timeout: Duration::from_millis(200), ..limits() };
    let server = Server::with(impatient, stack_limits()).await;
    let mut client = server.say("GET /large HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").await;
    tokio::time::sleep(Duration::from_millis(600)).await;
    let mut rest = Vec::new();
    let ended = client.read_to_end(&mut rest).await;
    assert_eq!(ended.map_err(|error| error.kind()), Err(std::io::ErrorKind::ConnectionReset));
    assert!(rest.len() < 1 << 20, "{} bytes had been on their way", rest.len());
}

#[tokio::test]
async fn a_client_that_sends_many_requests_at_once_waits_its_turn() {
    // server and clients share one thread here, so requests that are answered in a row are answered before any client moves
    let server = Server::start().await;
    let greedy = server.say(&"GET /blocking HTTP/1.1\r\nHost: x\r\n\r\n".repeat(16)).await;
    assert_eq!(server.get("/").await.body, "hello");
    let mut answered = vec![0; 16 << 10];
    let length = greedy.try_read(&mut answered).unwrap_or(0);
    let count = String::from_utf8_lossy(&answered[..length]).matches("HTTP/1.1 200").count();
    assert!(count < 8, "{count} of 16 came first");
}

#[tokio::test]
async fn running_out_of_file_descriptors_neither_stops_nor_spins_the_server() {
    // The limit applies to a whole process, so this test runs itself again in a process with few descriptors.
    if std::env::var_os("FEW_FILE_DESCRIPTORS").is_none() {
        let name = "listen::running_out_of_file_descriptors_neither_stops_nor_spins_the_server";
        let script = "ulimit -n 64 && exec \"$0\" --exact \"$1\" --nocapture";
        let itself = std::env::current_exe().unwrap();
        let mut child = Command::new("sh");
        child.args(["-c", script]).arg(itself).arg(name).env("FEW_FILE_DESCRIPTORS", "yes");
        let output = child.output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        return;
    }
    let server = Server::start().await;
    // Open it now, because later no file descriptor is left for it.
    let mut statistics = File::open("/proc/self/stat").ok();
    let mut clients = Vec::new();
    while let Ok(client) = TcpStream::connect(server.address).await {
        clients.push(client);
    }
    let before = processor_ticks(&mut statistics);
    tokio::time::sleep(Duration::from_secs(1)).await;
    let ticks = processor_ticks(&mut statistics) - before;
    assert!(ticks < 50, "{ticks} ticks in a second: a spin takes a hundred");
    drop(clients);
    assert_eq!(server.get("/").await.body, "hello");
}

/// The processor time this process has used so far, in hundredths of a second; zero where there is no `/proc` to ask.
fn processor_ticks(statistics: &mut Option<File>) -> u64 {
    let Some(file) = statistics else { return 0 };
    let mut text = String::new();
    file.rewind().and_then(|()| file.read_to_string(&mut text)).unwrap();
    text.split(' ').skip(13).take(2).map(|ticks| ticks.parse::<u64>().unwrap()).sum()
}

#[tokio::test]
async fn sixty_four_headers_are_enough_and_sixty_five_too_many() {
    let server = Server::start().await;
    for (count, status) in [(64, 200), (65, 431)] {
        let more: String = (2..count).map(|number| format!("X-{number}: y\r\n")).collect();
        let reply = server.ask(&format!("GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{more}\r\n")).await;
        assert_eq!(reply.status, status, "{count} headers");
    }
}

#[tokio::test]
async fn a_url_of_sixty_kilobytes_is_refused_and_the_client_gets_to_read_it() {
    let server = Server::start().await;
    let reply = server.get(&format!("/{}", "x".repeat(60_000))).await;
    assert!([414, 431].contains(&reply.status), "{reply:?}");
}

#[tokio::test]
async fn anything_but_http_1_ends_the_connection() {
    let server = Server::start().await;
    let tls = server.ask("\x16\x03\x01\x02\r\n\r\n").await;
    assert_eq!(tls.status, 400);
    let http2 = server.say("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await;
    assert_eq!(read_to_end(http2).await, "");
}

#[tokio::test]
async fn a_body_of_a_megabyte_is_a_413_and_the_client_gets_to_read_it() {
    let server = Server::start().await;
    let mut client = server.say("GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\n").await;
    // A client that reads only after it has written everything must not be reset in between.
    for _ in 0..10 {
        client.write_all(&[b'x'; 100_000]).await.unwrap();
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert_eq!(read_reply(client).await.problem()["type"], "/problems/body-too-large");
}
