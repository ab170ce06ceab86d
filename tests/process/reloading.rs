//! The configuration is read again while the service runs: by a signal, by a request, and when its files change.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use crate::support::{
    Configuration, Program, Reply, Upstream, get, hearing_hangups, post, read, rows, send, start, until, write,
};

const ADMIN: &str = "[access]\nadmin_listen = \"127.0.0.1:0\"\n";

/// However busy the machine is, nothing is fetched again because it has become old.
const LASTING: &str = "[freshness]\nrefresh_after = \"10m\"\nusable_for = \"14m\"\n";

/// A program with an admin address, which comes second.
fn serve(configuration: &Configuration) -> (Program, SocketAddr, SocketAddr) {
    let serve = start(&["serve", "--config", configuration.path(), "--listen", "127.0.0.1:0"], &[]);
    let program = Program::new(&mut hearing_hangups(&serve));
    let [address, admin] = program.addresses()[..] else { panic!("two addresses") };
    (program, address, admin)
}

fn rewrite(configuration: &Configuration, text: &str) {
    std::fs::write(configuration.path(), text).unwrap();
}

/// Has the operator's address read the configuration again, and returns the reply.
fn reload(admin: SocketAddr) -> Reply {
    post(admin, "/admin/reload")
}

fn reloaded(admin: SocketAddr) -> serde_json::Value {
    let reply = reload(admin);
    assert_eq!(reply.status, 200, "{reply:?}");
    reply.json()
}

/// The check of the health report that tells about the configuration.
fn configuration_check(address: SocketAddr) -> (String, String) {
    let report = get(address, "/health").json();
    let check = &report["checks"]["configuration"][0];
    let text = |key: &str| check[key].as_str().unwrap_or_default().to_owned();
    (text("status"), text("output"))
}

#[test]
fn a_signal_and_a_request_both_put_a_changed_configuration_in_force() {
    let (one, two) = (Upstream::quoting("100"), Upstream::quoting("100"));
    let first = format!("{LASTING}{ADMIN}{}", one.source("a", ""));
    let configuration = Configuration::new(&first);
    let (program, address, admin) = serve(&configuration);
    assert_eq!(
        get(address, "/prices?symbols=BTC-USD").entry("BTC-USD")["status"],
        "degraded",
        "one source is no quorum"
    );

    rewrite(&configuration, &format!("{first}{}", two.source("b", "")));
    program.signal("HUP");
    until("both are asked", || get(address, "/prices?symbols=BTC-USD").status("BTC-USD") == "ok");
    assert_eq!((one.calls(), two.calls()), (1, 1), "what is known of a source that did not change is still known");

    rewrite(&configuration, &first);
    let changed = reloaded(admin);
    assert_eq!(changed["ended_sources"], serde_json::json!(["b"]), "{changed}");
    let entry = get(address, "/prices?symbols=BTC-USD").entry("BTC-USD");
    assert_eq!(entry["quotes"].as_array().unwrap().len(), 1, "{entry}");
    assert_eq!(configuration_check(address), ("pass".to_owned(), String::new()));
    program.signal("TERM");
    assert_eq!(program.ended().code, Some(0));
}

#[test]
fn a_wrong_configuration_changes_nothing_and_says_why_wherever_one_looks() {
    let vendor = Upstream::quoting("100");
    let right = format!("{ADMIN}{}{}", vendor.source("a", ""), vendor.source("b", ""));
    let configuration = Configuration::new(&right);
    let (program, address, admin) = serve(&configuration);
    assert!(get(admin, "/metrics").body.contains("quotefold_config_last_reload_successful 1\n"));

    rewrite(&configuration, &format!("[server]\ntimeuot = \"1s\"\n{right}"));
    let refused = reload(admin);
    assert_eq!(refused.status, 422, "{refused:?}");
    let problem = refused.problem();
    assert_eq!(problem["type"], "/problems/bad-configuration");
    let says = |text: &str| text.contains("timeuot") && text.contains(configuration.path());
    assert!(says(problem["detail"].as_str().unwrap()), "{problem}");
    let (status, output) = configuration_check(address);
    assert!(status == "warn" && output.contains("the log says more") && !says(&output), "{output}");
    until("it is logged", || says(&program.said_on_stderr()));
    assert!(get(admin, "/metrics").body.contains("quotefold_config_last_reload_successful 0\n"));
    assert_eq!(get(address, "/health/ready").status, 200, "a service with a wrong file is still ready");
    assert_eq!(get(address, "/prices?symbols=BTC-USD").status("BTC-USD"), "ok");

    rewrite(&configuration, &right);
    assert_eq!(reloaded(admin)["new_sources"], serde_json::json!([]));
    assert_eq!(configuration_check(address).0, "pass");
}

