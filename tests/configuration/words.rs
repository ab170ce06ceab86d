//! Errors speak in the words of the file: what to write is written out.

use crate::{DESK, errors, load_text};

fn own(line: &str) -> String {
    format!("{DESK}url = \"https://x.test/{{symbols}}\"\n{line}\n")
}

#[test]
fn a_value_without_its_quotes_or_its_unit_is_answered_with_what_to_write() {
    let cases = [
        ("[server]\ntimeout = 2".to_owned(), "2 has no unit; write text in quotes, such as \"2s\""),
        ("[server]\ntimeout = 1.5".to_owned(), "such as \"1500ms\""),
        ("[server]\nwait = 150".to_owned(), "\"150ms\""),
        ("[fold]\noutlier_beyond = 2".to_owned(), "\"2%\""),
        ("[fold]\noutlier_beyond = 0.5".to_owned(), "such as \"0.5%\", or \"50%\" if it is a fraction"),
        (own("limits = 10"), "write a limit such as \"10/s\", or a list"),
        (own("limits = [10]"), "\"10/s\" or \"10/min\""),
        ("[access]\nrate = 20".to_owned(), "\"20/s\""),
        (own("max_body = 262144"), "\"262144\" for bytes"),
        ("[server]\nlisten = 8080".to_owned(), "8080 is a number; write text in quotes: \"127.0.0.1:8080\""),
        ("[server]\nmax_symbols = \"100\"".to_owned(), "without quotes: 100"),
        ("[server]\ncacheable = \"yes\"".to_owned(), "\"yes\" is text; write true or false, without quotes"),
        ("[server]\ncacheable = 1".to_owned(), "1 is a number; write true or false"),
        (own("classes = \"equity\"").replacen("classes = [\"equity\"]\n", "", 1), "write a list: [\"equity\"]"),
        ("[watch]\nsymbols = \"AAPL\"".to_owned(), "write a list: [\"AAPL\"]"),
        (own("role = true"), "write one word in quotes"),
        ("server = 5".to_owned(), "write a section with keys of its own: [server]"),
        ("[[server]]\nlisten = \"127.0.0.1:1\"".to_owned(), "write a section, [server]"),
        ("server = [\"127.0.0.1:1\"]".to_owned(), "write a section, [server]"),
        ("[[sources.kraken]]\ntimeout = \"1s\"".to_owned(), "write a section, [sources.kraken]"),
        (own("instruments = [\"https://x.test\"]"), "write a section, [sources.desk.instruments]"),
        ("listen = \"127.0.0.1:1\"".to_owned(), "write this line below [server]"),
        ("[fold]\nusable_for = \"1m\"".to_owned(), "usable_for belongs under [freshness]"),
        ("[server]\nport = 8080".to_owned(), "did you mean `listen`?"),
        ("[server]\nLISTEN = \"127.0.0.1:1\"".to_owned(), "did you mean `listen`?"),
        ("[fold]\nquorum = 2".to_owned(), "did you mean `required`?"),
        ("[auth]\nkeys = []".to_owned(), "did you mean `access`?"),
        ("[class.forex]\nrequired = 1".to_owned(), "did you mean `fx`?"),
        (own("method = \"get\""), "did you mean `GET`?"),
        (own("role = \"backup\""), "did you mean `reserve`?"),
        ("[sources.kraken]\nrate_limit = \"1/s\"".to_owned(), "did you mean `limits`?"),
        ("[symbols.BRK.B]\ncurrency = \"USD\"".to_owned(), "stands in quotes: [symbols.\"BRK.B\"]"),
        ("[sources]\nenabled = [\"kraken\"]".to_owned(), "a section of its own, such as [sources.kraken]"),
        ("[sources.finnhub]\nkey = \"$FINNHUB_KEY\"".to_owned(), "write ${NAME}"),
        (own("[[sources.desk.examples]]\nabout = \"x\"\nbody = \"[]\""), "`asked` is missing here"),
        ("[server]\ntimeout = \"2s\",".to_owned(), "a line has no comma at its end"),
        ("[server]\n// listen".to_owned(), "a comment begins with #"),
        ("[server]\n[watch]\n[server]\n".to_owned(), "is there already; keep one"),
        ("[server]\nlisten = \u{201c}127.0.0.1:1\u{201d}".to_owned(), "use plain quotation marks"),
    ];
    for (text, words) in cases {
        let found = errors(&text, &[]);
        assert_eq!(found.len(), 1, "{text}\n{found:#?}");
        assert!(found[0].message.contains(words), "{text}\n{}", found[0]);
    }
}

#[test]
fn one_limit_needs_no_list() {
    let settings = load_text(&own("limits = \"5/min\""), &[("QUOTEFOLD_SOURCES__KRAKEN__LIMITS", "2/s")]).unwrap();
    let limits = |name: &str| settings.sources.iter().find(|source| source.name == name).unwrap().limits.clone();
    assert_eq!((limits("desk").len(), limits("desk")[0].to_string().as_str()), (1, "5/min"));
    assert_eq!(limits("kraken")[0].to_string(), "2/s");
}

#[test]
fn an_error_names_the_key_that_was_written_and_not_one_of_the_catalogue() {
    let cases = [
        // kraken asks for twenty symbols at once, and its `batch` is nowhere in the file
        ("[sources.kraken]\nurl = \"https://x.test/{symbol}\"", 2, "sources.kraken.url", "batch: it is 20"),
        (
            "[sources.kraken]\ntimeout = \"1s\"\nmethod = \"GET\"\nbody = \"{}\"",
            4,
            "sources.kraken.body",
            "a GET has no body",
        ),
    ];
    for (text, line, key, words) in cases {
        let found = errors(text, &[]);
        assert_eq!(found.len(), 1, "{text}\n{found:#?}");
        assert_eq!((found[0].line, found[0].key.as_str()), (Some(line), key), "{}", found[0]);
        assert!(found[0].message.contains(words), "{}", found[0]);
    }
}

#[test]
fn a_fault_that_is_taken_over_is_reported_once() {
    let text = own("headers = { a = \"{nonsense}\" }") + "[sources.second]\nlike = \"desk\"\n";
    let found = errors(&text, &[]);
    assert_eq!((found.len(), found[0].key.as_str()), (1, "sources.desk.headers.a"), "{found:#?}");
}
