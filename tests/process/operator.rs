//! The admin address, and how the commands send a key.

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::thread::sleep;
use std::time::Duration;

use crate::support::{Configuration, Program, Reply, Upstream, get, read, rows, run, send, start, until, write};

const KEY: &str = "correct-horse-battery";

fn configuration(vendor: &Upstream, settings: &str) -> Configuration {
    Configuration::new(&format!("{settings}{}{}", vendor.source("a", ""), vendor.source("b", "")))
}

/// A program with a public address and an admin address.
fn with_admin(vendor: &Upstream, more: &str) -> (Program, SocketAddr, SocketAddr) {
    let access = format!("[access]\nkeys = [\"{KEY}\"]\nrate = \"1/h\"\nadmin_listen = \"127.0.0.1:0\"\n");
    // sections come first, keys of this section last
    let settings = if more.starts_with('[') { format!("{more}{access}") } else { format!("{access}{more}") };
    let (program, address) = Program::serve(&configuration(vendor, &settings), &[]);
    let said = program.said_on_stdout();
    let admin = said.rsplit_once("http://").and_then(|(_, admin)| admin.trim().parse().ok());
    (program, address, admin.unwrap_or_else(|| panic!("no second address in {said:?}")))
}

#[test]
fn the_operators_pages_are_only_at_the_admin_address_without_a_key() {
    let vendor = Upstream::quoting("100");
    let (program, address, admin) = with_admin(&vendor, "");
    assert_ne!(address, admin);
    for path in ["/metrics", "/sources", "/health", "/health/ready", "/health/live"] {
        for _ in 0..2 {
            assert_eq!(get(admin, path).status, 200, "{path}");
        }
    }
    assert_eq!(get(address, "/health").status, 200);
    assert_eq!(get(address, "/metrics").status, 401);
    let ours = format!("Authorization: Bearer {KEY}");
    let metrics = format!("GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{ours}\r\n\r\n");
    assert_eq!(crate::support::read(crate::support::write(address, &metrics)).status, 404);
    let refused = "quotefold_requests_total{route=\"none\",code=\"401\"} 1\n";
    assert!(get(admin, "/metrics").body.contains(refused), "both addresses are counted together");
    program.signal("INT");
    assert_eq!(program.ended().stdout.lines().count(), 1, "one line says that it is ready");
}

#[test]
fn the_page_and_all_that_it_asks_for_are_at_the_admin_address_without_a_key() {
    let vendor = Upstream::quoting("100");
    let access = format!("[access]\nkeys = [\"{KEY}\"]\nadmin_listen = \"127.0.0.1:0\"\n");
    let configuration = configuration(&vendor, &access);
    let program =
        Program::new(&mut start(&["serve", "--config", configuration.path(), "--listen", "127.0.0.1:0"], &[]));
    let [address, admin] = program.addresses()[..] else { panic!("two addresses") };
    let with_key = |path: &str| {
        let head =
            format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAuthorization: Bearer {KEY}\r\n\r\n");
        read(write(address, &head)).status
    };
    for path in ["/", "/page/page.js", "/page/page.css"] {
        assert_eq!((get(admin, path).status, with_key(path)), (200, 404), "{path} is only at the admin address");
    }
    for path in ["/prices?symbols=BTC-USD", "/prices/BTC-USD", "/symbols?q=btc", "/sources"] {
        assert_eq!(get(admin, path).status, 200, "the page asks for {path}");
    }
    let page = get(admin, "/?symbols=BTC-USD");
    assert!(page.body.contains(">BTC-USD</th>") && !page.body.contains("id=\"key\""), "{page:?}");
}

