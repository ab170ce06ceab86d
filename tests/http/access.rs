//! Access: keys, rates, addresses and web pages.

use std::time::Duration;

use quotefold::server::stack::StackLimits;
use quotefold::settings::access::{AccessSettings, Network, Origin};
use quotefold::units::Limit;

use crate::misbehaving::{Server, limits, stack_limits};
use crate::support::Reply;

const KEY: &str = "correct-horse-battery";
const OTHER_KEY: &str = "staple-in-the-haystack";
const PAGE: &str = "https://app.example.com";

async fn server(access: AccessSettings) -> Server {
    Server::guarded(limits(), stack_limits(), &access).await
}

fn keys() -> AccessSettings {
    AccessSettings { keys: [KEY, OTHER_KEY].map(Into::into).into(), ..AccessSettings::default() }
}

fn rate(texts: &[&str]) -> AccessSettings {
    let rate = texts.iter().map(|text| Limit::try_from((*text).to_owned()).unwrap()).collect();
    AccessSettings { rate, ..AccessSettings::default() }
}

fn cors(origins: &[&str]) -> AccessSettings {
    AccessSettings {
        cors: origins.iter().map(|origin| Origin::parse(origin).unwrap()).collect(),
        ..AccessSettings::default()
    }
}

fn behind_proxies(proxies: &[&str], access: AccessSettings) -> AccessSettings {
    let trusted_proxies = proxies.iter().map(|network| Network::parse(network).unwrap()).collect();
    AccessSettings { trusted_proxies, ..access }
}

impl Server {
    async fn with_headers(&self, method: &str, path: &str, headers: &[(&str, &str)]) -> Reply {
        let lines: String = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
        self.ask(&format!("{method} {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{lines}\r\n")).await
    }

    async fn with_key(&self, path: &str, authorization: &str) -> Reply {
        self.with_headers("GET", path, &[("Authorization", authorization)]).await
    }

    /// Sends a request on behalf of a client behind a proxy on this machine.
    async fn for_client(&self, client: &str) -> u16 {
        self.with_headers("GET", "/", &[("X-Forwarded-For", client)]).await.status
    }
}

#[tokio::test]
async fn if_keys_are_set_every_path_but_health_requires_one() {
    let server = server(keys()).await;
    for path in ["/", "/number/7", "/nowhere", "/health/nowhere", "/panic"] {
        let reply = server.get(path).await;
        assert_eq!((reply.status, reply.header("www-authenticate")), (401, Some("Bearer")), "{path}");
        assert_eq!(reply.problem()["type"], "/problems/unauthorized", "{path}");
    }
    assert_eq!(server.get("/health/live").await.status, 200);
    for authorization in [format!("Bearer {KEY}"), format!("bearer {OTHER_KEY}")] {
        assert_eq!(server.with_key("/", &authorization).await.body, "hello");
        assert_eq!(server.with_key("/nowhere", &authorization).await.status, 404);
    }
}

#[tokio::test]
async fn no_spelling_of_a_request_bypasses_the_key() {
    let server = server(AccessSettings { cors: cors(&[PAGE]).cors, ..keys() }).await;
    for line in [
        "HEAD / HTTP/1.1",
        "BREW / HTTP/1.1",
        "GET / HTTP/1.0",
        "GET http://elsewhere.example/ HTTP/1.1",
        "GET http://elsewhere.example HTTP/1.1",
        "CONNECT elsewhere.example:443 HTTP/1.1",
        "GET * HTTP/1.1",
        "GET //number/7 HTTP/1.1",
        "GET /number/7/ HTTP/1.1",
        "GET /%6eumber/7 HTTP/1.1",
        "GET /health/../number/7 HTTP/1.1",
        "GET /health/live/ HTTP/1.1",
        "GET /?/health/live HTTP/1.1",
    ] {
        let both = format!("Authorization: Bearer {KEY}\r\nAuthorization: Bearer {OTHER_KEY}\r\n");
        for headers in ["", &both] {
            let reply = server.ask(&format!("{line}\r\nHost: x\r\nConnection: close\r\n{headers}\r\n")).await;
            assert_eq!(reply.status, 401, "{line}: {reply:?}");
            assert!(reply.header("www-authenticate").is_some(), "{line}: {reply:?}");
        }
    }
}