#[test]
fn a_file_that_is_gone_or_empty_is_no_configuration_without_keys() {
    let vendor = Upstream::quoting("100");
    let key = "correct-horse-battery";
    let right = format!("{ADMIN}keys = [\"{key}\"]\n{}", vendor.source("a", ""));
    let configuration = Configuration::new(&right);
    let (_program, address, admin) = serve(&configuration);
    rewrite(&configuration, "\n");
    let refused = reload(admin);
    assert!(refused.status == 422 && refused.body.contains("it is empty now"), "{refused:?}");
    std::fs::remove_file(configuration.path()).unwrap();
    let refused = reload(admin);
    assert!(refused.status == 422 && refused.body.contains("cannot be read"), "{refused:?}");
    assert_eq!(get(address, "/prices?symbols=BTC-USD").status, 401, "the key is still required");
    rewrite(&configuration, &right);
    reloaded(admin);
}

#[test]
fn a_configuration_from_a_pipe_is_read_once() {
    let vendor = Upstream::quoting("100");
    let text = format!("{ADMIN}{}", vendor.source("a", ""));
    let command = format!(
        "exec {} serve --config <(printf '%s' \"$TEXT\") --listen 127.0.0.1:0",
        env!("CARGO_BIN_EXE_quotefold")
    );
    let mut bash = std::process::Command::new("bash");
    bash.args(["-c", &command]).env("TEXT", text).stdin(std::process::Stdio::null());
    bash.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped());
    let program = Program::new(&mut bash);
    let [_, admin] = program.addresses()[..] else { panic!("two addresses") };
    let refused = reload(admin);
    assert!(refused.status == 422 && refused.body.contains("no regular file"), "{refused:?}");
}

#[test]
fn a_call_that_waits_to_be_sent_is_not_sent_once_its_source_is_gone() {
    let vendor = Upstream::quoting("100");
    let first = format!(
        "[server]\ntimeout = \"9s\"\n{ADMIN}{}",
        vendor.source("a", "limits = [\"1/s\"]\nbatch = 1\ntimeout = \"8s\"")
    );
    let configuration = Configuration::new(&first);
    let (_program, address, admin) = serve(&configuration);
    let waiting: Vec<_> = (0..5).map(|number| send(address, &format!("/prices?symbols=C{number}-USD"))).collect();
    vendor.until_called(1);
    rewrite(&configuration, &format!("{ADMIN}{}", Upstream::quoting("1").source("other", "")));
    reloaded(admin);
    let called = vendor.calls();
    let told: Vec<String> = waiting.into_iter().map(|waiting| read(waiting).body).collect();
    assert!(told.iter().any(|body| body.contains("\"reconfigured\"")), "{told:?}");
    // longer than any of them would have waited for the limit
    thread::sleep(Duration::from_secs(5));
    assert!(vendor.calls() <= called + 1, "at most the one that was on its way: {:?}", vendor.heads());
    assert!(vendor.heads().iter().all(|head| !head.contains("ids= ")), "{:?}", vendor.heads());
}