#[test]
fn a_refusal_names_no_path_of_the_other_address() {
    let vendor = Upstream::quoting("100");
    let configuration = configuration(&vendor, "[access]\nadmin_listen = \"127.0.0.1:0\"\n");
    let program =
        Program::new(&mut start(&["serve", "--config", configuration.path(), "--listen", "127.0.0.1:0"], &[]));
    let [address, admin] = program.addresses()[..] else { panic!("two addresses") };
    let detail = |address: SocketAddr, path: &str| get(address, path).problem()["detail"].as_str().unwrap().to_owned();
    for path in ["/x/metrics", "/sources/", "/x/page/page.js"] {
        let (public, operators) = (detail(address, path), detail(admin, path));
        assert!(public.ends_with("prices are at /prices and /prices/{symbol}"), "{path}: {public}");
        let served = path.trim_start_matches("/x").trim_end_matches('/');
        assert!(operators.contains(served) && !operators.contains("prices are at"), "{path}: {operators}");
    }
    for path in ["/x/prices/AAPL", "/x/symbols", "/x/health/ready", "/x/docs"] {
        let served = path.trim_start_matches("/x");
        assert!(detail(address, path).contains(&format!("but at {served};")), "{path}: {}", detail(address, path));
    }
    assert!(!detail(admin, "/x/page/nothing.js").contains("but at"), "no such file is served");
}

#[test]
fn without_an_admin_address_the_operators_pages_are_beside_prices() {
    let vendor = Upstream::quoting("100");
    let (_program, address) = Program::serve(&configuration(&vendor, ""), &[]);
    for path in ["/metrics", "/sources"] {
        assert_eq!(get(address, path).status, 200, "{path}");
    }
}

#[test]
fn health_shows_reasons_only_to_clients_with_a_key() {
    let vendor = Upstream::new(|call| call.reply(429, "Retry-After: 60\r\n", "{\"error\":\"plan of ACME Ltd\"}"));
    let watch = "[watch]\nsymbols = [\"AAPL\"]\n";
    let (_program, address, admin) = with_admin(&vendor, watch);
    until("both sources are left alone", || get(admin, "/health").status == 503);
    let with_key = |path: &str, key: &str| {
        let head =
            format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAuthorization: Bearer {key}\r\n\r\n");
        read(write(address, &head))
    };
    for path in ["/health", "/health/ready"] {
        let (all, ours) = (get(admin, path), with_key(path, KEY));
        for words in ["429", "not asked until", "no usable quote of AAPL"] {
            assert!(all.body.contains(words) && ours.body.contains(words), "{words:?} is not in {all:?} and {ours:?}");
        }
        for reply in [get(address, path), with_key(path, "wrong-key-of-a-stranger")] {
            assert_eq!(reply.status, all.status);
            let (said, known) = (reply.json(), all.json());
            assert_eq!(said["status"], known["status"]);
            for (name, check) in known["checks"].as_object().unwrap() {
                let state = serde_json::json!([{ "status": check[0]["status"] }]);
                assert_eq!(said["checks"][name], state, "{name}: a state and nothing else");
            }
            assert_eq!(said.as_object().unwrap().len(), known.as_object().unwrap().len());
        }
    }
    // the command shows the reasons, too, if it has the key
    let url = format!("http://{address}");
    let health = |key: &str| Program::new(&mut start(&["health", &url], &[("QUOTEFOLD_KEY", key)])).ended();
    let said = |ended: crate::support::Ended| ended.stdout + &ended.stderr;
    assert!(said(health(KEY)).contains("not asked until"));
    for key in ["", "wrong-key-of-a-stranger", "two words of a key"] {
        let said = said(health(key));
        assert!(said.contains("\"checks\"") && !said.contains("not asked until"), "{said}");
    }
}

#[test]
fn without_keys_health_shows_its_reasons_to_everyone() {
    let vendor = Upstream::new(|call| call.reply(429, "Retry-After: 60\r\n", ""));
    let (_program, address) = Program::serve(&configuration(&vendor, ""), &[]);
    get(address, "/prices?symbols=AAPL");
    assert!(get(address, "/health").body.contains("not asked until"));
}

#[test]
fn taking_every_public_connection_leaves_the_admin_address_free() {
    let vendor = Upstream::silent();
    let settings = "[server]\nmax_connections = 10\ntimeout = \"10s\"\n[access]\nadmin_listen = \"127.0.0.1:0\"\n";
    let (program, address) = Program::serve(&configuration(&vendor, settings), &[]);
    let said = program.said_on_stdout();
    let admin = said.rsplit_once("http://").unwrap().1.trim().parse().unwrap();
    // idle connections would be closed to make room
    let _strangers: Vec<TcpStream> = (0..20).map(|_| send(address, "/prices?symbols=BTC-USD")).collect();
    vendor.until_called(2);
    let waiting = send(address, "/health");
    waiting.set_nonblocking(true).unwrap();
    assert_eq!(get(admin, "/health").status, 200);
    assert!(waiting.peek(&mut [0]).is_err(), "it should still wait for a slot");
}

