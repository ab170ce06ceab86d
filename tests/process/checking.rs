//! `quotefold check`: its output about wrong filters, vendors that refuse, and a vendor that is off.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crate::support::pages::page;
use crate::support::{Configuration, Ended, NOBODY, Program, Upstream, get, post, run, start};

/// The own source that the documentation shows.
fn desk() -> String {
    page("docs/own-sources.md").block("# Your own source\n", "toml")
}

fn check(configuration: &Configuration, arguments: &[&str], variables: &[(&str, &str)]) -> Ended {
    let arguments = [&["check"], arguments, &["--config", configuration.path()]].concat();
    Program::new(&mut start(&arguments, variables)).ended()
}

/// `check --live`, which ends with this code.
fn live(configuration: &Configuration, code: i32) -> Ended {
    let ended = check(configuration, &["--live"], &[]);
    assert_eq!(ended.code, Some(code), "{ended:?}");
    ended
}

const TOKEN: [(&str, &str); 1] = [("DESK_TOKEN", "abcdefgh")];

/// A line without its numbers, which differ each time.
fn without_figures(line: &str) -> String {
    let figure = |c: char| c.is_ascii_digit() || ".:".contains(c);
    let words = line.split_whitespace().map(|word| {
        if word.starts_with(|c: char| c.is_ascii_digit()) { word.trim_start_matches(figure) } else { word }
    });
    words.collect::<Vec<_>>().join(" ")
}

#[test]
fn a_demo_venue_that_lies_is_named_with_how_far_it_is_off() {
    let (_program, address) = Program::demo();
    // on a busy machine an honest venue may take longer than the demo's timeout
    let text = get(address, "/demo/configuration").body;
    let configuration = Configuration::new(&text.replace("\"800ms\"", "\"9s\"").replace("\"600ms\"", "\"9s\""));
    let honest = live(&configuration, 0);
    assert!(honest.stdout.contains("No source is off"), "{}", honest.stdout);

    assert_eq!(post(address, "/demo/alpha/lie").status, 200);
    // every source gave a price, but a script must hear that one of them is off
    let ended = live(&configuration, 1);
    let off: Vec<&str> = ended.stdout.lines().filter(|line| line.contains(" is off: ")).collect();
    assert!(
        matches!(off[..], [line] if line.starts_with("alpha is off: ") && line.contains(" for AAPL is 8.0 % above ")),
        "{}",
        ended.stdout
    );

    // this is what the documentation shows
    let shown = page("docs/demo.md").block("check --live --config demo.toml || echo \"ended with $?\"\n```\n", "");
    let shown = shown.replace(&format!("ended with {}\n", ended.code.unwrap()), "");
    let asked = |text: &str| {
        text.lines()
            .take(9)
            .map(|line| line.split_whitespace().take(2).collect::<Vec<_>>().join(" "))
            .collect::<Vec<_>>()
    };
    assert_eq!(asked(&shown), asked(&ended.stdout));
    for line in shown.lines().filter(|line| !line.contains("bps") && !line.contains(" at the median ")) {
        let words = without_figures(line);
        assert!(ended.stdout.lines().any(|line| without_figures(line) == words), "{line}\n{}", ended.stdout);
    }
}

