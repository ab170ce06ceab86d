//! `quotefold check`: what it says of filters that are wrong.

use std::time::{SystemTime, UNIX_EPOCH};

use crate::support::{Configuration, Ended, Program, Upstream, start};

const README: &str = include_str!("../../README.md");

/// The first block of code of a kind under a heading of the README, after these words.
fn block(after: &str, kind: &str) -> &'static str {
    let (_, rest) = README.split_once(after).unwrap_or_else(|| panic!("{after:?} is not in the README"));
    let (_, rest) = rest.split_once(&format!("\n```{kind}\n")).unwrap_or_else(|| panic!("no {kind} after {after:?}"));
    rest.split_once("```").expect("an end of the block").0
}

/// The README's own source.
fn desk() -> &'static str {
    block("\n## Your own source\n", "toml")
}

fn check(configuration: &Configuration, arguments: &[&str], variables: &[(&str, &str)]) -> Ended {
    let arguments = [&["check"], arguments, &["--config", configuration.path()]].concat();
    Program::new(&mut start(&arguments, variables)).ended()
}

const TOKEN: [(&str, &str); 1] = [("DESK_TOKEN", "abcdefgh")];

#[test]
fn the_readmes_own_source_is_asked_as_it_stands_there() {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis();
    let desk_says = Upstream::saying(
        200,
        format!(r#"{{"data":[{{"ticker":"AAPL","last":231.44,"bid":231.43,"ask":231.46,"ts":{now}}}]}}"#),
    );
    assert!(desk().lines().count() <= 10, "a source of one's own takes no more than ten lines");
    let configuration = Configuration::new(&format!("{}base_url = \"http://{}\"\n", desk(), desk_says.address));
    let ended = check(&configuration, &["desk", "AAPL", "--live"], &TOKEN);
    assert_eq!(ended.code, Some(0), "{ended:?}");
    for words in [
        "desk: ok, no examples\n  request: GET http://",
        "/quotes?ids=AAPL\n  status: 200, ",
        "\n  body: {\"data\":[{\"ticker\":\"AAPL\",",
        "\n  AAPL: price 231.44, bid 231.43, ask 231.46, at ",
        "\n  took: ",
        "\n  verdict: 1 of 1 symbols priced\n  nothing proves its filter yet: an example can be written from this",
    ] {
        assert!(ended.stdout.contains(words), "{words:?} is not in {}", ended.stdout);
    }
    assert!(desk_says.heads()[0].contains("authorization: Bearer abcdefgh"), "{:?}", desk_says.heads());
    let ended = check(&configuration, &["desk"], &TOKEN);
    let hint = "desk: ok, no examples\n  nothing proves its filter yet: `quotefold check desk AAPL --live` shows";
    assert!(ended.code == Some(0) && ended.stdout.starts_with(hint), "{ended:?}");
}

#[test]
fn a_wrong_filter_is_explained_as_the_readme_shows() {
    let example = block("with what it means:\n", "toml");
    let right = Configuration::new(&format!("{}\n{example}", desk()));
    let ended = check(&right, &["desk"], &TOKEN);
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(0), "desk: ok, 1 example\n"), "{ended:?}");
    let wrong = Configuration::new(&format!("{}\n{example}", desk().replace("'.data[]", "'.items[]")));
    let ended = check(&wrong, &["desk"], &TOKEN);
    assert_eq!(ended.code, Some(78), "{ended:?}");
    assert_eq!(ended.stdout, block("Of a filter that begins with", ""));
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
    assert!(
        stopped.contains("\n  what it was given there: {\"key\":\"AAPL\",\"value\":{\"p\":231.44}}\n"),
        "{stopped}"
    );
    assert!(stopped.contains("\n  verdict: failed / malformed: the filter stopped: "), "{stopped}");
    let unnamed = live(".quotes[] | {price: .p}");
    assert!(unnamed.contains("\n  row 1 of 2 cannot be read: {\"price\":231.44}\n"), "{unnamed}");
    let other_names = live(".quotes | to_entries[] | {symbol: (.key + \".US\"), price: .value.p}");
    assert!(
        other_names.contains("  the filter gave 2 rows:\n    {\"symbol\":\"AAPL.US\",\"price\":231.44}\n"),
        "{other_names}"
    );
}
