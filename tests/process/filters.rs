//! Own filters, and bodies that make them grow: each costs its own call, and nothing else.

use std::net::SocketAddr;
use std::process::{Command, Stdio};

use crate::support::{Call, Configuration, Program, Reply, Upstream, get, read, rows, send, start, until};

/// Far more time than any filter gets, and less than a client waits here.
const SERVER: &str = "[server]\ntimeout = \"50s\"\nmax_timeout = \"50s\"\n";

/// More memory than this means that the service itself held what a filter made.
const TOO_MUCH_KIB: u64 = 250 << 10;

/// A value in which each level contains the one below ten times: a few hundred bytes in memory, `10^levels` values for a reader
/// that walks through it.
fn wide(levels: usize) -> String {
    vec!["[.,.,.,.,.,.,.,.,.,.]"; levels].join(" | ")
}

fn repeated(stage: &str, times: usize) -> String {
    vec![stage; times].join(" | ")
}

/// Filters that make gigabytes of a body of a few hundred kilobytes, or never end.
fn greedy() -> Vec<(&'static str, String, String)> {
    let text = format!("\"{}\"", "x".repeat(200_000));
    let list = format!("[{}1]", "1,".repeat(100_000));
    vec![
        ("splits", text.clone(), ". as $t | split(\"\") | join($t)".to_owned()),
        ("doubles", text.clone(), repeated(". + .", 20)),
        ("appends", list.clone(), repeated(". + .", 20)),
        ("adds", list, repeated("[., .] | add", 14)),
        ("escapes", format!("\"{}\"", "\\\"".repeat(50)), repeated("tojson", 28)),
        ("writes", "1".to_owned(), format!("{} | tojson", wide(12))),
        ("formats", "1".to_owned(), format!("{} | \"\\(.)\"", wide(12))),
        ("explodes", text, "[., explode] | [.[1][0:9000][] as $c | .[0]] | add".to_owned()),
        (
            "squares",
            "[99999999.5]".to_owned(),
            format!(".[0] | floor | {}", repeated("(. | tonumber) * (. | tonumber)", 24)),
        ),
        ("gives", "1".to_owned(), format!("{} | {{price: .}}", wide(12))),
        ("fails", "1".to_owned(), format!("{} | error", wide(12))),
    ]
}

/// Sources with these filters, whose vendor sends each the body that belongs to it.
fn sources(greedy: Vec<(&'static str, String, String)>) -> (Upstream, String) {
    let filters: Vec<(String, String)> = greedy.iter().map(|(name, _, jq)| ((*name).to_owned(), jq.clone())).collect();
    let vendor = Upstream::new(move |call: &mut Call<'_>| {
        let body = greedy.iter().find(|(name, ..)| call.target().starts_with(&format!("/{name}?")));
        match body {
            Some((_, body, _)) => call.json(body),
            None => call.json(&rows(&[("BTC-USD", "100")])),
        }
    });
    let section = |(name, jq): (String, String)| {
        let url = format!("http://{}/{name}?ids={{symbols}}", vendor.address);
        vendor.source(&name, &format!("url = \"{url}\"\ntimeout = \"50s\"\nmax_body = \"1MiB\"\njq = '''{jq}'''"))
    };
    let text: String = filters.into_iter().map(section).collect();
    (vendor, text)
}