#[test]
fn the_documentations_own_source_works_as_it_is_written() {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis();
    let desk_says = Upstream::saying(
        200,
        format!(r#"{{"data":[{{"ticker":"AAPL","last":231.44,"bid":231.43,"ask":231.46,"ts":{now}}}]}}"#),
    );
    assert!(desk().lines().count() <= 10, "an own source needs at most ten lines");
    let configuration = Configuration::new(&format!("{}base_url = \"http://{}\"\n", desk(), desk_says.address));
    let ended = check(&configuration, &["desk", "AAPL", "--live"], &TOKEN);
    assert_eq!(ended.code, Some(0), "{ended:?}");
    for words in [
        "desk: ok, no examples\n  request: GET http://",
        "/quotes?ids=AAPL\n  status: 200, ",
        "\n  body: {\"data\":[{\"ticker\":\"AAPL\",",
        "\n  AAPL: price 231.44, bid 231.43, ask 231.46, at ",
        "\n  took: ",
        "\n  verdict: 1 of 1 symbols priced\n  no example tests its filter yet: write one from this reply",
    ] {
        assert!(ended.stdout.contains(words), "{words:?} is not in {}", ended.stdout);
    }
    assert!(desk_says.heads()[0].contains("authorization: Bearer abcdefgh"), "{:?}", desk_says.heads());
    let ended = check(&configuration, &["desk"], &TOKEN);
    let hint = "desk: ok, no examples\n  no example tests its filter yet: `quotefold check desk AAPL --live` shows";
    assert!(ended.code == Some(0) && ended.stdout.starts_with(hint), "{ended:?}");
    let survey = check(&configuration, &["--live"], &TOKEN);
    assert!(survey.code == Some(0) && survey.stdout.contains("no other price to compare with"), "{survey:?}");
}

#[test]
fn a_wrong_filter_is_explained_as_the_documentation_shows() {
    let example = page("docs/own-sources.md").block("\n## Examples\n", "toml");
    let right = Configuration::new(&format!("{}\n{example}", desk()));
    let ended = check(&right, &["desk"], &TOKEN);
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(0), "desk: ok, 1 example\n"), "{ended:?}");
    let wrong = Configuration::new(&format!("{}\n{example}", desk().replace("'.data[]", "'.items[]")));
    let ended = check(&wrong, &["desk"], &TOKEN);
    assert_eq!(ended.code, Some(78), "{ended:?}");
    assert_eq!(ended.stdout, page("docs/own-sources.md").block("If the filter began with", ""));
}

#[test]
fn a_source_with_mirrors_shows_them_and_the_one_that_was_reached() {
    let vendor = Upstream::quoting("100");
    let mirrors = format!("base_url = [\"http://me:planted@{NOBODY}\", \"http://{}\"]", vendor.address);
    let configuration = Configuration::new(&vendor.source("desk", &mirrors));
    let ended = check(&configuration, &["desk", "AAPL", "--live"], &[]);
    let address = vendor.address;
    let shown = format!(
        "  request: GET http://***@{NOBODY}/quotes?ids=AAPL\n  \
         or, if that cannot be reached: http://{address}/quotes?ids=AAPL\n  reached: {address}\n  status: 200, "
    );
    assert!(ended.code == Some(0) && ended.stdout.contains(&shown), "{shown}\n{ended:?}");
    assert_eq!(check(&configuration, &["--live"], &[]).code, Some(0));
}

#[test]
fn check_accepts_only_prices_that_the_fold_accepts() {
    for (stated, fault) in
        [("0", "invalid_price: 0 is not a price"), ("\"N/A\"", "invalid_price: it states no price, and no bid")]
    {
        let vendor = Upstream::saying(200, format!("{{\"price\":{stated}}}"));
        let configuration = Configuration::new(&vendor.source("desk", "jq = '{price}'"));
        let ended = check(&configuration, &["desk", "AAPL", "--live"], &[]);
        assert!(ended.stdout.contains(fault), "{ended:?}");
        assert!(ended.stdout.contains("verdict: 0 of 1 symbols priced") && ended.code == Some(1), "{ended:?}");
    }
}

