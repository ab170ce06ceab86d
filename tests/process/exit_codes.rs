//! What scripts rely on: exit codes, results on stdout, everything else on stderr.

use serde_json::Value;

use crate::support::{Configuration, Ended, NOBODY, Program, Upstream, get, post, run, start, until};

/// A vendor with two symbols and no others.
fn vendor() -> Upstream {
    Upstream::new(|call| {
        let has = |symbol: &&String| ["BTC-USD", "ETH-USD"].contains(&symbol.as_str());
        let quotes: Vec<_> =
            call.asked().iter().filter(has).map(|symbol| format!(r#"{{"s":"{symbol}","p":"100"}}"#)).collect();
        call.json(&format!("[{}]", quotes.join(",")))
    })
}

/// Sources of these vendors, and a free address to listen on.
fn configuration(vendors: &[&Upstream], more: &str) -> Configuration {
    let names = ["a", "b", "c"];
    let sources = vendors.iter().zip(names).map(|(vendor, name)| vendor.source(name, ""));
    Configuration::new(&format!("[server]\nlisten = \"{NOBODY}\"\n{more}\n{}", sources.collect::<String>()))
}

fn assert_code(arguments: &[&str], code: i32) -> Ended {
    let ended = run(arguments);
    assert_eq!(ended.code, Some(code), "{arguments:?}: {ended:?}");
    assert!(!ended.stderr.contains("panicked"), "{arguments:?}: {ended:?}");
    ended
}

#[test]
fn success_ends_with_0_and_wrong_usage_with_64() {
    let done: [&[&str]; 5] = [&["--help"], &["--version"], &["get", "--help"], &["config", "--default"], &["sources"]];
    for arguments in done {
        let ended = assert_code(arguments, 0);
        assert!(!ended.stdout.is_empty() && ended.stderr.is_empty(), "{arguments:?}: {ended:?}");
    }
    let wrong: [&[&str]; 9] = [
        &[],
        &["sell"],
        &["get"],
        &["serve", "now"],
        &["get", "BTC-USD", "--jsn"],
        &["get", "BTC-USD", "--url", "http://x", "--config", "y"],
        &["config", "--default", "--config", "y"],
        &["check", "no-such-source"],
        &["get", "AAPL,,MSFT", "--config", "/dev/null"],
    ];
    for arguments in wrong {
        let ended = assert_code(arguments, 64);
        assert!(ended.stdout.is_empty() && !ended.stderr.is_empty(), "{arguments:?}: {ended:?}");
    }
}

#[test]
fn an_answer_from_the_sources_ends_with_the_code_of_its_completeness() {
    let (vendor, other, down) = (vendor(), vendor(), Upstream::saying(500, "{}"));
    let both = configuration(&[&vendor, &other], "");
    let degraded = configuration(&[&vendor, &down], "[fold]\nbelow_quorum = \"degrade\"");
    let refused = configuration(&[&vendor, &down], "");
    let table: [(&[&str], &Configuration, i32, &str); 5] = [
        (&["BTC-USD", "ETH-USD"], &both, 0, "complete"),
        (&["BTC-USD"], &degraded, 1, "degraded"),
        (&["BTC-USD", "NOSUCH-USD"], &both, 1, "partial"),
        (&["BTC-USD"], &refused, 3, "none"),
        (&["^GSPC"], &both, 3, "none"),
    ];
    for (symbols, configuration, code, status) in table {
        let arguments = [&["get", "--json", "--config", configuration.path()], symbols].concat();
        let ended = assert_code(&arguments, code);
        let answer: Value = serde_json::from_str(&ended.stdout).expect("nothing but JSON on stdout");
        assert_eq!(answer["status"], status, "{symbols:?}");
        assert!(ended.stderr.contains("asked directly: no quotefold is running at http://127.0.0.1:"), "{ended:?}");
    }
}

#[test]
fn an_answer_from_a_server_ends_with_the_same_codes() {
    let (_program, address) = Program::demo();
    let url = format!("http://{address}");
    // the venues have prices at once, but the demo must be ready before it is asked
    until("a whole answer", || {
        get(address, "/prices?symbols=AAPL,BTC-USD").header("prices-status") == Some("complete")
    });
    let table: [(&[&str], i32, &str); 5] = [
        (&["AAPL", "BTC-USD"], 0, "complete"),
        (&["AAPL", "ZZZZ"], 1, "partial"),
        (&["AAPL", "one two"], 1, "partial"),
        (&["ZZZZ"], 3, "none"),
        (&["one two"], 3, "none"),
    ];
    for (symbols, code, status) in table {
        let ended = assert_code(&[&["get", "--json", "--url", &url], symbols].concat(), code);
        let answer: Value = serde_json::from_str(&ended.stdout).expect("nothing but JSON on stdout");
        assert_eq!((&answer["status"], &answer["simulated"]), (&Value::from(status), &Value::from(true)));
        assert!(ended.stderr.contains(&format!("answered by {url}")), "{ended:?}");
    }
    let table = assert_code(&["get", "AAPL", "ZZZZ", "--url", &url], 1);
    assert!(table.stdout.starts_with("SYMBOL") && table.stdout.contains("ZZZZ"), "{table:?}");
    let too_long = "A".repeat(33);
    let unknown = assert_code(&["get", &too_long, "--url", &url], 3);
    assert!(
        unknown.stdout.contains("unknown / not_a_symbol") && unknown.stdout.contains("33 characters"),
        "{unknown:?}"
    );
    let refused = assert_code(&["get", "AAPL,,MSFT", "--url", &url], 64);
    assert!(refused.stdout.is_empty() && refused.stderr.contains("a symbol is empty"), "{refused:?}");
    // two camps of venues: there is no price, and a sentence says why
    for venue in ["gamma", "delta"] {
        assert_eq!(post(address, &format!("/demo/{venue}/lie")).status, 200);
    }
    until("two camps", || {
        get(address, "/prices?symbols=AAPL&refresh_after=0s").header("prices-status") == Some("none")
    });
    let ended = assert_code(&["get", "AAPL", "--url", &url], 3);
    assert!(ended.stdout.contains("sources_disagree"), "{ended:?}");
}

#[test]
fn a_server_that_runs_at_the_configured_address_is_asked_before_the_sources() {
    let vendor = vendor();
    let sources = format!("{}{}", vendor.source("a", ""), vendor.source("b", ""));
    let (_program, address) = Program::serve(&Configuration::new(&sources), &[]);
    let configuration = Configuration::new(&format!("[server]\nlisten = \"{address}\"\n{sources}"));
    let ended = assert_code(&["get", "BTC-USD", "--config", configuration.path()], 0);
    assert!(ended.stderr.contains(&format!("answered by the server at http://{address}")), "{ended:?}");
    let calls = vendor.calls();
    assert_code(&["get", "BTC-USD", "--config", configuration.path()], 0);
    assert_eq!(vendor.calls(), calls, "the server's board answers, not the vendor");
    assert_code(&["health", "--config", configuration.path()], 0);
}

#[test]
fn no_server_ends_with_69_and_no_health_with_1() {
    let (stranger, silent) = (Upstream::saying(200, "{}"), Upstream::silent());
    let stranger = format!("http://{}", stranger.address);
    let nobody = format!("http://{NOBODY}");
    for url in [&nobody, &stranger] {
        let ended = assert_code(&["get", "BTC-USD", "--url", url], 69);
        assert!(ended.stdout.is_empty() && ended.stderr.contains(url), "{ended:?}");
    }
    let configured = Configuration::new(&format!("[server]\nlisten = \"{NOBODY}\"\n"));
    for arguments in [&["health", &nobody][..], &["health", "--config", configured.path()]] {
        let ended = assert_code(arguments, 1);
        assert!(ended.stdout.is_empty() && ended.stderr.contains("does not answer"), "{ended:?}");
    }
    // a health check that hangs must report it before its runner kills it
    assert_code(&["health", &format!("http://{}", silent.address)], 1);
}

#[test]
fn a_silent_program_at_the_configured_address_does_not_hang_get() {
    let (vendor, silent) = (vendor(), Upstream::silent());
    let configuration = Configuration::new(&format!(
        "[server]\nlisten = \"{}\"\ntimeout = \"1s\"\n{}{}",
        silent.address,
        vendor.source("a", "timeout = \"1s\""),
        vendor.source("b", "timeout = \"1s\"")
    ));
    let ended = assert_code(&["get", "BTC-USD", "--config", configuration.path()], 0);
    assert!(ended.stderr.contains("asked directly"), "{ended:?}");
}

#[test]
fn health_ends_with_0_when_ready_and_1_when_draining() {
    let vendor = vendor();
    let text = format!("[server]\ndrain_delay = \"20s\"\n{}", vendor.source("a", ""));
    let (program, address) = Program::serve(&Configuration::new(&text), &[]);
    let url = format!("http://{address}");
    let ready = assert_code(&["health", &url], 0);
    assert!(ready.stdout.contains("\"pass\"") && ready.stderr.is_empty(), "{ready:?}");
    program.signal("TERM");
    until("not ready", || get(address, "/health/ready").status == 503);
    let draining = assert_code(&["health", &url], 1);
    assert!(draining.stdout.is_empty() && draining.stderr.contains("the service is shutting down"), "{draining:?}");
}

#[test]
fn a_reader_that_leaves_is_not_an_error() {
    let vendor = vendor();
    let configuration = configuration(&[&vendor, &vendor], "");
    let get = ["get", "BTC-USD", "--json", "--config", configuration.path()];
    let check = ["check", "--config", configuration.path()];
    let commands: [&[&str]; 6] =
        [&["--help"], &["config", "--default"], &["sources"], &["sources", "--json"], &get, &check];
    for arguments in commands {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let ended = Program::new(start(arguments, &[]).stdout(writer)).ended();
        assert_eq!(ended.code, Some(0), "{arguments:?}: {ended:?}");
        assert!(
            !ended.stderr.contains("panicked") && !ended.stderr.contains("Broken pipe"),
            "{arguments:?}: {ended:?}"
        );
    }
}