/// Sends a request with this host, as a browser would.
fn ask_as(address: SocketAddr, host: &str, path: &str) -> Reply {
    read(write(address, &format!("GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n")))
}

#[test]
fn the_admin_address_refuses_names_that_a_web_page_could_own() {
    let vendor = Upstream::quoting("100");
    let (_program, address, admin) = with_admin(&vendor, "hosts = [\"metrics.example.com\", \"*.prod.example.com\"]\n");
    let port = admin.port();
    for path in ["/metrics", "/sources", "/health", "/health/ready", "/health/live"] {
        for host in
            ["evil.example.com", &format!("evil.example.com:{port}"), "127.0.0.1.evil.com", "evil.com.", "[::1].x"]
        {
            let reply = ask_as(admin, host, path);
            assert!((400..500).contains(&reply.status), "{host} {path}: {reply:?}");
            assert!(!reply.body.contains("quotefold_") && !reply.body.contains("\"sources\""), "{reply:?}");
        }
        let reply = ask_as(admin, "evil.example.com", path);
        assert_eq!((reply.status, reply.json()["type"].as_str()), (421, Some("/problems/unknown-host")));
        assert!(reply.json()["detail"].as_str().unwrap().contains("access.hosts"), "{reply:?}");
        for host in [
            &format!("127.0.0.1:{port}"),
            "[::1]:9090",
            "localhost",
            "quotefold:9090",
            "quotefold.monitoring.svc",
            "quotefold.monitoring.svc.cluster.local:9090",
            "prices.internal",
            "box.local",
            "nas.home.arpa",
            "metrics.example.com",
            "a.prod.example.com:9090",
        ] {
            assert_eq!(ask_as(admin, host, path).status, 200, "{host} {path}");
        }
    }
    // a host in the target takes precedence over the header
    let as_a_proxy = "GET http://evil.com/metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    assert_eq!(read(write(admin, as_a_proxy)).status, 421);
    // programs without the header are not browsers
    assert_eq!(read(write(admin, "GET /metrics HTTP/1.0\r\n\r\n")).status, 200);
    assert_eq!(ask_as(address, "prices.example.com", "/health").status, 200, "callers may use any name");
}

#[test]
fn counters_are_shown_however_busy_the_service_is() {
    let vendor = Upstream::silent();
    let (_program, address) =
        Program::serve(&configuration(&vendor, "[server]\nmax_requests = 1\ntimeout = \"10s\"\n"), &[]);
    let _in_flight = send(address, "/prices?symbols=BTC-USD");
    vendor.until_called(2);
    assert_eq!(get(address, "/prices?symbols=ETH-USD").status, 503);
    for _ in 0..3 {
        let reply = get(address, "/metrics");
        assert_eq!(reply.status, 200, "{reply:?}");
    }
    let page = get(address, "/metrics").body;
    for line in [
        "quotefold_requests_total{route=\"/prices\",code=\"503\"} 1\n",
        "quotefold_shed_total 1\n",
        "quotefold_in_flight 1\n",
    ] {
        assert!(page.contains(line), "{line} is not in {page}");
    }
}

#[test]
fn both_addresses_drain_and_end_together() {
    let vendor = Upstream::quoting("100");
    let (program, address, admin) = with_admin(&vendor, "[server]\ndrain_delay = \"8s\"\n");
    program.signal("TERM");
    for at in [address, admin] {
        until("not ready", || get(at, "/health/ready").status == 503);
    }
    let _idle = TcpStream::connect(admin).unwrap();
    assert_eq!(program.ended().code, Some(0));
    for at in [address, admin] {
        assert!(TcpStream::connect(at).is_err(), "{at} still listens");
    }
}

#[test]
fn an_answer_in_flight_is_finished_though_the_admin_address_is_idle() {
    let vendor = Upstream::new(|call| {
        sleep(Duration::from_millis(600));
        call.json(&rows(&[("BTC-USD", "100")]))
    });
    let settings = "[access]\nadmin_listen = \"127.0.0.1:0\"\n";
    let (program, address) = Program::serve(&configuration(&vendor, settings), &[]);
    let in_flight = send(address, "/prices?symbols=BTC-USD");
    vendor.until_called(2);
    program.signal("INT");
    assert_eq!(read(in_flight).status("BTC-USD"), "ok");
    assert_eq!(program.ended().code, Some(0));
}

