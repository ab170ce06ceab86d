//! A first run: what the program says when there is no configuration, and how one key or two change that.

use crate::support::{Program, Upstream, get, start};

/// An address at which no server listens, so that `get` asks the sources itself.
const NO_SERVER: (&str, &str) = ("QUOTEFOLD_SERVER__LISTEN", "127.0.0.1:1");

/// The messages that `quotefold serve` logs at its start with these arguments and variables.
fn at_the_start(arguments: &[&str], variables: &[(&str, &str)]) -> Vec<String> {
    let arguments: Vec<&str> =
        ["serve", "--listen", "127.0.0.1:0"].into_iter().chain(arguments.iter().copied()).collect();
    let program = Program::new(&mut start(&arguments, variables));
    let address = program.ready();
    assert_eq!(get(address, "/health/live").status, 200);
    program.signal("INT");
    let ended = program.ended();
    let message = |line: &str| -> Option<String> {
        let line: serde_json::Value = serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
        line["message"].as_str().map(str::to_owned)
    };
    ended.stderr.lines().filter_map(message).collect()
}

#[test]
fn without_a_configuration_the_start_says_what_is_covered_and_what_is_not() {
    let said = at_the_start(&[], &[]);
    let position =
        |words: &str| said.iter().position(|line| line.contains(words)).unwrap_or_else(|| panic!("{said:#?}"));
    let parts = [
        "covered by how many vendors: ",
        "--unofficial (or QUOTEFOLD_UNOFFICIAL=1) would make it US shares 4, ",
        "the free key that adds most: set ",
        "one key alone never makes a US share ok, since 2 vendors must agree: set ",
        "`quotefold sources` lists every provider",
    ];
    assert_eq!(parts.map(position), [0, 1, 2, 3, 4], "{said:#?}");
}

#[test]
fn with_unofficial_sources_the_start_counts_them() {
    let said = at_the_start(&["--unofficial"], &[]).join("\n");
    assert!(said.contains("US shares 4, ") && !said.contains("--unofficial"), "{said}");
}

#[test]
fn a_share_without_a_key_names_the_keys_and_the_option_in_one_sentence() {
    let ended = Program::new(&mut start(&["get", "AAPL"], &[NO_SERVER])).ended();
    assert_eq!(ended.code, Some(3), "{ended:?}");
    for words in ["with free keys, of which 2 must agree: set ", "_API_KEY (https://", "QUOTEFOLD_UNOFFICIAL=1"] {
        assert!(ended.stdout.contains(words), "{words:?} is not in {}", ended.stdout);
    }
}

#[test]
fn a_share_with_one_key_is_degraded_and_says_which_second_key_makes_it_ok() {
    let body = r#"{"c":231.4,"d":1.1,"dp":0.4,"h":232.0,"l":229.5,"o":230.1,"pc":230.3,"t":TIME}"#;
    let finnhub =
        Upstream::new(move |call| call.json(&body.replace("TIME", &jiff::Timestamp::now().as_second().to_string())));
    let base = finnhub.base();
    let variables = [NO_SERVER, ("FINNHUB_API_KEY", "abcdef"), ("QUOTEFOLD_SOURCES__FINNHUB__BASE_URL", &base)];
    let ended = Program::new(&mut start(&["get", "AAPL"], &variables)).ended();
    assert_eq!(ended.code, Some(1), "{ended:?}");
    for words in [
        "231.4",
        "degraded / few_sources",
        "2 are required; twelvedata would make it ok: set TWELVEDATA_API_KEY (https://",
    ] {
        assert!(ended.stdout.contains(words), "{words:?} is not in {}", ended.stdout);
    }
}