/// The most memory that a process has had so far.
fn peak_kib(id: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{id}/status")).expect("Linux");
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("its peak");
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

/// The running child processes of a process.
fn children(id: u32) -> Vec<u32> {
    let processes = std::fs::read_dir("/proc").expect("Linux").filter_map(Result::ok);
    let ids = processes.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    let is_child = |child: &u32| {
        let stat = std::fs::read_to_string(format!("/proc/{child}/stat")).unwrap_or_default();
        let fields = stat.rsplit_once(") ").map(|(_, rest)| rest.to_owned()).unwrap_or_default();
        let mut fields = fields.split(' ');
        fields.next().is_some_and(|state| state != "Z") && fields.next() == Some(&id.to_string())
    };
    ids.filter(is_child).collect()
}

/// Whether a process runs. While its other threads end, it is not over, though its first thread has the state of a zombie: its
/// parent cannot be told yet.
fn runs(id: u32) -> bool {
    let threads = || std::fs::read_dir(format!("/proc/{id}/task")).map_or(0, Iterator::count);
    std::fs::read_to_string(format!("/proc/{id}/stat")).is_ok_and(|stat| !stat.contains(") Z ") || threads() > 1)
}

fn kill(signal: &str, id: u32) {
    assert!(Command::new("kill").args([&format!("-{signal}"), &id.to_string()]).status().unwrap().success());
}

fn ask(address: SocketAddr, source: &str) -> Reply {
    get(address, &format!("/prices?symbols=BTC-USD&refresh_after=0s&timeout=50s&sources={source}"))
}

#[test]
fn a_filter_that_fills_the_memory_costs_its_call_and_nothing_else() {
    let greedy = greedy();
    let names: Vec<&str> = greedy.iter().map(|(name, ..)| *name).collect();
    let (vendor, sources) = sources(greedy);
    let honest = vendor.source("honest", "");
    let (mut program, address) = Program::serve(&Configuration::new(&format!("{SERVER}{sources}{honest}")), &[]);
    for name in names {
        let reply = ask(address, &format!("{name},honest"));
        let quote = reply.quote("BTC-USD", name);
        assert_eq!(reply.verdict("BTC-USD", name), "failed / malformed", "{name}: {quote}");
        let detail = quote["detail"].as_str().unwrap();
        assert!(detail.contains("the filter was stopped: "), "{name}: {detail}");
        assert_eq!(reply.quote("BTC-USD", "honest")["price"], "100", "{name}");
        let peak = peak_kib(program.id());
        assert!(peak < TOO_MUCH_KIB, "{name}: {peak} KiB");
    }
    assert!(program.runs());
}

/// Filters put together at random from parts that make a value longer or wider, or drop it.
fn of_pieces(chance: &mut fastrand::Rng) -> String {
    const PIECES: [&str; 14] = [
        ". + .",
        "[., .]",
        "[., .] | add",
        "tojson",
        "tostring",
        "\"\\(.)\\(.)\"",
        "[.[]?]",
        "map(.)?",
        "split(\"x\")?",
        "join(\"xxxxxxxx\")?",
        "explode?",
        "[., .] | sort",
        "[.] | flatten",
        "{a: ., b: .}",
    ];
    let pieces: Vec<&str> = (0..14).map(|_| PIECES[chance.usize(..PIECES.len())]).collect();
    format!("{} | {{price: .}}", pieces.join(" | "))
}

#[test]
fn a_filter_of_any_pieces_costs_no_more_than_its_call() {
    let mut chance = fastrand::Rng::with_seed(7);
    let body = format!("\"{}\"", "x".repeat(50_000));
    const NAMES: [&str; 12] = ["f1", "f2", "f3", "f4", "f5", "f6", "f7", "f8", "f9", "f10", "f11", "f12"];
    let filters: Vec<_> = NAMES.iter().map(|name| (*name, body.clone(), of_pieces(&mut chance))).collect();
    let shown = format!("{:?}", filters.iter().map(|(_, _, jq)| jq).collect::<Vec<_>>());
    let (vendor, sources) = sources(filters);
    let honest = vendor.source("honest", "");
    let (program, address) = Program::serve(&Configuration::new(&format!("{SERVER}{sources}{honest}")), &[]);
    for name in NAMES {
        let reply = ask(address, &format!("{name},honest"));
        let quote = reply.quote("BTC-USD", name);
        let verdict = reply.verdict("BTC-USD", name);
        // some produce something short, which is not a price
        let is_judged =
            ["failed / malformed", "failed / missing", "excluded / invalid_price"].contains(&verdict.as_str());
        assert!(is_judged, "{name}: {verdict}: {quote} of {shown}");
        assert_eq!(reply.quote("BTC-USD", "honest")["price"], "100", "{name}");
        let peak = peak_kib(program.id());
        assert!(peak < TOO_MUCH_KIB, "{name}: {peak} KiB of {shown}");
    }
}

#[test]
fn a_step_that_never_ends_holds_up_no_other_source() {
    // as many replies of the catalogue's filters as may be read beside the requests at once
    let cores = std::thread::available_parallelism().map_or(2, std::num::NonZero::get);
    const NAMES: [&str; 8] = ["e1", "e2", "e3", "e4", "e5", "e6", "e7", "e8"];
    let names = &NAMES[..cores.clamp(2, 8)];
    let body = format!("[{}1]", "1,".repeat(50_000));
    let endless = names.iter().map(|name| (*name, body.clone(), format!("1 | {} | {{price: (. <= .)}}", wide(20))));
    let (vendor, sources) = sources(endless.collect());
    // a large body, as the catalogue's filter reads it
    let bitstamp = Upstream::new(|call| {
        let padding = " ".repeat(100_000);
        let now = jiff::Timestamp::now().as_second();
        call.json(&format!(
            r#"{{{padding}"ask":"100.6","bid":"100.4","last":"100.5","timestamp":"{now}","volume":"3"}}"#
        ))
    });
    let catalogue = format!("[sources.bitstamp]\nbase_url = \"http://{}\"\ntimeout = \"50s\"\n", bitstamp.address);
    let (_program, address) = Program::serve(&Configuration::new(&format!("{SERVER}{sources}{catalogue}")), &[]);
    let target = format!("/prices?symbols=BTC-USD&timeout=50s&sources={}", names.join(","));
    let waiting = send(address, &target);
    vendor.until_called(names.len());
    let reply = ask(address, "bitstamp");
    assert_eq!(reply.quote("BTC-USD", "bitstamp")["last"], "100.5", "{reply:?}");
    let reply = read(waiting);
    for name in names {
        let quote = reply.quote("BTC-USD", name);
        assert_eq!(reply.verdict("BTC-USD", name), "failed / malformed", "{quote}");
        assert!(quote["detail"].as_str().unwrap().contains("one step took more than"), "{quote}");
    }
}

#[test]
fn a_filter_process_reads_one_reply_at_a_time_and_is_replaced() {
    let vendor = Upstream::quoting("100");
    let (program, address) = Program::serve(&Configuration::new(&format!("{SERVER}{}", vendor.source("a", ""))), &[]);
    assert!(children(program.id()).is_empty(), "none before the first reply");
    let mut known = Vec::new();
    for round in 0..4 {
        assert_eq!(ask(address, "a").quote("BTC-USD", "a")["price"], "100");
        let now = children(program.id());
        assert_eq!(now.len(), 1, "{now:?}");
        assert!(round == 0 || now == known, "{known:?}, then {now:?}");
        known = now;
        // a signal that a terminal or an init system sends to all processes starts a drain
        ["TERM", "INT", "HUP"].into_iter().for_each(|signal| kill(signal, known[0]));
    }
    kill("KILL", known[0]);
    until("it is gone", || !runs(known[0]));
    assert_eq!(ask(address, "a").quote("BTC-USD", "a")["price"], "100");
    let another = children(program.id());
    assert!(another.len() == 1 && another != known, "{known:?}, then {another:?}");
}

#[test]
fn a_filters_process_ends_with_the_service_however_it_ends() {
    for signal in ["TERM", "KILL"] {
        let vendor = Upstream::quoting("100");
        let settings = format!("{SERVER}drain_delay = \"0s\"\n{}", vendor.source("a", ""));
        let (program, address) = Program::serve(&Configuration::new(&settings), &[]);
        assert_eq!(ask(address, "a").quote("BTC-USD", "a")["price"], "100");
        let filters = children(program.id());
        assert_eq!(filters.len(), 1);
        program.signal(signal);
        program.ended();
        until("its filters have ended", || filters.iter().all(|id| !runs(*id)));
    }
}

#[test]
fn a_service_with_a_memory_limit_of_its_own_can_run_filters() {
    let vendor = Upstream::quoting("100");
    let configuration = Configuration::new(&format!("{SERVER}{}", vendor.source("a", "")));
    let serve = start(&["serve", "--config", configuration.path(), "--listen", "127.0.0.1:0"], &[]);
    let mut limited = Command::new("sh");
    limited.args(["-c", "ulimit -v 2000000; ulimit -t 3600; exec \"$0\" \"$@\""]).arg(serve.get_program());
    limited.args(serve.get_args()).env_clear().stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let program = Program::new(&mut limited);
    assert_eq!(ask(program.ready(), "a").quote("BTC-USD", "a")["price"], "100");
}

#[test]
fn a_filters_input_and_output_are_the_same_in_its_own_process() {
    let vendor = Upstream::new(|call| call.reply(202, "", r#"[{"s":"BTC-USD","p":100.50}]"#));
    let calculated = vendor.source("calculated", "jq = '.[] | {symbol: .s, price: (.p + 1)}'");
    let knows = "jq = 'if $status == 202 and $asked == [\"BTC-USD\"] then .[] | {symbol: .s, price: .p} else error(\"no\") end'";
    let stops = vendor.source("stops", "jq = '.[] | .p | keys'");
    let sources = format!("{SERVER}{calculated}{}{stops}", vendor.source("knows", knows));
    let (_program, address) = Program::serve(&Configuration::new(&sources), &[]);
    let reply = ask(address, "calculated,knows,stops");
    let detail = |source: &str| reply.quote("BTC-USD", source)["detail"].as_str().unwrap_or_default().to_owned();
    assert_eq!(reply.quote("BTC-USD", "knows")["price"], "100.5", "{reply:?}");
    assert!(detail("calculated").contains("the filter calculated it"), "{}", detail("calculated"));
    assert!(detail("stops").contains("the filter stopped: cannot use 100.50 as"), "{}", detail("stops"));
}
