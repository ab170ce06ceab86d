//! What replicas tell each other: quotes, denials, refusals of an account, and who makes a call.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Barrier};
use std::thread;
use std::time::Duration;

use crate::store::Store;
use crate::support::proxy::StandInProxy;
use crate::support::{After, Configuration, Reply, Setup, Upstream, get, rows, run, until};
use crate::{Replica, pass, sharing};

/// Limits that decide nothing, and attempts that leave time for another one.
const AMPLE: &str = "batch = 1\ntimeout = \"2s\"\nconcurrency = 20\nlimits = [\"500/s\"]\n";

/// How long after a request the vendor replies.
const SLOWLY: Duration = Duration::from_millis(300);

/// A vendor that quotes everything for 100 after a while, or does what the script says in place of that.
fn vendor(instead: impl Fn(&str) -> Option<(u16, &'static str)> + Send + Sync + 'static) -> Upstream {
    Upstream::with(Setup { certified: None, delays: &[] }, move |call| {
        thread::sleep(SLOWLY);
        let asked = call.asked();
        let quotes = || rows(&asked.iter().map(|symbol| (symbol.as_str(), "100")).collect::<Vec<_>>());
        match asked.first().and_then(|symbol| instead(symbol)) {
            Some((status, body)) => call.reply(status, "Content-Type: application/json\r\n", body),
            None => call.reply(200, "Content-Type: application/json\r\n", &quotes()),
        };
        After::Keep
    })
}

fn replicas(number: usize, store: &Store, vendor: &Upstream, more: &str) -> Vec<Replica> {
    let source = vendor.source("desk", more);
    let replicas: Vec<_> = (0..number).map(|_| Replica::of(&source, &sharing(store.port), &[])).collect();
    replicas.iter().for_each(Replica::until_shared);
    replicas
}

/// Asks all replicas at once.
fn ask_all(replicas: &[Replica], target: &str) -> Vec<Reply> {
    let barrier = Arc::new(Barrier::new(replicas.len()));
    let asks = replicas.iter().map(|replica| {
        let (address, barrier, target) = (replica.address, Arc::clone(&barrier), target.to_owned());
        thread::spawn(move || {
            barrier.wait();
            get(address, &target)
        })
    });
    asks.collect::<Vec<_>>().into_iter().map(|ask| ask.join().unwrap()).collect()
}

/// The verdict on the only source, on a replica that is asked without making a call for what it has.
fn kept(replica: &Replica, symbol: &str) -> String {
    get(replica.address, &format!("/prices?symbols={symbol}&refresh_after=1h")).verdict(symbol, "desk")
}

#[test]
#[ignore = "needs redis-server and a C compiler"]
fn a_cold_symbol_that_all_are_asked_for_at_once_costs_one_call() {
    let (store, vendor) = (Store::start(), vendor(|_| None));
    let replicas = replicas(3, &store, &vendor, AMPLE);
    for round in 1..=10 {
        let symbol = format!("S{round}-USD");
        for reply in ask_all(&replicas, &format!("/prices?symbols={symbol}")) {
            assert_eq!(reply.verdict(&symbol, "desk"), "used", "{}", reply.body);
        }
        assert_eq!(vendor.calls(), round);
    }
}

#[test]
#[ignore = "needs redis-server and a C compiler"]
fn of_several_symbols_each_is_asked_for_once_whoever_asks_for_it() {
    let (store, vendor) = (Store::start(), vendor(|_| None));
    let more = AMPLE.replace("batch = 1", "batch = 20\ncost = \"symbol\"");
    let replicas = replicas(2, &store, &vendor, &more);
    let (first, second) = (replicas[0].address, replicas[1].address);
    let one = thread::spawn(move || get(first, "/prices?symbols=A-USD,B-USD"));
    until("the first call", || vendor.calls() == 1);
    let reply = get(second, "/prices?symbols=B-USD,C-USD");
    for symbol in ["B-USD", "C-USD"] {
        assert_eq!(reply.verdict(symbol, "desk"), "used", "{}", reply.body);
    }
    assert_eq!(one.join().unwrap().verdict("A-USD", "desk"), "used");
    let asked: Vec<String> = vendor.heads().iter().map(|head| head.lines().next().unwrap().to_owned()).collect();
    assert_eq!(asked.len(), 2, "{asked:?}");
    assert!(asked[1].contains("C-USD") && !asked[1].contains("B-USD"), "{asked:?}");
    let spent = || store.run(&["ZCOUNT", "quotefold:account:desk", "0", "+inf"]);
    assert!(spent().trim().parse::<usize>().unwrap() <= 3, "each symbol costs one unit");
}

#[test]
#[ignore = "needs redis-server and a C compiler"]
fn a_quote_is_on_the_other_boards_at_once_and_on_that_of_a_replica_that_comes_later() {
    let (store, vendor) = (Store::start(), vendor(|_| None));
    let mut replicas = replicas(2, &store, &vendor, AMPLE);
    for round in 1..=5 {
        let symbol = format!("S{round}-USD");
        get(replicas[0].address, &format!("/prices?symbols={symbol}"));
        until("it is on the other board", || board_has(&replicas[1], round));
        assert_eq!(kept(&replicas[1], &symbol), "used");
    }
    assert_eq!(vendor.calls(), 5);
    replicas.push(Replica::of(&vendor.source("desk", AMPLE), &sharing(store.port), &[]));
    until("it has read what is kept", || board_has(&replicas[2], 5));
    let reply = get(replicas[2].address, "/prices?symbols=S1-USD&refresh_after=1h");
    assert_eq!(reply.verdict("S1-USD", "desk"), "used");
    // its age counts from when it arrived elsewhere
    let age = |replica: &Replica| {
        let reply = get(replica.address, "/prices?symbols=S1-USD&refresh_after=1h");
        reply.entry("S1-USD")["age_ms"].as_u64().unwrap()
    };
    let before = age(&replicas[0]);
    assert!(age(&replicas[2]) + 1_000 >= before, "it is as old as there, and was {before} ms");
    assert_eq!(vendor.calls(), 5);
}

/// For how long a replica leaves its source alone; null if it does not.
fn rest_of(replica: &Replica) -> serde_json::Value {
    get(replica.address, "/sources").json()["sources"][0]["cooldown"].clone()
}

/// Whether this many quotes are on a replica's board.
fn board_has(replica: &Replica, entries: usize) -> bool {
    let page = get(replica.address, "/metrics").body;
    page.lines().any(|line| line == format!("quotefold_board_entries {entries}"))
}

#[test]
#[ignore = "needs redis-server and a C compiler"]
fn a_replica_without_a_way_to_the_vendor_gets_the_quotes_of_the_others() {
    let (store, vendor) = (Store::start(), vendor(|_| None));
    let source = vendor.source("desk", &format!("{AMPLE}url = \"http://vendor.test/quotes?ids={{symbols}}\"\n"));
    let way = StandInProxy::http(&[("vendor.test", vendor.address)], None);
    let no_way = StandInProxy::closing("http");
    let replica = |way: &StandInProxy| {
        let replica = Replica::of(&source, &sharing(store.port), &[("HTTP_PROXY", &way.url(None))]);
        replica.until_shared();
        replica
    };
    let (cut_off, others) = (replica(&no_way), [replica(&way), replica(&way)]);
    for round in 0..5 {
        let symbol = format!("S{round}-USD");
        let replies = ask_all(std::slice::from_ref(&cut_off), &format!("/prices?symbols={symbol}"));
        assert_ne!(replies[0].verdict(&symbol, "desk"), "used", "{}", replies[0].body);
        for reply in ask_all(&others, &format!("/prices?symbols={symbol}")) {
            assert_eq!(reply.verdict(&symbol, "desk"), "used", "{}", reply.body);
        }
        until("it hears of it", || kept(&cut_off, &symbol) == "used");
    }
    assert_eq!(vendor.calls(), 5, "one of the others has made each call");
}

#[test]
#[ignore = "needs redis-server and a C compiler"]
fn when_the_replica_that_makes_a_call_fails_another_one_makes_it() {
    let failures = Arc::new(AtomicBool::new(true));
    let fails = Arc::clone(&failures);
    let (store, vendor) = (Store::start(), vendor(move |_| fails.swap(false, Ordering::SeqCst).then_some((500, "{}"))));
    let replicas = replicas(2, &store, &vendor, AMPLE);
    let mut verdicts: Vec<_> =
        ask_all(&replicas, "/prices?symbols=A-USD").iter().map(|reply| reply.verdict("A-USD", "desk")).collect();
    verdicts.sort_unstable();
    assert_eq!(verdicts, ["failed / unavailable", "used"]);
    assert_eq!(vendor.calls(), 2);
}

#[test]
#[ignore = "needs redis-server and a C compiler"]
fn a_replica_that_is_killed_in_a_call_keeps_the_others_waiting_no_longer_than_an_attempt() {
    let (store, vendor) = (Store::start(), vendor(|_| None));
    let mut replicas = replicas(2, &store, &vendor, AMPLE);
    let killed = replicas.remove(0);
    let address = killed.address;
    let ask =
        thread::spawn(move || crate::support::write(address, "GET /prices?symbols=A-USD HTTP/1.1\r\nHost: a\r\n\r\n"));
    until("its call", || vendor.calls() == 1);
    drop(killed);
    drop(ask.join().unwrap());
    let reply = get(replicas[0].address, "/prices?symbols=A-USD");
    assert_eq!(reply.verdict("A-USD", "desk"), "used", "{}", reply.body);
    assert_eq!(vendor.calls(), 2);
}

#[test]
#[ignore = "needs redis-server and a C compiler"]
fn what_a_vendor_says_of_an_account_keeps_all_from_calling_and_what_it_says_of_a_symbol_too() {
    let (store, vendor) = (
        Store::start(),
        vendor(|symbol| match symbol {
            "FAST-USD" => Some((429, "{}")),
            "GONE-USD" => Some((200, "[{\"s\":\"GONE-USD\",\"e\":\"unknown_symbol\"}]")),
            _ => None,
        }),
    );
    let jq = "jq = '.[] | if .e then {symbol: .s, error: .e} else {symbol: .s, price: .p} end'\n";
    let replicas = replicas(2, &store, &vendor, &format!("{AMPLE}{jq}"));
    let failure = |replica: &Replica, symbol: &str| {
        let reply = get(replica.address, &format!("/prices?symbols={symbol}"));
        reply.quote(symbol, "desk")["reason"].as_str().unwrap_or_default().to_owned()
    };
    assert_eq!(failure(&replicas[0], "GONE-USD"), "unknown_symbol");
    until("the other hears of it", || board_has(&replicas[1], 1));
    assert_eq!(failure(&replicas[1], "GONE-USD"), "unknown_symbol");
    assert_eq!(vendor.calls(), 1);
    assert_eq!(failure(&replicas[0], "FAST-USD"), "rate_limited");
    until("the other hears of it", || !rest_of(&replicas[1]).is_null());
    assert_eq!(failure(&replicas[1], "A-USD"), "rate_limited");
    assert_eq!(vendor.calls(), 2, "nobody else has asked");
}

#[test]
#[ignore = "needs redis-server and a C compiler"]
fn a_refused_key_stops_those_that_use_it_and_no_other() {
    let (store, vendor) = (
        Store::start(),
        Upstream::with(Setup { certified: None, delays: &[] }, |call| {
            let is_good = call.head.contains("new-key-of-theirs");
            let asked = call.asked();
            let quotes = rows(&asked.iter().map(|symbol| (symbol.as_str(), "100")).collect::<Vec<_>>());
            let (status, body) = if is_good { (200, quotes) } else { (401, "{}".to_owned()) };
            call.reply(status, "Content-Type: application/json\r\n", &body);
            After::Keep
        }),
    );
    let with = |key: &str| {
        let more = format!("{AMPLE}key = \"{key}\"\nheaders = {{ X-Key = \"{{key}}\" }}\n");
        let replica = Replica::of(&vendor.source("desk", &more), &sharing(store.port), &[]);
        replica.until_shared();
        replica
    };
    let (old, same, new) = (with("old-key-of-theirs"), with("old-key-of-theirs"), with("new-key-of-theirs"));
    let failure = |replica: &Replica, symbol: &str| {
        let reply = get(replica.address, &format!("/prices?symbols={symbol}"));
        reply.quote(symbol, "desk")["reason"].as_str().unwrap_or_default().to_owned()
    };
    assert_eq!(failure(&old, "A-USD"), "unauthorized");
    until("the second hears of it", || !rest_of(&same).is_null());
    assert_eq!(failure(&same, "B-USD"), "unauthorized");
    assert_eq!(vendor.calls(), 1, "the second was told");
    assert_eq!(get(new.address, "/prices?symbols=C-USD").verdict("C-USD", "desk"), "used");
    let kept = store.run(&["HGETALL", "quotefold:cooldowns"]);
    assert!(kept.contains("unauthorized") && !kept.contains("key-of-theirs"), "{kept}");
}

#[test]
#[ignore = "needs redis-server and a C compiler"]
fn a_user_with_the_rights_that_the_documentation_names_suffices_and_a_missing_one_is_named() {
    let page = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/replicas.md")).unwrap();
    let line = page.lines().find(|line| line.starts_with("user replicas ")).unwrap();
    let rights = line.replace(">PASSWORD", ">secret-of-ours");
    let rights: Vec<&str> = rights.split(' ').skip(1).collect();
    let (store, vendor) = (Store::start(), vendor(|_| None));
    store.run(&[&["ACL", "SETUSER"], &rights[..]].concat());
    let sharing = format!("{}username = \"replicas\"\npassword = \"secret-of-ours\"\n", sharing(store.port));
    let source = vendor.source("desk", AMPLE);
    let replicas: Vec<_> = (0..2).map(|_| Replica::of(&source, &sharing, &[])).collect();
    replicas.iter().for_each(Replica::until_shared);
    get(replicas[0].address, "/prices?symbols=A-USD");
    until("the other hears of it", || board_has(&replicas[1], 1));
    // what was refused to anybody would be here
    let refused = store.run(&["ACL", "LOG"]);
    assert_eq!(refused.trim(), "", "{refused}");
    let file = Configuration::new(&format!("[fold]\nrequired = 1\n{sharing}{source}"));
    let check = || run(&["check", "--live", "--config", file.path()]);
    let checked = check();
    assert!(checked.stdout.contains("shared store: ok"), "{}{}", checked.stdout, checked.stderr);
    store.run(&["ACL", "SETUSER", "replicas", "-zcard"]);
    let checked = check();
    assert!(checked.stdout.contains("ZCARD: ") && checked.code == Some(1), "{}{}", checked.stdout, checked.stderr);
    assert!(!checked.stdout.contains("secret-of-ours"));
}

#[test]
#[ignore = "needs redis-server and a C compiler"]
fn a_stores_clock_that_is_moved_back_keeps_nobody_waiting_for_what_was_before() {
    let vendor = vendor(|symbol| symbol.starts_with("FAST").then_some((429, "{}")));
    let store = Store::with_clock();
    let replicas = replicas(2, &store, &vendor, AMPLE);
    get(replicas[0].address, "/prices?symbols=A-USD");
    until("the other hears of it", || board_has(&replicas[1], 1));
    assert_eq!(
        get(replicas[0].address, "/prices?symbols=FAST-USD").quote("FAST-USD", "desk")["reason"],
        "rate_limited"
    );
    until("the other hears of it", || !rest_of(&replicas[1]).is_null());
    store.move_clock(-3_600);
    pass(8);
    replicas.iter().for_each(Replica::until_shared);
    until("the vendor may be called again", || rest_of(&replicas[1]).is_null());
    // a replica that comes now reads what is kept
    let late = Replica::of(&vendor.source("desk", AMPLE), &sharing(store.port), &[]);
    late.until_shared();
    until("prices come", || {
        let reply = get(late.address, "/prices?symbols=A-USD&refresh_after=0s&timeout=10s");
        assert!(reply.entry("A-USD")["age_ms"].as_u64().is_none_or(|age| age < 120_000), "{}", reply.body);
        reply.verdict("A-USD", "desk") == "used" && rest_of(&late).is_null()
    });
}

#[test]
#[ignore = "needs redis-server and a C compiler"]
fn a_caller_of_several_symbols_waits_for_no_call_of_another_replica_longer_than_for_its_own() {
    // the first call fails late, and all others are answered after a while
    let is_first = AtomicBool::new(true);
    let vendor = vendor(move |symbol| {
        let fails = symbol == "X-USD" && is_first.swap(false, Ordering::SeqCst);
        if fails {
            thread::sleep(SLOWLY * 3);
        }
        fails.then_some((500, "{}"))
    });
    let store = Store::start();
    let replicas = replicas(2, &store, &vendor, &AMPLE.replace("batch = 1", "batch = 20"));
    let first = replicas[0].address;
    let failing = thread::spawn(move || get(first, "/prices?symbols=X-USD"));
    until("the first call", || vendor.calls() == 1);
    let reply = get(replicas[1].address, "/prices?symbols=X-USD,Y-USD");
    for symbol in ["X-USD", "Y-USD"] {
        assert_eq!(reply.verdict(symbol, "desk"), "used", "{}", reply.body);
    }
    assert_eq!(failing.join().unwrap().verdict("X-USD", "desk"), "failed / unavailable");
    let asked: Vec<_> = vendor.heads().iter().map(|head| head.lines().next().unwrap().to_owned()).collect();
    assert_eq!(asked.len(), 3, "{asked:?}");
}