#[test]
fn a_new_key_is_tried_at_once_though_the_old_one_was_refused() {
    let vendor = Upstream::new(|call| {
        if call.head.contains("the-second") { call.json(&rows(&[("BTC-USD", "100")])) } else { call.reply(401, "", "") }
    });
    let with_key = |key: &str| {
        format!("{ADMIN}{}", vendor.source("a", &format!("headers = {{ x-key = \"{{key}}\" }}\nkey = \"{key}\"")))
    };
    let configuration = Configuration::new(&with_key("the-first-of-two-keys"));
    let (_program, address, admin) = serve(&configuration);
    assert_eq!(get(address, "/prices?symbols=BTC-USD").verdict("BTC-USD", "a"), "failed / unauthorized");
    rewrite(&configuration, &with_key("the-second-of-two-keys"));
    reloaded(admin);
    let reply = get(address, "/prices?symbols=BTC-USD&refresh_after=0s");
    assert_eq!(reply.verdict("BTC-USD", "a"), "used", "{reply:?}");
}

#[test]
fn an_example_that_does_not_hold_is_found_when_the_configuration_is_read_again() {
    let vendor = Upstream::quoting("100");
    let right = format!("{ADMIN}{}", vendor.source("a", ""));
    let configuration = Configuration::new(&right);
    let (_program, _, admin) = serve(&configuration);
    let example = |price: &str| {
        let body = rows(&[("BTC-USD", "1")]);
        format!(
            "{right}[[sources.a.examples]]\nabout = \"a quote\"\nasked = [\"BTC-USD\"]\nbody = '{body}'\n\
             expect = [{{ symbol = \"BTC-USD\", price = \"{price}\" }}]\n"
        )
    };
    rewrite(&configuration, &example("2"));
    let refused = reload(admin);
    assert_eq!(refused.status, 422, "{refused:?}");
    let detail = refused.problem()["detail"].as_str().unwrap().to_owned();
    assert!(detail.contains("sources.a.examples") && detail.contains("price is 1, expected 2"), "{detail}");
    rewrite(&configuration, &example("1"));
    reloaded(admin);
}

#[test]
fn what_takes_a_restart_is_named_and_everything_else_holds_at_once() {
    let vendor = Upstream::quoting("100");
    let sources = format!("{}{}", vendor.source("a", ""), vendor.source("b", ""));
    let configuration = Configuration::new(&format!("{ADMIN}{sources}"));
    let (program, address, admin) = serve(&configuration);
    rewrite(
        &configuration,
        &format!(
            "[server]\nmax_symbols = 1\nmax_connections = 9\n[access]\nadmin_listen = \"127.0.0.1:1\"\nrate = \"1000/h\"\n\
             [log]\nformat = \"text\"\nlevel = \"warn\"\n[state]\npath = \"/nowhere/state\"\n{sources}"
        ),
    );
    let waits = serde_json::json!(["access.admin_listen", "state", "log.format"]);
    assert_eq!(reloaded(admin)["waits_for_restart"], waits);
    let (status, output) = configuration_check(address);
    assert!(status == "warn" && output.contains("access.admin_listen, state, log.format"), "{output}");
    until("it is logged", || program.said_on_stderr().contains("waits for a restart"));
    assert_eq!(get(address, "/prices?symbols=BTC-USD,ETH-USD").status, 400, "max_symbols holds");
    let said = program.said_on_stderr();
    reloaded(admin);
    let more = program.said_on_stderr();
    assert!(!more[said.len()..].contains("\"INFO\""), "log.level holds: {more}");
}