#[tokio::test]
async fn a_wrong_key_and_a_missing_one_get_different_words() {
    let server = server(keys()).await;
    for (authorization, challenge) in [
        (format!("Bearer {KEY}x"), "Bearer error=\"invalid_token\""),
        (format!("Bearer {}", &KEY[1..]), "Bearer error=\"invalid_token\""),
        (format!("Basic {KEY}"), "Bearer"),
        ("Bearer".to_owned(), "Bearer"),
    ] {
        let reply = server.with_key("/", &authorization).await;
        assert_eq!((reply.status, reply.header("www-authenticate")), (401, Some(challenge)), "{authorization}");
        assert!(!reply.body.contains(KEY), "{reply:?}");
    }
}

#[tokio::test]
async fn an_unauthorized_request_takes_no_slot_and_its_body_is_not_read() {
    let one_place = StackLimits { max_requests: 1, ..stack_limits() };
    let server = Server::guarded(limits(), one_place, &keys()).await;
    let _held = server.say(&format!("GET /endless HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {KEY}\r\n\r\n")).await;
    server.busy.becomes(1).await;
    let shed = server.with_key("/", &format!("Bearer {KEY}")).await;
    assert_eq!(shed.status, 503, "the only slot is taken");
    assert_eq!(server.get("/").await.status, 401, "refused before slots are counted");
    for path in ["/length", "/prices"] {
        let reply = server.with_headers("POST", path, &[("Content-Length", "1000000")]).await;
        assert_eq!(reply.status, 401, "refused before its body is read");
    }
    assert_eq!(server.get("/health/live").await.status, 200);
}

#[tokio::test]
async fn a_request_over_the_rate_is_a_429_that_says_when_to_ask_again() {
    let server = server(rate(&["3/10s", "5/min"])).await;
    for _ in 0..20 {
        assert_eq!(server.get("/health/live").await.status, 200, "health is not counted");
    }
    for path in ["/", "/nowhere", "/panic"] {
        assert_ne!(server.get(path).await.status, 429, "{path}");
    }
    let refused = server.get("/").await;
    let wait: u64 = refused.header("retry-after").unwrap().parse().unwrap();
    assert!(refused.status == 429 && (1..=10).contains(&wait), "{refused:?}");
    assert_eq!(refused.problem()["type"], "/problems/too-many-requests");
    assert_eq!(server.get("/health/live").await.status, 200);
    // this much time has passed by the server's clock
    tokio::time::pause();
    tokio::time::advance(Duration::from_secs(10)).await;
    tokio::time::resume();
    assert_eq!((server.get("/").await.status, server.get("/").await.status), (200, 200));
    // three, then two: now the other limit applies
    let refused = server.get("/").await;
    let wait: u64 = refused.header("retry-after").unwrap().parse().unwrap();
    assert!(refused.status == 429 && (30..=50).contains(&wait), "{refused:?}");
}

#[tokio::test]
async fn each_key_has_its_own_rate_and_a_wrong_one_counts_by_address() {
    let server = server(AccessSettings { keys: keys().keys, ..rate(&["2/min"]) }).await;
    for status in [401, 401, 429] {
        assert_eq!(server.with_key("/", "Bearer wrong-key-of-a-stranger").await.status, status);
    }
    assert_eq!(server.get("/").await.status, 429, "no key is no better than a wrong one");
    for key in [KEY, OTHER_KEY] {
        for status in [200, 200, 429] {
            assert_eq!(server.with_key("/", &format!("Bearer {key}")).await.status, status, "{key}");
        }
    }
}

#[tokio::test]
async fn behind_a_trusted_proxy_each_client_counts_an_ipv6_64_as_one() {
    let server = server(behind_proxies(&["127.0.0.0/8"], rate(&["1/min"]))).await;
    for (client, status) in [
        ("192.0.2.1", 200),
        ("192.0.2.2", 200),
        ("192.0.2.1", 429),
        // what the client wrote is on the left
        ("192.0.2.77, 192.0.2.1", 429),
        ("192.0.2.3, 127.0.0.9", 200),
        ("2001:db8:0:1::1", 200),
        ("2001:db8:0:1:ffff::2", 429),
        ("2001:db8:0:2::1", 200),
    ] {
        assert_eq!(server.for_client(client).await, status, "{client}");
    }
    let forwarded = [("Forwarded", "for=\"[2001:db8:0:3::1]:4711\"")];
    assert_eq!(server.with_headers("GET", "/", &forwarded).await.status, 200);
    assert_eq!(server.with_headers("GET", "/", &forwarded).await.status, 429);
}