#[test]
fn a_wrong_filter_is_explained_on_a_real_reply_too() {
    let vendor = Upstream::saying(200, r#"{"quotes":{"AAPL":{"p":231.44},"MSFT":null}}"#);
    let live = |jq: &str| {
        let configuration = Configuration::new(&vendor.source("desk", &format!("jq = '{jq}'")));
        let ended = check(&configuration, &["desk", "AAPL", "MSFT", "--live"], &[]);
        assert_eq!(ended.code, Some(1), "{ended:?}");
        ended.stdout
    };
    let stopped = live(".quotes | to_entries[] | {symbol: .key, price: .value.p[]}");
    assert!(stopped.contains("\n  body: {\"quotes\":{\"AAPL\":{\"p\":231.44},\"MSFT\":null}}\n"), "{stopped}");
    assert!(
        stopped.contains("\n  the filter stopped at line 1, column 26: {symbol: .key, price: .value.p[]}\n"),
        "{stopped}"
    );
    assert!(stopped.contains("\n  its input there: {\"key\":\"AAPL\",\"value\":{\"p\":231.44}}\n"), "{stopped}");
    assert!(stopped.contains("\n  verdict: failed / malformed: the filter stopped: "), "{stopped}");
    let unnamed = live(".quotes[] | {price: .p}");
    assert!(unnamed.contains("\n  row 1 of 2 cannot be read: {\"price\":231.44}\n"), "{unnamed}");
    let other_names = live(".quotes | to_entries[] | {symbol: (.key + \".US\"), price: .value.p}");
    assert!(
        other_names.contains("  the filter gave 2 rows:\n    {\"symbol\":\"AAPL.US\",\"price\":231.44}\n"),
        "{other_names}"
    );
}

#[test]
fn refused_keys_and_used_up_limits_are_explained_in_words() {
    let (refusing, limiting, lost) = (
        Upstream::saying(401, r#"{"error":"Invalid API key."}"#),
        Upstream::new(|call| call.reply(429, "Retry-After: 40\r\n", "{}")),
        Upstream::saying(200, r#"[{"s":"BTC-EUR","p":1}]"#),
    );
    let text = format!(
        "[sources.finnhub]\nbase_url = \"http://{}\"\n{}{}",
        refusing.address,
        limiting.source("limiting", "classes = [\"crypto\"]"),
        lost.source("lost", "classes = [\"crypto\"]"),
    );
    let ended = check(&Configuration::new(&text), &["--live"], &[("FINNHUB_API_KEY", "planted-key")]);
    assert_eq!(ended.code, Some(1), "{ended:?}");
    for words in [
        "unauthorized: the key in FINNHUB_API_KEY was refused: ",
        "rate_limited: it is asked too often; try again at ",
        "missing: the reply holds nothing for this symbol, asked for as \"BTC-USD\"",
        "\n0 of 3 sources gave a price.\n",
        "\n`quotefold check lost BTC-USD --live` shows what lost replied.\n",
    ] {
        assert!(ended.stdout.contains(words), "{words:?} is not in {}", ended.stdout);
    }
}

#[test]
fn slow_sources_are_waited_for_at_the_same_time() {
    let silent: Vec<Upstream> = (0..30).map(|_| Upstream::silent()).collect();
    let source = |(at, upstream): (usize, &Upstream)| upstream.source(&format!("s{at}"), "timeout = \"900ms\"");
    let text: String = silent.iter().enumerate().map(source).collect();
    let configuration = Configuration::new(&text);
    let started = Instant::now();
    let ended = check(&configuration, &["--live"], &[]);
    assert!(ended.code == Some(1) && ended.stdout.contains("timeout: no reply within 900 ms"), "{ended:?}");
    assert!(started.elapsed() < Duration::from_millis(30 * 900 / 2), "one after the other: {:?}", started.elapsed());
}

#[test]
fn an_example_that_fails_is_reported_before_the_sources_are_asked() {
    let vendor = Upstream::quoting("100");
    let example = r#"examples = [{ about = "old", asked = ["AAPL"], body = '[{"s":"AAPL","p":1}]', expect = [{ symbol = "AAPL", price = "2" }] }]"#;
    let configuration = Configuration::new(&vendor.source("desk", example));
    let ended = run(&["check", "--live", "--config", configuration.path()]);
    assert_eq!(ended.code, Some(78), "{ended:?}");
    let expected = "desk: WRONG, 1 example\n  example \"old\": AAPL: price is 1, expected 2\n\nSOURCE  SYMBOL";
    assert!(ended.stdout.starts_with(expected), "{}", ended.stdout);
}

#[test]
fn a_source_with_another_filter_inherits_no_examples() {
    let desk = r#"
[sources.desk]
classes = ["equity"]
url = "http://desk.test/{symbols}"
batch = 2
jq = ".[]"
examples = [
    { about = "one", asked = ["AAPL"], body = '[{"symbol":"AAPL","price":1}]', expect = [{ symbol = "AAPL", price = "1" }] },
    { about = "two", asked = ["AAPL", "MSFT"], body = "[]" },
]
"#;
    for (key, examples) in [
        ("jq = \".rows[]\"", "no examples"),
        ("reply = \"csv\"", "no examples"),
        ("account = \"mine\"", "2 examples"),
        ("batch = 1", "1 example"),
    ] {
        let configuration = Configuration::new(&format!("{desk}[sources.mine]\nlike = \"desk\"\n{key}\n"));
        let ended = check(&configuration, &["mine"], &[]);
        assert_eq!(ended.code, Some(0), "{ended:?}");
        assert!(ended.stdout.starts_with(&format!("mine: ok, {examples}\n")), "{key}: {}", ended.stdout);
        let proves_nothing = ended.stdout.contains("no example tests its filter yet");
        assert_eq!(proves_nothing, examples == "no examples", "{key}: {}", ended.stdout);
    }
}

#[test]
fn a_narrowed_catalogue_source_fails_no_example_about_the_rest() {
    let name = "[symbols.\"ETH-USD\"]\nspelled = { bitstamp = \"ethusd2\" }\n";
    for keys in ["symbols = [\"BTC-USD\"]", "classes = [\"fx\"]", "currencies = [\"EUR\"]", "batch = 1", name] {
        let configuration = Configuration::new(&format!("[sources.kraken]\n[sources.bitstamp]\n{keys}\n"));
        let ended = check(&configuration, &[], &[]);
        assert_eq!(ended.code, Some(0), "{keys}: {}", ended.stdout);
    }
}

#[test]
fn a_service_does_not_start_with_an_example_of_its_own_filter_that_does_not_hold() {
    let vendor = Upstream::quoting("100");
    let example = |price: &str| {
        format!(
            "examples = [{{ about = \"a quote\", asked = [\"AAPL\"], body = '[{{\"s\":\"AAPL\",\"p\":1}}]', \
             expect = [{{ symbol = \"AAPL\", price = \"{price}\" }}] }}]"
        )
    };
    let wrong = Configuration::new(&vendor.source("desk", &example("2")));
    let ended = run(&["serve", "--listen", NOBODY, "--config", wrong.path()]);
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(78), ""), "{ended:?}");
    let words = "sources.desk.examples: \"a quote\" does not hold: AAPL: price is 1, expected 2; `quotefold check desk` shows more";
    assert!(ended.stderr.contains(words), "{ended:?}");
    let (_program, address) = Program::serve(&Configuration::new(&vendor.source("desk", &example("1"))), &[]);
    assert_eq!(get(address, "/health/live").status, 200);
}

#[test]
fn check_says_what_is_allowed_and_probably_not_meant() {
    let vendor = Upstream::quoting("100");
    let sources = format!(
        "{}{}",
        vendor.source("a", "account = \"one\"\nlimits = \"5/s\""),
        vendor.source("b", "account = \"one\"")
    );
    let ended = check(&Configuration::new(&sources), &[], &[("QUOTEFOLD_VERSION", "1")]);
    assert_eq!(ended.code, Some(0), "{ended:?}");
    for words in [
        "note: ",
        "sources.a.limits: the account \"one\" has two sets of limits",
        "QUOTEFOLD_VERSION: this variable sets nothing",
    ] {
        assert!(ended.stderr.contains(words), "{words:?} is not in {}", ended.stderr);
    }
}
