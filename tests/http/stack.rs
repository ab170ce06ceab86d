//! What the layers do for every request. All refusals have the same format.

use std::time::{Duration, Instant};

use quotefold::server::stack::StackLimits;
use quotefold::settings::RequestLog;

use crate::misbehaving::{Server, limits, stack_limits};
use crate::support::{Reply, read_to_end};

async fn ask(server: &Server, method: &str, path: &str, more: &str) -> Reply {
    server.ask(&format!("{method} {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{more}\r\n")).await
}

#[tokio::test]
async fn an_unknown_path_is_a_404_problem() {
    let server = Server::start().await;
    for path in ["/nowhere", "/health/nowhere", "/number/1/2", "//", "/%00"] {
        let reply = server.get(path).await;
        assert_eq!((reply.status, &reply.problem()["type"]), (404, &"/problems/no-such-path".into()), "{path}");
    }
}

#[tokio::test]
async fn a_wrong_method_is_a_405_problem_that_names_the_right_ones() {
    let server = Server::start().await;
    for (method, path, allow) in [
        ("POST", "/", "GET,HEAD"),
        ("OPTIONS", "/", "GET,HEAD"),
        ("DELETE", "/health/live", "GET,HEAD"),
        ("GET", "/length", "POST"),
    ] {
        let reply = ask(&server, method, path, "").await;
        assert_eq!((reply.status, reply.header("allow")), (405, Some(allow)), "{method} {path}");
        assert_eq!(reply.problem()["type"], "/problems/wrong-method");
    }
}

#[tokio::test]
async fn head_is_get_without_the_body() {
    let server = Server::start().await;
    for path in ["/", "/health/live", "/nowhere", "/number/%ff", "/panic"] {
        let (get, head) = (
            ask(&server, "GET", path, "x-request-id: 1\r\n").await,
            ask(&server, "HEAD", path, "x-request-id: 1\r\n").await,
        );
        assert_eq!((head.status, head.body.as_str()), (get.status, ""), "{path}");
        assert_eq!(head.header("content-length"), get.header("content-length"), "{path}");
        assert_eq!(head.header("content-type"), get.header("content-type"), "{path}");
    }
    let head = ask(&server, "HEAD", "/length", "").await;
    assert_eq!((head.status, head.header("allow"), head.body.as_str()), (405, Some("POST"), ""));
}

#[tokio::test]
async fn a_refusal_by_axum_itself_is_a_problem_too() {
    let server = Server::start().await;
    for path in ["/number/%ff", "/number/seven"] {
        let reply = server.get(path).await;
        assert_eq!((reply.status, &reply.problem()["type"]), (400, &"/problems/bad-query".into()), "{path}");
        assert_ne!(reply.problem()["detail"], "");
    }
}

#[tokio::test]
async fn a_body_that_is_too_long_is_a_413_announced_or_not() {
    let server = Server::start().await;
    assert_eq!(
        ask(&server, "POST", "/length", &format!("Content-Length: 1024\r\n\r\n{}", "x".repeat(1022))).await.body,
        "1024"
    );
    let announced = ask(&server, "POST", "/length", "Content-Length: 1025\r\n").await;
    let chunk = format!("{:x}\r\n{}\r\n0\r\n\r\n", 1025, "x".repeat(1025));
    let chunked = ask(&server, "POST", "/length", &format!("Transfer-Encoding: chunked\r\n\r\n{chunk}")).await;
    for reply in [announced, chunked] {
        assert_eq!((reply.status, &reply.problem()["type"]), (413, &"/problems/body-too-large".into()));
    }
}

#[tokio::test]
async fn a_panic_is_a_500_problem_and_the_server_lives_on() {
    let server = Server::start().await;
    let reply = ask(&server, "GET", "/panic", "x-request-id: order-17\r\n").await;
    assert_eq!((reply.status, &reply.problem()["request_id"]), (500, &"order-17".into()));
    assert!(!reply.body.contains("this handler panics on purpose"), "our bugs are not shown to clients");
    assert_eq!(server.get("/").await.body, "hello");
}

#[tokio::test]
async fn every_reply_names_its_request() {
    let server = Server::start().await;
    for path in ["/", "/health/live", "/nowhere", "/panic"] {
        assert_eq!(
            ask(&server, "GET", path, "x-request-id: order-17\r\n").await.header("x-request-id"),
            Some("order-17")
        );
        assert_eq!(server.get(path).await.header("x-request-id").map(str::len), Some(16), "{path}");
    }
    let reply = ask(&server, "GET", "/id", "x-request-id: order-17\r\n").await;
    assert_eq!(reply.body, "order-17", "handlers see it");
    let reply = ask(&server, "GET", "/id", "x-request-id: two words\r\n").await;
    assert_eq!(Some(reply.body.as_str()), reply.header("x-request-id"));
}

