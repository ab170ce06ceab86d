//! The list of what a vendor trades, over the wire: asked for once, read in a process of its own, and of no harm if it fails.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use serde_json::Value;

use crate::support::{After, Call, Configuration, Program, Upstream, get, rows, until};

const LIST: &str = r#"[{"id":"BTC-USD","state":"open"},{"id":"SOL-USD","state":"suspended"}]"#;

/// A vendor that quotes everything, and replies to the call for its list as it is told.
fn vendor(list: impl Fn(&mut Call<'_>) -> After + Send + Sync + 'static) -> Upstream {
    Upstream::new(move |call: &mut Call<'_>| {
        if call.target().starts_with("/symbols") {
            return list(call);
        }
        let asked = call.asked();
        let quotes: Vec<_> = asked.iter().map(|symbol| (symbol.as_str(), "100")).collect();
        call.json(&rows(&quotes))
    })
}

/// The program over that vendor.
fn serve(vendor: &Upstream, more: &str) -> (Program, SocketAddr) {
    let list = format!(
        "headers = {{ x-desk = \"${{DESK}}\" }}\ninstruments = {{ url = \"http://{}/symbols?all=1\", \
         filter = '.[] | {{symbol: .id, status: .state}}', halted = [\"suspended\"]{more} }}",
        vendor.address
    );
    let text = format!("[fold]\nrequired = 1\n{}", vendor.source("desk", &list));
    Program::serve(&Configuration::new(&text), &[("DESK", "planted-secret")])
}

fn source(address: SocketAddr) -> Value {
    get(address, "/sources").json()["sources"][0].clone()
}

fn lists(vendor: &Upstream) -> Vec<String> {
    vendor.heads().into_iter().filter(|head| head.starts_with("GET /symbols")).collect()
}

#[test]
fn a_list_is_asked_for_once_with_the_sources_headers_and_then_decides() {
    let vendor = vendor(|call| call.json(LIST));
    let (_program, address) = serve(&vendor, "");
    assert_eq!(get(address, "/prices?symbols=BTC-USD").status("BTC-USD"), "ok");
    until("the list", || !source(address)["instruments"].is_null());
    assert_eq!(source(address)["instruments"]["names"], 2);
    let calls = vendor.calls();
    let reply = get(address, "/prices?symbols=ETH-USD,SOL-USD");
    assert_eq!(reply.verdict("ETH-USD", "desk"), "failed / unknown_symbol", "{reply:?}");
    assert_eq!(reply.verdict("SOL-USD", "desk"), "excluded / halted", "{reply:?}");
    assert_eq!(vendor.calls(), calls + 1, "one call, for what is listed");
    let anew = get(address, "/prices?symbols=ETH-USD&refresh_after=0s");
    assert_eq!(anew.verdict("ETH-USD", "desk"), "used", "{anew:?}");
    let asked = lists(&vendor);
    assert_eq!(asked.len(), 1, "{asked:?}");
    assert!(asked[0].contains("planted-secret"), "{asked:?}");
}

