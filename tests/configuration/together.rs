//! Every mistake of a file is reported at once, in the order of its lines.

use crate::{DESK, errors, load_text};

/// The lines and keys of the errors of a file.
fn places(text: &str) -> Vec<(usize, String)> {
    errors(text, &[]).into_iter().map(|error| (error.line.unwrap_or_default(), error.key)).collect()
}

#[test]
fn typing_errors_wrong_types_and_impossible_values_are_reported_together() {
    let text = "[server]\ntimout = \"2s\"\nmax_symbols = \"many\"\ntimeout = 2\nlisten = \"nowhere\"\n\
                [fold]\nrequird = 2\nbelow_quorum = \"maybe\"\n[class.bonds]\n[servr]\n\
                [sources.krakn]\n[sources.kraken]\nbatch = \"x\"\nlimits = [\"5/week\", \"1/s\", \"often\"]\nhedders = { a = \"b\" }\n\
                [sources.desk]\nclasses = [\"equty\", \"index\"]\nurl = 5\njq = '.['\n";
    let found: Vec<(usize, String)> = places(text);
    let found: Vec<(usize, &str)> = found.iter().map(|(line, key)| (*line, key.as_str())).collect();
    let expected = [
        (2, "server.timout"),
        (3, "server.max_symbols"),
        (4, "server.timeout"),
        (5, "server.listen"),
        (7, "fold.requird"),
        (8, "fold.below_quorum"),
        (9, "class.bonds"),
        (10, "servr"),
        (11, "sources.krakn"),
        (13, "sources.kraken.batch"),
        (14, "sources.kraken.limits"),
        (14, "sources.kraken.limits"),
        (15, "sources.kraken.hedders"),
        (17, "sources.desk.classes"),
        (18, "sources.desk.url"),
        (19, "sources.desk.jq"),
    ];
    assert_eq!(found, expected);
}

#[test]
fn what_follows_from_a_value_that_cannot_be_read_is_not_reported_beside_it() {
    let own = |lines: &str| format!("{DESK}url = \"https://x.test/{{symbols}}\"\n{lines}\n");
    let alone = [
        "[server]\ntimeout = 12\nmax_timeout = \"1s\"\n".to_owned(),
        "[server]\ntimeout = 9\n[sources.kraken]\ntimeout = \"4s\"\n".to_owned(),
        "[server]\nsymbols = \"AAPL\"\n[watch]\nsymbols = [\"BTC-USD\"]\n".replace("\"AAPL\"", "5"),
        "[freshness]\nusable_for = 3600\nrefresh_after = \"5m\"\n".to_owned(),
        "[symbols.WORLD]\nspelled = \"0P\"\n[watch]\nsymbols = [\"WORLD\"]\n".to_owned(),
        "[sources]\ndesk = \"planted\"\n[sources.second]\nlike = \"desk\"\n".to_owned(),
        "[sources.second]\nlike = 5\n".to_owned(),
        own("key = 5\nheaders = { a = \"{key}\" }"),
        own("reply = 5\nseparator = \";\""),
        "[sources.desk]\nclasses = \"equity\"\nurl = \"https://x.test/{symbols}\"\njq = '.'\nsymbols = [\"BTC-USD\"]\n"
            .to_owned(),
    ];
    for text in alone {
        let found = errors(&text, &[]);
        assert_eq!(found.len(), 1, "{text}{found:#?}");
    }
}

#[test]
fn lines_that_are_no_toml_are_reported_together_with_unknown_keys() {
    let text = "[server]\nlisten = 127.0.0.1:8080\ntimeout = 2s\ntimout = 3\ncacheable = yes\n[fold]\nrequired = two\nrequired = 3\n";
    let found: Vec<usize> = places(text).into_iter().map(|(line, _)| line).collect();
    assert_eq!(found, [2, 3, 4, 5, 7, 8]);
    let listen = &errors(text, &[])[0];
    assert!(listen.message.contains("write text in quotes"), "{listen}");
    // an open bracket says nothing about the lines after it
    assert_eq!(places("[server]\nsymbols = [\"a\"\ntimeout = 2s\n[fold]\nx = 1\n").len(), 1);
}

#[test]
fn a_secret_in_a_line_that_is_no_toml_is_not_repeated() {
    for line in [
        "key = planted-one",
        "key: \"planted-one\"",
        "key = \"planted-one",
        "key = 'planted'one'",
        "key = \"planted\\one\"",
        "planted-one",
        "key = [planted-one]",
        "headers = { authorization = planted-one }",
        "headers = { x = 1, x-planted = planted }",
        "key = \"planted-one\"\nkey = \"planted-two\"",
        "body = 12345planted",
    ] {
        for error in errors(&format!("[sources.finnhub]\n{line}\n"), &[]) {
            assert!(!error.to_string().contains("planted"), "{line}: {error}");
        }
    }
}

#[test]
fn a_secret_of_the_wrong_type_is_not_repeated() {
    for line in [
        "key = 31337",
        "key = [\"31337-in-a-list\"]",
        "secret = 31337",
        "headers = { x-any = 31337 }",
        "headers = 31337",
        "headers = [\"31337\"]",
        "body = 31337",
        "body = { token = 31337 }",
        "instruments = \"31337\"",
    ] {
        for error in errors(&format!("[sources.kraken]\n{line}\n"), &[]) {
            assert!(!error.to_string().contains("31337"), "{line}: {error}");
        }
    }
    for error in errors("[access]\nkeys = [31337]\n", &[]) {
        assert!(!error.to_string().contains("31337"), "{error}");
    }
}

#[test]
fn a_file_with_more_mistakes_than_anybody_reads_ends_all_the_same() {
    let text: String = (0..5_000).map(|at| format!("key{at} = 1\n")).collect();
    assert_eq!(errors(&text, &[]).len(), 100);
    assert!(load_text("[server]\n", &[]).is_ok());
}
