//! Every guard acts, in its order: of two guards that a request offends, the first one answers.

use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::Request;
use axum::response::IntoResponse;
use quotefold::server::app::{Answering, App};
use quotefold::server::drain::Drain;
use quotefold::server::listen::Limits;
use quotefold::server::pages::Pages;
use quotefold::server::stack::{StackLimits, wrap};
use quotefold::settings::access::{AccessSettings, Origin};
use quotefold::units::Limit;

use crate::misbehaving::{Server, limits, stack_limits};
use crate::support::{Reply, Service, Upstream, get, read, write};

const KEY: &str = "correct-horse-battery";
const SPENT_KEY: &str = "staple-in-the-haystack";
const PAGE: &str = "https://app.example.com";

/// Offences, as lines of a head.
const NO_HOST: &str = "";
const HOST: &str = "Host: x\r\n";
const TOO_LONG: &str = "Content-Length: 1000000\r\n";

/// How a request offends, and what the first guard that it offends says.
struct Row {
    line: &'static str,
    host: &'static str,
    key: Option<&'static str>,
    length: &'static str,
    status: u16,
    says: &'static str,
}

/// While the only place in flight is taken. From the first guard to the last; each request offends all further ones, too.
const ROWS: [Row; 8] = [
    Row { line: "DELETE /nowhere", host: NO_HOST, key: None, length: TOO_LONG, status: 400, says: "bad-host" },
    Row { line: "OPTIONS /nowhere", host: NO_HOST, key: None, length: TOO_LONG, status: 400, says: "bad-host" },
    Row { line: "OPTIONS /nowhere", host: HOST, key: None, length: TOO_LONG, status: 200, says: "" },
    Row { line: "GET /health/live", host: HOST, key: None, length: TOO_LONG, status: 200, says: "alive" },
    Row { line: "DELETE /nowhere", host: HOST, key: None, length: TOO_LONG, status: 401, says: "unauthorized" },
    Row {
        line: "DELETE /nowhere",
        host: HOST,
        key: Some(SPENT_KEY),
        length: TOO_LONG,
        status: 429,
        says: "too-many-requests",
    },
    Row { line: "DELETE /nowhere", host: HOST, key: Some(KEY), length: TOO_LONG, status: 413, says: "body-too-large" },
    Row { line: "DELETE /nowhere", host: HOST, key: Some(KEY), length: "", status: 503, says: "overloaded" },
];

impl Row {
    async fn ask(&self, server: &Server) -> Reply {
        let key = self.key.map(|key| format!("Authorization: Bearer {key}\r\n")).unwrap_or_default();
        let Row { line, host, length, .. } = self;
        let head = format!("{line} HTTP/1.1\r\n{host}Connection: close\r\nOrigin: {PAGE}\r\n{key}{length}");
        server.ask(&format!("{head}Access-Control-Request-Method: GET\r\nx-request-id: order-17\r\n\r\n")).await
    }
}

/// A server with every guard switched on and one place, which is taken.
async fn guarded() -> (Server, tokio::net::TcpStream) {
    let limits = Limits { drain_delay: Duration::from_secs(600), ..limits() };
    let stack = StackLimits { max_requests: 1, max_timeout: Duration::from_secs(600), ..stack_limits() };
    let access = AccessSettings {
        keys: [KEY, SPENT_KEY].map(Into::into).into(),
        rate: vec![Limit::try_from("9/h".to_owned()).unwrap()],
        cors: vec![Origin::parse(PAGE).unwrap()],
        ..AccessSettings::default()
    };
    let server = Server::guarded(limits, stack, &access).await;
    let key = |key| format!("{HOST}Connection: close\r\nAuthorization: Bearer {key}\r\n\r\n");
    for _ in 0..9 {
        assert_eq!(server.ask(&format!("GET / HTTP/1.1\r\n{}", key(SPENT_KEY))).await.status, 200);
    }
    let taken = server.say(&format!("GET /endless HTTP/1.1\r\n{}", key(KEY))).await;
    server.busy.becomes(1).await;
    (server, taken)
}