#[test]
fn an_admin_address_that_cannot_be_opened_is_named_with_its_key() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let settings = format!("[access]\nadmin_listen = \"{address}\"\n");
    let configuration = configuration(&Upstream::quoting("100"), &settings);
    let ended = run(&["serve", "--config", configuration.path(), "--listen", "127.0.0.1:0"]);
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(78), ""), "{ended:?}");
    for words in ["access.admin_listen", address.as_str(), "in use"] {
        assert!(ended.stderr.contains(words), "{words:?} is not in {:?}", ended.stderr);
    }
}

#[test]
fn get_sends_the_key_of_the_configuration_or_of_the_variable() {
    let vendor = Upstream::quoting("100");
    let keys = format!("[access]\nkeys = [\"{KEY}\", \"another-key-of-theirs\"]\n");
    let (_program, address) = Program::serve(&configuration(&vendor, &keys), &[]);
    let same = configuration(&vendor, &format!("[server]\nlisten = \"{address}\"\n{keys}"));
    let without = configuration(&vendor, &format!("[server]\nlisten = \"{address}\"\n"));
    let (by_url, url) = (["get", "BTC-USD", "--url"], format!("http://{address}"));
    let get = |arguments: &[&str], variables: &[(&str, &str)]| Program::new(&mut start(arguments, variables)).ended();
    let key = [("QUOTEFOLD_KEY", "another-key-of-theirs")];

    let answered = [
        get(&["get", "BTC-USD", "--config", same.path()], &[]),
        get(&["get", "BTC-USD", "--config", without.path()], &key),
        get(&[&by_url[..], &[&url]].concat(), &key),
    ];
    for ended in answered {
        assert!(ended.code == Some(0) && ended.stderr.contains("answered by"), "{ended:?}");
    }
    let refused = [
        get(&["get", "BTC-USD", "--config", without.path()], &[]),
        get(&[&by_url[..], &[&url]].concat(), &[]),
        get(&[&by_url[..], &[&url]].concat(), &[("QUOTEFOLD_KEY", "wrong-key-of-a-stranger")]),
    ];
    for ended in refused {
        assert!(ended.code == Some(64) && ended.stderr.contains("set QUOTEFOLD_KEY to one of them"), "{ended:?}");
    }
    // health needs no key
    assert_eq!(run(&["health", &url]).code, Some(0));
}

#[test]
fn a_key_that_cannot_be_sent_is_not_mistaken_for_a_server_that_is_down() {
    for key in ["two-words of-a-key", "the-line-breaks-behind-it\n"] {
        let arguments = ["get", "BTC-USD", "--url", "http://127.0.0.1:1"];
        let ended = Program::new(&mut start(&arguments, &[("QUOTEFOLD_KEY", key)])).ended();
        assert_eq!(ended.code, Some(64), "{ended:?}");
        assert!(ended.stderr.contains("QUOTEFOLD_KEY") && !ended.stderr.contains(key.trim_end()), "{ended:?}");
    }
}

#[test]
fn a_password_in_a_servers_url_is_not_shown() {
    let nobody = crate::support::NOBODY;
    for url in [format!("http://me:hunter2@{nobody}"), format!("me:hunter2@{nobody}")] {
        for arguments in [&["get", "BTC-USD", "--url", &url][..], &["health", &url]] {
            let ended = run(arguments);
            assert_ne!(ended.code, Some(0));
            assert!(ended.stderr.contains(&nobody.to_string()) && !ended.stderr.contains("hunter2"), "{ended:?}");
        }
    }
}

#[test]
fn health_is_asked_at_the_admin_address_if_there_is_one() {
    let vendor = Upstream::quoting("100");
    let (_program, _, admin) = with_admin(&vendor, "");
    let nobody = crate::support::NOBODY;
    let settings = format!("[server]\nlisten = \"{nobody}\"\n[access]\nadmin_listen = \"{admin}\"\n");
    assert_eq!(run(&["health", "--config", configuration(&vendor, &settings).path()]).code, Some(0));
}