#[test]
fn a_source_that_is_described_differently_keeps_no_quote_and_ends_the_calls_of_before() {
    let held = Arc::new(AtomicBool::new(true));
    let holds = Arc::clone(&held);
    let vendor = Upstream::new(move |call| {
        let is_new = call.target().starts_with("/new");
        while !is_new && call.asked() == ["ETH-USD"] && holds.load(Ordering::SeqCst) {
            thread::sleep(Duration::from_millis(5));
        }
        let quotes: Vec<(String, &str)> =
            call.asked().into_iter().map(|symbol| (symbol, if is_new { "200" } else { "100" })).collect();
        let quotes: Vec<(&str, &str)> = quotes.iter().map(|(symbol, price)| (symbol.as_str(), *price)).collect();
        call.json(&rows(&quotes))
    });
    let old = format!("[server]\ntimeout = \"9s\"\n{ADMIN}{}", vendor.source("a", "timeout = \"8s\""));
    let configuration = Configuration::new(&old);
    let (_program, address, admin) = serve(&configuration);
    assert_eq!(get(address, "/prices?symbols=BTC-USD").entry("BTC-USD")["price"], "100");
    let waiting = send(address, "/prices?symbols=ETH-USD");
    vendor.until_called(2);

    let new = old.replace("/quotes?", "/new?");
    assert_ne!(new, old);
    rewrite(&configuration, &new);
    let changed = reloaded(admin);
    assert_eq!(changed["ended_sources"], serde_json::json!(["a"]));
    assert_eq!(changed["new_sources"], serde_json::json!(["a"]));
    let told = read(waiting);
    assert_eq!(told.verdict("ETH-USD", "a"), "failed / reconfigured", "{told:?}");
    held.store(false, Ordering::SeqCst);
    for symbol in ["BTC-USD", "ETH-USD"] {
        let entry = get(address, &format!("/prices?symbols={symbol}")).entry(symbol);
        assert_eq!(entry["price"], "200", "{entry}");
    }
}

#[test]
fn a_key_that_is_rotated_in_its_file_costs_no_call_and_no_quote() {
    let vendor = Upstream::quoting("100");
    let key = Configuration::new("the-first-of-two-keys");
    let source = vendor.source(
        "a",
        &format!(
            "url = \"http://{}/quotes?ids={{symbols}}\"\nheaders = {{ x-key = \"{{key}}\" }}\nkey = \"${{file:{}}}\"",
            vendor.address,
            key.path()
        ),
    );
    let configuration = Configuration::new(&format!("{LASTING}{ADMIN}{source}"));
    let (program, address, admin) = serve(&configuration);
    assert_eq!(get(address, "/prices?symbols=BTC-USD").status, 200);
    rewrite(&key, "the-second-of-two-keys");
    assert_eq!(reloaded(admin)["ended_sources"], serde_json::json!([]), "another key is no other source");
    assert_eq!(get(address, "/prices?symbols=BTC-USD").status, 200);
    assert_eq!(vendor.calls(), 1, "its quote is still there");
    assert_eq!(get(address, "/prices?symbols=ETH-USD").status, 200);
    let heads = vendor.heads();
    assert!(heads[0].contains("the-first") && heads[1].contains("the-second"), "{heads:?}");
    assert!(!program.said_on_stderr().contains("-of-two-keys"), "no key is logged");
}

#[test]
fn many_reloads_under_many_clients_lose_no_request_and_exceed_no_limit() {
    let vendor = Upstream::quoting("100");
    let text = |calls: usize, timeout: &str| {
        let limited = vendor.source("a", &format!("limits = [\"{calls}/s\"]\ntimeout = \"{timeout}\""));
        format!("{ADMIN}{limited}")
    };
    let configuration = Configuration::new(&text(5, "2s"));
    let (program, address, admin) = serve(&configuration);
    let over = Arc::new(AtomicBool::new(false));
    let clients: Vec<_> = (0..8)
        .map(|client| {
            let over = Arc::clone(&over);
            thread::spawn(move || {
                let mut asked = 0;
                while !over.load(Ordering::SeqCst) {
                    let reply = get(address, &format!("/prices?symbols=C{client}X{asked}-USD&timeout=500ms"));
                    assert!([200, 503].contains(&reply.status), "{reply:?}");
                    asked += 1;
                }
                asked
            })
        })
        .collect();
    for round in 0..40 {
        // every other one has a scalar that differs, and some are wrong
        let timeout = ["2s", "1900ms"][round % 2];
        rewrite(&configuration, &if round % 10 == 9 { "wrong".to_owned() } else { text(5, timeout) });
        let reply = reload(admin);
        assert_eq!(reply.status, if round % 10 == 9 { 422 } else { 200 }, "{reply:?}");
    }
    over.store(true, Ordering::SeqCst);
    let asked: usize = clients.into_iter().map(|client| client.join().unwrap()).sum();
    assert!(asked > 0);
    let most = vendor.most_in(Duration::from_secs(1));
    assert!(most <= 5, "{most} calls within a second");
    program.signal("TERM");
    assert_eq!(program.ended().code, Some(0));
}

