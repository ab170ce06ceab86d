//! A key reaches only its own vendor, whatever that vendor, the network or the log does with it.

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};

use crate::support::{After, Call, Configuration, Ended, NOBODY, Program, Upstream, get, read, start, write};

/// A part of every secret here, so that half a secret is found, too.
const PLANTED: &str = "planted";

/// A key with characters that are escaped in URLs and in JSON.
const KEY: &str = "planted/by+the=operator&\\\"quoted";
const VARIABLES: [(&str, &str); 3] =
    [("DESK_TOKEN", "planted-in-the-environment"), ("DESK_KEY", KEY), ("RUST_LOG", "trace")];

/// The ways in which a vendor repeats what it was sent, and the filter that shows most of it.
const TELLTALES: [(&str, &str); 9] = [
    ("a_refusal", "{error: \"unauthorized\", detail: .said}"),
    ("an_outage", "."),
    ("a_text", ".[]"),
    ("a_string", ".price"),
    ("a_price", "{price: .said}"),
    ("a_symbol", "{symbol: .said, price: 1}"),
    ("a_currency", "{price: 1, currency: .said}"),
    ("a_redirect", "."),
    ("a_long_body", ".price"),
];

/// The ways in which a secret can be part of a call.
fn carriers() -> [(&'static str, String); 4] {
    let url = |path: &str| format!("url = \"http://ADDRESS/TELLTALE/{path}\"\n");
    [
        ("query", format!("{}key = \"${{DESK_KEY}}\"\n", url("?ids={symbols}&token={key}"))),
        (
            "header",
            format!("{}key = \"${{DESK_KEY}}\"\nheaders = {{ x-api-key = \"{{key}}\" }}\n", url("?ids={symbols}")),
        ),
        ("variable", format!("{}headers = {{ authorization = \"Bearer ${{DESK_TOKEN}}\" }}\n", url("?ids={symbols}"))),
        (
            "written",
            format!(
                "{}headers = {{ x-token = \"planted-in-a-header\" }}\n",
                url("?ids={symbols}&apikey=planted-in-the-url")
            ),
        ),
    ]
}

/// A vendor that repeats the whole request in its reply, in the place that the path selects.
fn telltale(call: &mut Call<'_>) -> After {
    let said = serde_json::Value::from(call.head.clone()).to_string();
    let kind = call.target().split('/').nth(1).unwrap_or_default().to_owned();
    match kind.as_str() {
        "a_refusal" => call.reply(403, "Content-Type: application/json\r\n", &format!("{{\"said\":{said}}}")),
        "an_outage" => call.reply(500, "Content-Type: text/plain\r\n", &call.head.clone()),
        "a_text" => call.reply(200, "Content-Type: text/plain\r\n", &call.head.clone()),
        "a_string" => call.json(&said),
        "a_redirect" => {
            let target = call.target().to_owned();
            call.reply(302, &format!("Location: http://{NOBODY}{target}\r\n"), &said)
        }
        // preceded by white space, which is not shown, so that the cut falls into the secret
        "a_long_body" => call.json(&format!("{}{said}", " ".repeat(550))),
        _ => call.json(&format!("{{\"said\":{said}}}")),
    }
}

/// A name as sources may have it: without underscores.
fn name(carrier: &str, kind: &str) -> String {
    format!("{carrier}-{kind}").replace('_', "-")
}

/// Every way to send a secret, to every way to repeat it, and to an address where nothing listens.
fn configuration(vendor: &Upstream) -> Configuration {
    let mut text = String::from("[server]\ntimeout = \"5s\"\ndrain_delay = \"0s\"\n");
    for (carrier, lines) in carriers() {
        for (kind, jq) in TELLTALES {
            let lines = lines.replace("ADDRESS", &vendor.address.to_string()).replace("TELLTALE", kind);
            text += &vendor.source(&name(carrier, kind), &format!("{lines}jq = '{jq}'"));
        }
        for (kind, address) in [("refused", NOBODY), ("unknown", "quotefold.invalid")] {
            let lines = lines.replace("ADDRESS", address).replace("TELLTALE", kind);
            text += &vendor.source(&name(carrier, kind), &format!("{lines}jq = '.'\ntimeout = \"2s\""));
        }
    }
    Configuration::new(&text)
}

fn assert_hidden(what: &str, text: &str) {
    let lower = text.to_lowercase();
    if let Some(at) = lower.find(PLANTED) {
        let around: String = lower.chars().skip(at.saturating_sub(200)).take(300).collect();
        panic!("{what} shows a secret: …{around}…");
    }
}

fn run(arguments: &[&str]) -> Ended {
    Program::new(&mut start(arguments, &VARIABLES)).ended()
}

#[test]
fn no_page_of_the_service_and_no_line_of_its_log_shows_a_secret() {
    let vendor = Upstream::new(telltale);
    let (program, address) = Program::serve(&configuration(&vendor), &VARIABLES);
    let prices = get(address, "/prices?symbols=BTC-USD,ETH-USD,AAPL");
    for target in [
        "/prices?symbols=BTC-USD",
        "/prices/BTC-USD?refresh_after=0s",
        "/prices?symbols=BTC-USD&sources=none",
        "/sources",
        "/metrics",
        "/health",
        "/health/ready",
        "/nowhere",
    ] {
        let reply = get(address, target);
        assert_hidden(target, &format!("{}{}", reply.head, reply.body));
    }
    program.signal("TERM");
    let ended = program.ended();
    assert_hidden("a reply", &format!("{}{}", prices.head, prices.body));
    assert_hidden("stdout", &ended.stdout);
    assert_hidden("the log", &ended.stderr);
    // if not, there was nothing to mask
    let told = vendor.heads().concat();
    for secret in
        ["token=planted%2Fby", "planted/by+the", "Bearer planted-in-the-env", "planted-in-a-h", "apikey=planted"]
    {
        assert!(told.contains(secret), "{secret} did not reach the vendor");
    }
    assert!(
        prices.body.contains("***") && ended.stderr.contains("\"level\":\"DEBUG\""),
        "nothing was hidden, or not much was logged"
    );
    for (carrier, _) in carriers() {
        for (kind, _) in TELLTALES {
            let verdict = prices.verdict("BTC-USD", &name(carrier, kind));
            assert_ne!(verdict, "used", "{carrier}-{kind} should have failed");
        }
        for kind in ["refused", "unknown"] {
            let verdict = prices.verdict("BTC-USD", &name(carrier, kind));
            assert!(["failed / connection", "failed / timeout"].contains(&verdict.as_str()), "{kind}: {verdict}");
        }
    }
}

#[test]
fn neither_the_services_keys_nor_those_that_clients_send_are_shown() {
    let vendor = Upstream::quoting("100");
    let text = format!(
        "[server]\ndrain_delay = \"0s\"\n[log]\nrequests = \"all\"\n[access]\nkeys = [\"${{DESK_TOKEN}}\", \"planted-in-the-file\"]\n{}",
        vendor.source("a", "")
    );
    let configuration = Configuration::new(&text);
    let (program, address) = Program::serve(&configuration, &VARIABLES);
    for (authorization, status) in [
        ("Bearer planted-in-the-environment", 200),
        ("bearer planted-in-the-file", 200),
        ("Bearer planted-by-a-stranger", 401),
        ("Basic planted-by-a-stranger", 401),
    ] {
        let head = format!(
            "GET /prices?symbols=BTC-USD HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAuthorization: {authorization}\r\n\r\n"
        );
        let reply = read(write(address, &head));
        assert_eq!(reply.status, status, "{authorization}");
        assert_hidden("a reply", &format!("{}{}", reply.head, reply.body));
    }
    // some clients put their key where it does not belong
    for target in ["/prices?symbols=BTC-USD&key=planted-in-the-query", "/x?a=1&api%4bey=planted-in-the-query&b=2"] {
        assert!(get(address, target).status >= 400, "{target}");
    }
    program.signal("INT");
    let ended = program.ended();
    assert_hidden("the log", &format!("{}{}", ended.stdout, ended.stderr));
    assert!(ended.stderr.contains("symbols=BTC-USD&key=***"), "{}", ended.stderr);
    assert!(ended.stderr.contains("\"client\":\"127.0.0.1\""), "not much was logged");
    let shown = run(&["config", "--config", configuration.path()]);
    assert_hidden("config", &format!("{}{}", shown.stdout, shown.stderr));
    assert!(shown.stdout.contains("keys = [\"***\", \"***\"]"), "{shown:?}");
}

#[test]
fn no_library_logs_a_key_in_a_host_at_any_level() {
    let source = "key = \"Planted-In-The-Host\"\nurl = \"http://{key}.invalid/{symbols}\"";
    let text = format!("[server]\ndrain_delay = \"0s\"\n{}", Upstream::silent().source("a", source));
    let (program, address) = Program::serve(&Configuration::new(&text), &VARIABLES);
    let prices = get(address, "/prices?symbols=BTC-USD").body;
    let sources = get(address, "/sources").body;
    program.signal("TERM");
    let ended = program.ended();
    assert_hidden("a page", &format!("{prices}{sources}"));
    assert_hidden("the log", &ended.stderr);
    assert!(prices.contains("***.invalid") && ended.stderr.contains("\"level\":\"DEBUG\""), "{prices} {ended:?}");
}

#[test]
fn a_secret_is_hidden_even_if_its_vendor_repeats_it_in_another_encoding() {
    const KEY: &str = "Planted/By+The=Operator";
    type Encode = fn(&str) -> String;
    let encodings: [(&str, Encode); 7] = [
        ("base64", |text| STANDARD.encode(text)),
        ("base64-url", |text| URL_SAFE_NO_PAD.encode(text)),
        ("hex", |text| text.bytes().map(|byte| format!("{byte:02X}")).collect()),
        ("entities", |text| text.chars().map(|c| format!("&#{};", u32::from(c))).collect()),
        ("percents", |text| text.bytes().map(|byte| format!("%{byte:02x}")).collect()),
        ("unicode", |text| text.chars().map(|c| format!("\\u{:04X}", u32::from(c))).collect()),
        ("capitals", |text| text.to_ascii_uppercase()),
    ];
    let vendor = Upstream::new(move |call| {
        let (_, encode) = encodings.iter().find(|(name, _)| call.target().starts_with(&format!("/{name}/"))).unwrap();
        let body = format!("no such key: {} is not one of ours", encode(&format!("desk:{KEY}")));
        call.reply(500, "Content-Type: text/plain\r\n", &body)
    });
    let mut text = String::from("[server]\ndrain_delay = \"0s\"\n");
    for (name, _) in encodings {
        let address = vendor.address;
        let url = format!("url = \"http://{address}/{name}/?ids={{symbols}}\"\nheaders = {{ x-key = \"{{key}}\" }}");
        text += &vendor.source(name, &format!("{url}\nkey = \"${{KEY}}\""));
    }
    let (program, address) = Program::serve(&Configuration::new(&text), &[("KEY", KEY), ("RUST_LOG", "debug")]);
    let prices = get(address, "/prices?symbols=BTC-USD");
    let sources = get(address, "/sources").body;
    program.signal("TERM");
    let log = program.ended().stderr;
    for (name, encode) in encodings {
        let detail = prices.quote("BTC-USD", name)["detail"].as_str().unwrap().to_owned();
        assert!(detail.contains("no such key: ") && detail.contains("***"), "{name}: {detail}");
        // without its ends, which depend on the surrounding bytes in base64
        let encoded = encode(&format!("desk:{KEY}"));
        let core = &encoded[encoded.len() / 3..encoded.len() * 2 / 3];
        for (what, shown) in [("the detail", &detail), ("/sources", &sources), ("the log", &log)] {
            assert!(!shown.contains(core), "{what} shows {core} of {name}: {shown}");
        }
    }
}

#[test]
fn no_command_shows_a_secret() {
    let vendor = Upstream::new(telltale);
    let configuration = configuration(&vendor);
    let file = ["--config", configuration.path()];
    let commands: [&[&str]; 6] = [
        &["config"],
        &["sources"],
        &["sources", "--json"],
        &["check"],
        &["check", "--live"],
        &["get", "BTC-USD", "--json"],
    ];
    for command in commands {
        let ended = run(&[command, &file].concat());
        assert!(!ended.stdout.is_empty(), "{command:?}: {ended:?}");
        assert_hidden(&format!("{command:?}"), &format!("{}{}", ended.stdout, ended.stderr));
    }
    for (carrier, _) in carriers() {
        for kind in TELLTALES.iter().map(|(kind, _)| kind).chain(&["refused", "unknown"]) {
            let source = name(carrier, kind);
            let ended = run(&[&["check", &source, "BTC-USD", "--live"], &file[..]].concat());
            assert!(ended.stdout.contains("verdict: "), "{source}: {ended:?}");
            assert_hidden(&format!("check {source} --live"), &format!("{}{}", ended.stdout, ended.stderr));
        }
    }
}

#[test]
fn a_secret_in_the_wrong_place_is_not_repeated_by_the_error() {
    let wrong = [
        "[server]\ntimeout = \"${DESK_KEY}\"\n",
        "[server]\nlisten = \"${DESK_TOKEN}\"\n",
        "[sources.${DESK_TOKEN}]\n",
        "[access]\nkeys = [\"planted\"]\n",
        "[access]\nkeys = \"planted-without-its-list\"\n",
        "[access]\nkeys = [\"planted with a space in it\"]\n",
        "[access]\ncors = [\"${DESK_TOKEN}\"]\n",
        "[sources.x]\nkey = \"planted\"\nkey = \"planted\"\n",
        "[sources.x]\nkey = [\"planted-in-a-list\"]\n",
        "[sources.x]\nclasses = [\"equity\"]\nurl = \"http://x/{symbols}?k=${DESK_KEY}{nonsense}\"\njq = \"${DESK_KEY}\"\n",
    ];
    for text in wrong {
        let ended = run(&["serve", "--config", Configuration::new(text).path()]);
        assert_eq!(ended.code, Some(78), "{text}{ended:?}");
        assert_hidden(text, &format!("{}{}", ended.stdout, ended.stderr));
    }
}

#[test]
fn a_urls_user_and_password_are_masked_in_base64_too() {
    for mirrors in [false, true] {
        let vendor = Upstream::new(telltale);
        let front = format!("http://desk:planted-in-the-front@{}", vendor.address);
        let lines = if mirrors {
            format!("url = \"http://x/an_outage/?ids={{symbols}}\"\nbase_url = [\"http://{NOBODY}\", \"{front}\"]")
        } else {
            format!("url = \"{front}/an_outage/?ids={{symbols}}\"")
        };
        let configuration = Configuration::new(&vendor.source("desk", &lines));
        let ended = run(&["get", "BTC-USD", "--json", "--config", configuration.path()]);
        let head = vendor.heads().concat().to_lowercase();
        let travels = head.split("authorization: basic ").nth(1).and_then(|rest| rest.lines().next());
        let shown = format!("{}{}", ended.stdout, ended.stderr).to_lowercase();
        assert_hidden("get", &shown);
        assert!(!shown.contains(travels.expect("the vendor was told")), "{shown}");
    }
}