#[test]
fn a_list_that_fails_in_any_way_leaves_prices_alone() {
    let html = "Content-Type: text/html\r\n";
    type Script = Box<dyn Fn(&mut Call<'_>) -> After + Send + Sync>;
    let ways: Vec<(&str, &str, Script)> = vec![
        ("outage", "", Box::new(|call| call.reply(500, "", "broken"))),
        ("no page", "", Box::new(|call| call.reply(404, "", "not found"))),
        ("key refused", "", Box::new(|call| call.reply(401, "", r#"{"error":"key"}"#))),
        ("firewall", "", Box::new(move |call| call.reply(403, html, "<html>blocked</html>"))),
        ("page", "", Box::new(move |call| call.reply(200, html, "<html>hello</html>"))),
        ("not JSON", "", Box::new(|call| call.json("[{"))),
        ("other shape", "", Box::new(|call| call.json(r#"{"symbols":[]}"#))),
        ("empty", "", Box::new(|call| call.json("[]"))),
        ("too long", ", max_body = \"1KiB\"", Box::new(|call| call.json(&format!("[{}1]", "1,".repeat(1000))))),
        ("silent", ", timeout = \"200ms\"", Box::new(|call: &mut Call<'_>| call.hang())),
    ];
    for (way, more, script) in ways {
        let vendor = vendor(script);
        let (program, address) = serve(&vendor, more);
        let price = || get(address, "/prices?symbols=BTC-USD&refresh_after=0s").status("BTC-USD");
        assert_eq!(price(), "ok", "{way}");
        until("the call for the list", || lists(&vendor).len() == 1);
        until("its end", || program.said_on_stderr().contains("what the vendor trades"));
        assert_eq!(price(), "ok", "{way}");
        let source = source(address);
        let state = (&source["cooldown"], &source["failing"], &source["breaker"]["state"], &source["instruments"]);
        assert_eq!(state, (&Value::Null, &Value::Null, &"closed".into(), &Value::Null), "{way}");
        assert!(!program.said_on_stderr().contains("planted-secret"), "{way}");
    }
}

#[test]
fn lists_come_one_after_the_other() {
    let (now, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let highest = Arc::clone(&most);
    let vendor = vendor(move |call| {
        most.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
        thread::sleep(Duration::from_millis(300));
        now.fetch_sub(1, Ordering::SeqCst);
        call.json(LIST)
    });
    let section = |name: &str| {
        let url = format!("http://{}/symbols", vendor.address);
        vendor.source(name, &format!("instruments = {{ url = \"{url}\", filter = '.[] | {{symbol: .id}}' }}"))
    };
    let text = ["a", "b", "c"].map(section).concat();
    let (_program, address) = Program::serve(&Configuration::new(&text), &[]);
    assert_eq!(get(address, "/prices?symbols=BTC-USD").status("BTC-USD"), "ok");
    until("three lists", || {
        let sources = get(address, "/sources").json()["sources"].as_array().unwrap().clone();
        sources.iter().all(|source| !source["instruments"].is_null())
    });
    assert_eq!(highest.load(Ordering::SeqCst), 1);
}

#[test]
fn the_list_of_a_source_of_the_catalogue_moves_with_its_base_url() {
    let vendor = Upstream::new(|call: &mut Call<'_>| {
        let row = r#"{"a":["3","1","1"],"b":["2.9","1","1"],"c":["2.95","1"],"v":["1","2"]}"#;
        match call.target() {
            "/k/0/public/AssetPairs" => call.json(
                r#"{"error":[],"result":{"XXBTZUSD":{"altname":"XBTUSD","status":"online"},"XDGEUR":{"altname":"XDGEUR","status":"cancel_only"}}}"#,
            ),
            target => {
                let asked = target.split("pair=").nth(1).unwrap_or_default().to_owned();
                let rows: Vec<String> = asked.split(',').map(|name| format!("\"{name}\":{row}")).collect();
                call.json(&format!(r#"{{"error":[],"result":{{{}}}}}"#, rows.join(",")))
            }
        }
    });
    let text = format!("[fold]\nrequired = 1\n[sources.kraken]\nbase_url = \"http://{}/k\"\n", vendor.address);
    let (_program, address) = Program::serve(&Configuration::new(&text), &[]);
    assert_eq!(get(address, "/prices?symbols=BTC-USD").status("BTC-USD"), "ok");
    until("the list", || !source(address)["instruments"].is_null());
    assert_eq!(source(address)["instruments"]["names"], 2);
    let reply = get(address, "/prices?symbols=DOGE-EUR,ETH-EUR&timeout=5s");
    assert_eq!(reply.verdict("DOGE-EUR", "kraken"), "excluded / halted", "{reply:?}");
    assert_eq!(reply.verdict("ETH-EUR", "kraken"), "failed / unknown_symbol", "{reply:?}");
}