#[tokio::test]
async fn excess_is_refused_at_once_while_health_still_answers() {
    let server = Server::with(limits(), StackLimits { max_requests: 2, ..stack_limits() }).await;
    let mut held = Vec::new();
    for _ in 0..2 {
        held.push(server.say("GET /endless HTTP/1.1\r\nHost: x\r\n\r\n").await);
    }
    server.busy.becomes(2).await;
    // if not, this would wait for ever
    for _ in 0..20 {
        let reply = server.get("/").await;
        assert_eq!((reply.status, reply.header("retry-after")), (503, Some("1")));
        assert_eq!(reply.problem()["type"], "/problems/overloaded");
    }
    assert_eq!(server.get("/health/live").await.body, "alive");
    // A client that leaves frees its slot.
    held.pop();
    server.busy.becomes(1).await;
    assert_eq!(server.get("/").await.status, 200);
}

#[tokio::test]
async fn a_handler_that_never_ends_hits_the_backstop() {
    let server =
        Server::with(limits(), StackLimits { max_timeout: Duration::from_millis(100), ..stack_limits() }).await;
    let started = Instant::now();
    let reply = server.get("/endless").await;
    assert_eq!((reply.status, reply.header("retry-after")), (503, Some("1")));
    assert_eq!(reply.problem()["type"], "/problems/no-answer");
    assert!(
        (Duration::from_millis(600)..Duration::from_secs(6)).contains(&started.elapsed()),
        "{:?}",
        started.elapsed()
    );
    assert_eq!(server.busy.now(), 0);
}

#[tokio::test]
async fn a_quiet_log_changes_nothing_for_clients() {
    for requests in [RequestLog::None, RequestLog::Errors] {
        let server = Server::with(limits(), StackLimits { requests, ..stack_limits() }).await;
        assert_eq!(server.get("/").await.status, 200);
        assert_eq!(server.get("/nowhere").await.status, 404);
    }
}

#[tokio::test]
async fn an_unclear_host_is_a_400_and_closes_the_connection() {
    let server = Server::start().await;
    let refused = [
        ("GET / HTTP/1.1\r\n\r\n", "missing"),
        ("GET http://x/ HTTP/1.1\r\n\r\n", "missing"),
        ("GET / HTTP/1.1\r\nHost: x\r\nHost: x\r\n\r\n", "more than one"),
        ("GET / HTTP/1.1\r\nHost: x\r\nX-Other: y\r\nhOST: y\r\n\r\n", "more than one"),
        ("GET / HTTP/1.0\r\nHost: x\r\nHost: y\r\nConnection: keep-alive\r\n\r\n", "more than one"),
        ("GET / HTTP/1.1\r\nHost: x, y\r\n\r\n", "is not a host"),
        ("GET / HTTP/1.1\r\nHost: http://x/\r\n\r\n", "is not a host"),
        ("GET /health/live HTTP/1.1\r\n\r\n", "missing"),
        ("GET /nowhere HTTP/1.1\r\n\r\n", "missing"),
    ];
    for (words, fault) in refused {
        // the rest of the connection is no longer trusted
        let text = read_to_end(server.say(&format!("{words}{words}")).await).await;
        assert_eq!(text.matches("/problems/bad-host").count(), 1, "{words:?}: {text}");
        let reply = server.ask(words).await;
        assert_eq!(reply.status, 400, "{words:?}");
        // in HTTP/1.0, hyper adds more
        assert!(reply.header("connection").is_some_and(|said| said.starts_with("close")), "{words:?}: {reply:?}");
        let problem = reply.problem();
        assert_eq!(problem["type"], "/problems/bad-host");
        assert!(problem["detail"].as_str().unwrap().contains(fault), "{words:?}: {problem}");
    }
    for words in [
        "GET / HTTP/1.0\r\n\r\n",
        "GET / HTTP/1.0\r\nHost: x\r\n\r\n",
        "GET / HTTP/1.1\r\nHost:\r\nConnection: close\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: any.name.at-all:8080\r\nConnection: close\r\n\r\n",
        "GET http://x/ HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
    ] {
        assert_eq!(server.ask(words).await.body, "hello", "{words:?}");
    }
}