#[test]
fn a_limit_that_is_added_starts_with_what_was_spent_before() {
    let vendor = Upstream::quoting("100");
    let configuration = Configuration::new(&format!("{ADMIN}{}", vendor.source("a", "")));
    let (_program, address, admin) = serve(&configuration);
    for number in 0..3 {
        assert_eq!(get(address, &format!("/prices?symbols=C{number}-USD")).status, 200);
    }
    rewrite(&configuration, &format!("{ADMIN}{}", vendor.source("a", "limits = [\"4/h\"]")));
    reloaded(admin);
    for number in 3..9 {
        get(address, &format!("/prices?symbols=C{number}-USD&timeout=100ms"));
    }
    // a fifth of an hour's limit is spared for each fifth of the hour, so not even the fourth may be spent at once
    assert_eq!(vendor.calls(), 3);
    rewrite(&configuration, &format!("{ADMIN}{}", Upstream::quoting("1").source("other", "")));
    reloaded(admin);
    rewrite(&configuration, &format!("{ADMIN}{}", vendor.source("a", "limits = [\"3/min\"]")));
    reloaded(admin);
    get(address, "/prices?symbols=C9-USD&timeout=100ms");
    assert_eq!(vendor.calls(), 3, "an account that was gone for a while has spent what it had spent");
}

#[test]
fn only_the_operators_address_reloads_and_no_page_of_another_site() {
    let vendor = Upstream::quoting("100");
    let configuration = Configuration::new(&format!("{ADMIN}{}", vendor.source("a", "")));
    let (_program, address, admin) = serve(&configuration);
    assert_eq!(post(address, "/admin/reload").status, 404);
    assert_eq!(get(admin, "/admin/reload").status, 405);
    let foreign = |header: &str| {
        let head = "POST /admin/reload HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\nConnection: close";
        read(write(admin, &format!("{head}\r\n{header}\r\n\r\n"))).status
    };
    assert_eq!(foreign("Sec-Fetch-Site: cross-site"), 403);
    assert_eq!(foreign("Origin: https://example.com"), 403);
    assert_eq!(foreign("Sec-Fetch-Site: same-origin"), 200);
}

#[test]
fn files_that_change_are_read_again_by_themselves_if_the_configuration_says_so() {
    let vendor = Upstream::quoting("100");
    let text = |max: usize| format!("[server]\nwatch_config = true\nmax_symbols = {max}\n{}", vendor.source("a", ""));
    let configuration = Configuration::new(&text(5));
    let (program, address) = Program::serve(&configuration, &[]);
    assert_eq!(get(address, "/prices?symbols=BTC-USD,ETH-USD").status, 200);
    rewrite(&configuration, &text(1));
    until("the file is read again", || get(address, "/prices?symbols=BTC-USD,ETH-USD").status == 400);
    until("it is logged", || program.said_on_stderr().contains("watch_config"));
}

#[test]
fn watched_symbols_follow_the_configuration() {
    let vendor = Upstream::quoting("100");
    let text =
        |symbols: &str| format!("[watch]\nsymbols = {symbols}\nevery = \"10s\"\n{ADMIN}{}", vendor.source("a", ""));
    let configuration = Configuration::new(&text("[\"BTC-USD\"]"));
    let (_program, _, admin) = serve(&configuration);
    let asks_for = |symbol: &str| vendor.heads().iter().any(|head| head.contains(symbol));
    until("the first is fetched", || asks_for("BTC-USD"));
    rewrite(&configuration, &text("[\"ETH-USD\"]"));
    reloaded(admin);
    until("the other is fetched, too", || asks_for("ETH-USD"));
}