#[tokio::test]
async fn of_two_guards_that_a_request_offends_the_first_answers() {
    let (server, taken) = guarded().await;
    for row in ROWS {
        let reply = row.ask(&server).await;
        let (line, status) = (row.line, row.status);
        assert_eq!(reply.status, status, "{line}: {reply:?}");
        assert!(reply.body.contains(row.says), "{line}: {reply:?}");
    }
    drop(taken);
    server.busy.becomes(0).await;
    let passed = Row { status: 404, says: "no-such-path", ..ROWS[7] };
    let reply = passed.ask(&server).await;
    assert!(reply.status == 404 && reply.body.contains("no-such-path"), "{reply:?}");
}

#[tokio::test]
async fn every_guards_refusal_gets_all_that_every_reply_gets() {
    let (server, _taken) = guarded().await;
    server.drain.advance(quotefold::server::drain::Stage::Draining);
    for row in ROWS {
        let reply = row.ask(&server).await;
        let is_readable = row.says != "bad-host";
        for (name, value) in [
            ("x-request-id", Some("order-17")),
            ("connection", Some("close")),
            ("x-content-type-options", Some("nosniff")),
            ("referrer-policy", Some("no-referrer")),
            // the Host is checked first, before it is known which pages may read the reply
            ("access-control-allow-origin", is_readable.then_some(PAGE)),
            ("cross-origin-resource-policy", Some(if is_readable { "cross-origin" } else { "same-origin" })),
        ] {
            assert_eq!(reply.header(name), value, "{name} of {}: {reply:?}", row.line);
        }
        if row.status >= 400 {
            assert_eq!(reply.problem()["request_id"], "order-17", "{}: {reply:?}", row.line);
        }
    }
}

#[test]
fn health_and_what_is_refused_before_the_service_needs_no_waiting() {
    let access = AccessSettings { keys: vec![KEY.into()], ..AccessSettings::default() };
    let health = Pages::default().page("/health/live", |_| "alive".into_response());
    let stack = wrap(Router::new(), health, stack_limits(), &access, Drain::new());
    // no runtime runs here, so nothing can be spawned and no timer be set
    let is_done = |target: &str, host: &str, key: &str| {
        let request = Request::get(target).header("host", host).header("authorization", format!("Bearer {key}"));
        matches!(stack.answer(request.body(Body::empty()).unwrap(), None), Answering::Done(_))
    };
    assert!(is_done("/health/live", "x", ""), "health");
    assert!(is_done("/", "a b", KEY), "an unclear host");
    assert!(is_done("/", "x", "wrong"), "a wrong key");
    assert!(!is_done("/", "x", KEY), "only the service itself may have to wait");
}

#[test]
fn every_reply_is_counted_under_its_route_and_so_is_every_refusal() {
    let vendor = Upstream::quoting("100");
    let service = Service::with("[access]\nkeys = [\"correct-horse-battery\"]\n", &[vendor.source("alpha", "")]);
    for (line, host, route, status) in [
        ("GET /health", HOST, "/health", 0),
        ("GET /health/live", HOST, "/health/live", 200),
        ("HEAD /health/ready", HOST, "/health/ready", 0),
        ("POST /health/live", HOST, "/health/live", 405),
        ("GET /prices?symbols=AAPL", HOST, "/prices", 401),
        ("POST /prices", NO_HOST, "/prices", 400),
        ("GET /prices/AAPL", HOST, "/prices/{symbol}", 401),
        ("GET /symbols?q=a", HOST, "/symbols", 401),
        ("GET /sources", HOST, "/sources", 401),
        ("GET /metrics", HOST, "/metrics", 401),
        ("GET /prices/", HOST, "none", 401),
        ("GET /nowhere", NO_HOST, "none", 400),
    ] {
        let words = format!("{line} HTTP/1.1\r\n{host}Connection: close\r\n\r\n");
        let reply = read(write(service.address, &words));
        assert!([0, reply.status].contains(&status), "{line}: {reply:?}");
        let counted = format!("quotefold_requests_total{{route=\"{route}\",code=\"{}\"}} 1\n", reply.status);
        let page = service.service.metrics().render().unwrap();
        assert!(page.contains(&counted), "{line}: {counted} is not in {page}");
    }
    assert_eq!(get(service.address, "/nowhere").status, 401);
    let page = service.service.metrics().render().unwrap();
    assert!(page.contains("quotefold_requests_total{route=\"none\",code=\"401\"} 2\n"), "{page}");
}