#[tokio::test]
async fn an_untrusted_peer_is_counted_by_its_own_address() {
    let server = server(behind_proxies(&["10.0.0.0/8", "::1"], rate(&["1/min"]))).await;
    assert_eq!(server.for_client("192.0.2.1").await, 200);
    assert_eq!(server.for_client("192.0.2.2").await, 429);
}

#[tokio::test]
async fn a_pages_preflight_needs_no_key_and_is_not_counted() {
    let access = AccessSettings { keys: keys().keys, cors: cors(&[PAGE]).cors, ..rate(&["1/min"]) };
    let server = server(access).await;
    let preflight = [
        ("Origin", PAGE),
        ("Access-Control-Request-Method", "GET"),
        ("Access-Control-Request-Headers", "authorization"),
    ];
    for _ in 0..5 {
        let reply = server.with_headers("OPTIONS", "/", &preflight).await;
        assert_eq!((reply.status, reply.header("access-control-allow-origin")), (200, Some(PAGE)), "{reply:?}");
        for (header, words) in [
            ("access-control-allow-methods", "GET,HEAD,POST"),
            ("access-control-allow-headers", "authorization,x-request-id"),
        ] {
            assert_eq!(reply.header(header), Some(words), "{header}");
        }
    }
    let key = format!("Bearer {KEY}");
    let reply = server.with_headers("GET", "/", &[("Origin", PAGE), ("Authorization", &key)]).await;
    assert_eq!((reply.status, reply.header("access-control-allow-origin")), (200, Some(PAGE)));
    assert_eq!(reply.header("access-control-expose-headers"), Some("prices-status,retry-after,x-request-id"));
    // a page may also read why it got no prices
    for (headers, status) in
        [(&[("Origin", PAGE), ("Authorization", key.as_str())][..], 429), (&[("Origin", PAGE)], 401)]
    {
        let reply = server.with_headers("GET", "/", headers).await;
        assert_eq!((reply.status, reply.header("access-control-allow-origin")), (status, Some(PAGE)), "{reply:?}");
    }
}

#[tokio::test]
async fn other_pages_cannot_read_replies_unless_all_pages_may() {
    for (allowed, expected) in [(&[PAGE][..], None), (&[], None), (&["*"], Some("*"))] {
        let server = server(cors(allowed)).await;
        let reply = server.with_headers("GET", "/", &[("Origin", "https://elsewhere.example")]).await;
        assert_eq!((reply.status, reply.header("access-control-allow-origin")), (200, expected), "{allowed:?}");
    }
}

#[tokio::test]
async fn every_reply_tells_browsers_not_to_render_or_embed_it() {
    let server = server(AccessSettings { cors: cors(&[PAGE]).cors, ..keys() }).await;
    let key = format!("Bearer {KEY}");
    for (method, path, status) in [
        ("GET", "/", 200),
        ("HEAD", "/", 200),
        ("GET", "/nowhere", 404),
        ("POST", "/", 405),
        ("GET", "/panic", 500),
        ("GET", "/health/live", 200),
        ("OPTIONS", "/", 200),
    ] {
        let reply = server.with_headers(method, path, &[("Authorization", &key)]).await;
        assert_protected(&reply, status, "same-origin");
    }
    assert_protected(&server.get("/").await, 401, "same-origin");
    let read_by_page = server.with_headers("GET", "/", &[("Authorization", &key), ("Origin", PAGE)]).await;
    assert_protected(&read_by_page, 200, "cross-origin");
}

fn assert_protected(reply: &Reply, status: u16, embedding: &str) {
    assert_eq!(reply.status, status, "{reply:?}");
    for (name, value) in [
        ("x-content-type-options", "nosniff"),
        ("content-security-policy", "default-src 'none'; frame-ancestors 'none'"),
        ("referrer-policy", "no-referrer"),
        ("cross-origin-resource-policy", embedding),
    ] {
        assert_eq!(reply.header(name), Some(value), "{reply:?}");
    }
}
