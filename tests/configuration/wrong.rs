//! Errors in the configuration: where, what is wrong, and what to do.

use quotefold::provider::catalogue::catalogue;
use quotefold::settings::error::ConfigErrors;
use quotefold::settings::load::{LoadOptions, load};

use crate::{DESK, TempFile, authority, errors};

#[test]
fn a_wrong_configuration_is_named_by_line_key_and_cure() {
    let desk = |line: &str| format!("{DESK}{line}\n");
    let url = |url: &str| desk(&format!("url = \"{url}\""));
    let own = |line: &str| desk(&format!("url = \"https://x.test/{{symbols}}\"\n{line}"));
    let listing = |rest: &str| format!("instruments = {{ url = \"https://x.test/all\"{rest} }}");
    let pem = |body: &str| TempFile::new(&format!("-----BEGIN CERTIFICATE-----\n{body}\n-----END CERTIFICATE-----\n"));
    let (not_pem, damaged, other) = (TempFile::new("-----BEGIN"), pem("!"), pem("AAAA"));
    let authority = TempFile::new(&authority());
    let cases: Vec<(String, usize, &str, &str)> = vec![
        ("[server]\nlisten = ".into(), 2, "", "this is not TOML"),
        ("[server]\ntimout = \"2s\"".into(), 2, "server.timout", "did you mean `timeout`?"),
        ("[servr]".into(), 1, "servr", "did you mean `server`?"),
        ("[fold]\nusable_for = \"5m\"".into(), 2, "fold.usable_for", "allowed: `required`"),
        ("\n[server]\nmax_symbols = \"many\"".into(), 3, "server.max_symbols", "a whole number"),
        ("[server]\nmax_symbols = -1".into(), 2, "server.max_symbols", "a whole number"),
        ("[server]\ntimeout = 2".into(), 2, "server.timeout", "text in quotes"),
        ("[server]\ntimeout = \"2 seconds\"".into(), 2, "server.timeout", "such as \"600ms\""),
        ("[fold]\noutlier_beyond = \"2\"".into(), 2, "fold.outlier_beyond", "such as \"2%\""),
        ("[fold]\nbook_within = \"51%\"".into(), 2, "fold.book_within", "write 50% or less"),
        ("[class.fund]\nbook_within = \"1%\"".into(), 2, "class.fund.book_within", "always ignored"),
        ("[fold]\nbelow_quorum = \"maybe\"".into(), 2, "fold.below_quorum", "`refuse`, `degrade`"),
        ("[freshness]\nrefresh = \"off\"".into(), 2, "freshness.refresh", "`awaited`, `background`"),
        ("[fold]\nrefresh = \"background\"".into(), 2, "fold.refresh", "allowed: `required`"),
        ("[class.bonds]\nrequired = 1".into(), 1, "class.bonds", "`equity`"),
        (own("format = 5"), 5, "sources.desk.format", "{base}{quote}"),
        ("[class.crypto]\nbare_currency = \"USD\"".into(), 2, "class.crypto.bare_currency", "[class.equity]"),
        ("[class.equity]\nbare_currency = \"GBp\"".into(), 2, "class.equity.bare_currency", "such as \"USD\""),
        ("[symbols.\"*.L\"]\nspelled = { yahoo = \"X\" }".into(), 2, "symbols.\"*.L\".spelled", "share no name"),
        ("[symbols.\"*.L\"]\ncurrency = \"GBX\"".into(), 2, "symbols.\"*.L\".currency", "write GBP here"),
        ("[symbols.\"* L\"]\ncurrency = \"GBP\"".into(), 1, "symbols.\"* L\"", "is not a symbol pattern"),
        ("[symbols.\"*.L\"]".into(), 1, "symbols.\"*.L\"", "this section is empty"),
        (own("units = { L = \"pence\" }"), 5, "sources.desk.units.L", "neither a currency nor a part of one"),
        (own("units = { USDT = \"milli\" }"), 5, "sources.desk.units.USDT", "[sources.desk.multiplied]"),
        (own("units = { l = \"GBp\" }"), 5, "sources.desk.units.l", "no exchange's suffix"),
        (own("multiplied = { PEPE = 1 }"), 5, "sources.desk.multiplied.PEPE", "2 to 1000000000"),
        (
            own("spelled = { \"PEPE-USDT\" = \"PEPEUSDT\" }\nmultiplied = { PEPE = 1000 }"),
            5,
            "sources.desk.spelled.PEPE-USDT",
            "does not contain 1000PEPE",
        ),
        (own("multiplied = { PEPE = 0 }"), 5, "sources.desk.multiplied.PEPE", "2 to 1000000000"),
        (own("multiplied = { pepe = 1000 }"), 5, "sources.desk.multiplied.pepe", "not the base of a pair"),
        (own("multiplied = { PEPE = \"1000\" }"), 5, "sources.desk.multiplied.PEPE", "a whole number"),
        (own(&listing("")), 5, "sources.desk.instruments.filter", "a list needs `filter`"),
        (own("instruments = { filter = \".[]\" }"), 5, "sources.desk.instruments.url", "a list needs `url`"),
        (own(&listing(", filter = \".[\"")), 5, "sources.desk.instruments.filter", "does not compile"),
        (own(&listing(", filter = \".\", every = \"10m\"")), 5, "sources.desk.instruments.every", "write 2h or more"),
        (own(&listing(", filter = \".\", timeout = \"0s\"")), 5, "sources.desk.instruments.timeout", "up to 60s"),
        (own(&listing(", filter = \".\", cost = 0")), 5, "sources.desk.instruments.cost", "write 1 or more"),
        (own(&listing(", filter = \".\", max_body = \"65MiB\"")), 5, "sources.desk.instruments.max_body", "64MiB"),
        (own(&listing(", filter = \".\", halted = [\"\"]")), 5, "sources.desk.instruments.halted", "no status"),
        (own(&listing(", filter = \".\", halt = 1")), 5, "sources.desk.instruments.halt", ""),
        (own("decimal = \";\""), 5, "sources.desk.decimal", "`,`"),
        (own("charset = \"klingon\""), 5, "sources.desk.charset", "\"windows-1251\""),
        (own("charset = \"utf-16le\""), 5, "sources.desk.charset", "cannot be stated"),
        (own("reply = \"csv\"\nseparator = \";;\""), 6, "sources.desk.separator", "cannot separate columns"),
        (own("separator = \";\""), 5, "sources.desk.separator", "write reply = \"csv\" too"),
        (own("fiat = [\"EUR\", \"USDT\"]"), 5, "sources.desk.fiat", "\"USDT\" is not a currency"),
        (own("limits = [\"5/week\"]"), 5, "sources.desk.limits", "\"25/day\""),
        // errors that are found after parsing
        ("[server]\nlisten = \"8080\"".into(), 2, "server.listen", "\"127.0.0.1:8080\""),
        ("[server]\nmax_symbols = 0".into(), 2, "server.max_symbols", "write 1 to"),
        ("[server]\nsymbols = []".into(), 2, "server.symbols", "[\"*\"]"),
        ("[server]\nproxy = \"proxy.test:3128\"".into(), 2, "server.proxy", "\"http://proxy.internal:3128\""),
        (own("proxy = \"socks5://me:pass@proxy.test\""), 5, "sources.desk.proxy", "\"socks5://***@proxy.test\" leaves"),
        (own("proxy = \"http://me:pass@proxy.test/x\""), 5, "sources.desk.proxy", "a proxy has no path"),
        ("[server]\nsymbols = [\"!\"]".into(), 2, "server.symbols", "is not a symbol pattern"),
        ("[server]\ntimeout = \"20s\"".into(), 2, "server.timeout", "10s or less"),
        ("[server]\nwait = \"fast\"".into(), 2, "server.wait", "write all, quorum, or how long"),
        ("[server]\nwait = 150".into(), 2, "server.wait", "text in quotes"),
        ("[server]\nwait = \"11s\"".into(), 2, "server.wait", "longer than max_timeout = 10s"),
        ("[server]\nmax_timeout = \"1s\"".into(), 2, "server.max_timeout", "raise max_timeout"),
        ("[access]\nkey = \"x\"".into(), 2, "access.key", "did you mean `keys`?"),
        ("[access]\nkeys = \"a-key-without-its-list\"".into(), 2, "access.keys", "write a list"),
        ("[access]\nkeys = [\"fifteen-letters\"]".into(), 2, "access.keys", "openssl rand -hex 32"),
        ("[access]\nkeys = [\"\"]".into(), 2, "access.keys", "an empty key admits every caller"),
        (
            "[sources.kraken]\nfiat = [\"usd\", \"USd\"]".into(),
            2,
            "sources.kraken.fiat",
            "\"USd\" is not a currency of ISO 4217",
        ),
        ("[sources.kraken]\ncurrencies = [\"GBp\"]".into(), 2, "sources.kraken.currencies", "a part of GBP"),
        (
            "[symbols.\"VOD.L\"]\ncurrency = \"USd\"".into(),
            2,
            "symbols.\"VOD.L\".currency",
            "written like a part of USD",
        ),
        ("[server]\nlisten = \"unix:quotefold.sock\"".into(), 2, "server.listen", "the whole path of a socket"),
        ("[access]\nadmin_listen = \"unix:/run/\"".into(), 2, "access.admin_listen", "the whole path of a socket"),
        ("[server]\nproxy_protocol = true".into(), 2, "server.proxy_protocol", "no client could connect"),
        (
            "[server]\nproxy_protocol = true\n[access]\ntrusted_proxies = [\"unix\"]".into(),
            2,
            "server.proxy_protocol",
            "list networks for a port",
        ),
        (
            "[server]\nproxy_protocol = true\nlisten = \"unix:/run/q.sock\"\n[access]\ntrusted_proxies = [\"10.0.0.0/8\"]".into(),
            2,
            "server.proxy_protocol",
            "\"unix\" for a unix: socket",
        ),
        ("[access]\nadmin_proxy_protocol = true".into(), 2, "access.admin_proxy_protocol", "no client could connect"),
        ("[access]\nadmin_tls = true".into(), 2, "access.admin_tls", "there is no certificate"),
        ("[server]\ncertificate_file = \"/nowhere/a.crt\"".into(), 2, "server.certificate_file", "set key_file, too"),
        ("[server]\nkey_file = \"/nowhere/a.key\"".into(), 2, "server.key_file", "set certificate_file, too"),
        (
            "[server]\ncertificate_file = \"/nowhere/a.crt\"\nkey_file = \"/nowhere/a.key\"".into(),
            2,
            "server.certificate_file",
            "cannot be read",
        ),
        ("[server]\nidle_timeout = \"1s\"".into(), 2, "server.idle_timeout", "write that or more"),
        ("[server]\nidle_timeout = \"2h\"".into(), 2, "server.idle_timeout", "write 1h or less"),
        ("[access]\nkeys = [\"***\"]".into(), 2, "access.keys", "is the mask of a hidden key"),
        ("[access]\nkeys = [\"a key with spaces in it\"]".into(), 2, "access.keys", "cannot be sent"),
        ("[access]\nkeys = [\"${NO_SUCH_KEY}\"]".into(), 2, "access.keys", "NO_SUCH_KEY is not set"),
        ("[access]\nrate = 20".into(), 2, "access.rate", "a limit such as \"20/s\", or a list"),
        ("[access]\nrate = \"20\"".into(), 2, "access.rate", "\"25/day\""),
        ("[access]\nrate = [\"20/s\", \"200000/day\"]".into(), 2, "access.rate", "write at most 100000"),
        ("[access]\ntrusted_proxies = [\"proxy\"]".into(), 2, "access.trusted_proxies", "\"10.0.0.0/8\""),
        ("[access]\ntrusted_proxies = [\"0.0.0.0/0\"]".into(), 2, "access.trusted_proxies", "trusts every client"),
        ("[access]\ncors = [\"https://x.test/\"]".into(), 2, "access.cors", "an origin has no \"/\""),
        ("[access]\ncors = [\"*\", \"https://x.test\"]".into(), 2, "access.cors", "write it alone"),
        ("[access]\nhosts = [\"https://x.test\"]".into(), 2, "access.hosts", "without scheme and port"),
        ("[access]\nhosts = [\"x.test:9090\"]".into(), 2, "access.hosts", "is not a host name"),
        ("[access]\nadmin_listen = \"9090\"".into(), 2, "access.admin_listen", "\"127.0.0.1:9090\""),
        ("[access]\nadmin_listen = \"127.0.0.1:8080\"".into(), 2, "access.admin_listen", "choose another port"),
        (
            "[freshness]\nusable_for = \"1h\"".into(),
            2,
            "freshness.usable_for",
            "from short to long: refresh_after, usable_for",
        ),
        ("[class.fx]\nrefresh_after = \"1h\"".into(), 2, "class.fx.refresh_after", "longer than usable_for = 10m"),
        (
            "[freshness]\nclosed_for = \"1m\"".into(),
            2,
            "freshness.closed_for",
            "for equity, index: usable_for = 25m is longer than closed_for = 1m; for fund: ",
        ),
        ("[fold]\nrequired = 0".into(), 2, "fold.required", "write 1 to 100"),
        ("[fold]\ndisagree_beyond = \"80%\"".into(), 2, "fold.disagree_beyond", "50% or less"),
        ("[symbols.\"A B\"]\ncurrency = \"USD\"".into(), 1, "symbols.\"A B\"", "a symbol consists of"),
        ("[symbols.BTC-USD]\ncurrency = \"EUR\"".into(), 2, "symbols.BTC-USD.currency", "remove this line"),
        ("[symbols.\"VWCE.DE\"]\nisin = \"IE00BK5BQT81\"".into(), 2, "symbols.\"VWCE.DE\".isin", "would have to be 0"),
        ("[symbols.\"VWCE.DE\"]\nisin = \"A2PKXG\"".into(), 2, "symbols.\"VWCE.DE\".isin", "is no ISIN: that is"),
        ("[symbols.AAPL]\nisin = \"BBG000B9XRY4\"".into(), 2, "symbols.AAPL.isin", "is a FIGI and no ISIN"),
        ("[symbols.\"*.DE\"]\nisin = \"IE00BK5BQT80\"".into(), 2, "symbols.\"*.DE\".isin", "share no ISIN"),
        ("[symbols.BTC-USD]\nisin = \"IE00BK5BQT80\"".into(), 2, "symbols.BTC-USD.isin", "neither a share nor a fund"),
        (
            "[symbols.\"^GSPC\"]\nisin = \"US78378X1072\"".into(),
            2,
            "symbols.\"^GSPC\".isin",
            "neither a share nor a fund",
        ),
        (
            "[symbols.IE00BK5BQT80]\nisin = \"IE00BK5BQT80\"".into(),
            2,
            "symbols.IE00BK5BQT80.isin",
            "write the ticker in its place",
        ),
        (
            "[symbols.\"VWCE.DE\"]\nisin = \"IE00BK5BQT80\"\n[symbols.\"VWRA.L\"]\nisin = \"ie00bk5bqt80\"".into(),
            4,
            "symbols.\"VWRA.L\".isin",
            "is the ISIN of VWCE.DE already",
        ),
        (
            "[symbols.IE00BK5BQT80]\ncurrency = \"EUR\"\n[symbols.\"VWCE.DE\"]\nisin = \"IE00BK5BQT80\"".into(),
            1,
            "symbols.IE00BK5BQT80",
            "write its lines in [symbols.\"VWCE.DE\"]",
        ),
        (
            own("batch = 2\nurl = \"https://x.test/{isin}\"").replace("url = \"https://x.test/{symbols}\"\n", ""),
            4,
            "sources.desk.batch",
            "write {isins}",
        ),
        (
            "[server]\nsymbols = [\"*\", \"!ie00bk5bqt80\"]\n[symbols.\"VWCE.DE\"]\nisin = \"IE00BK5BQT80\"".into(),
            2,
            "server.symbols",
            "is VWCE.DE here",
        ),
        ("[watch]\nevery = \"500ms\"".into(), 2, "watch.every", "write 1s to 1d"),
        ("[watch]\nsymbols = [\"A B\"]".into(), 2, "watch.symbols", "a symbol consists of"),
        (
            "[server]\nsymbols = [\"ETH-*\"]\n[watch]\nsymbols = [\"ETH-USD\", \"AAPL\"]".into(),
            4,
            "watch.symbols",
            "server.symbols does not allow AAPL",
        ),
        ("[state]\npath = \"\"".into(), 2, "state.path", "such as \"/var/lib/quotefold/state.json\""),
        ("[state]\npath = \"/var/lib/\"".into(), 2, "state.path", "is not a file"),
        ("[log]\nlevel = \"loud\"".into(), 2, "log.level", "\"loud\" is not a level; write error, warn"),
        ("[log]\nlevel = \"\"".into(), 2, "log.level", "error, warn, info"),
        ("[log]\nlevel = \"quotefold=loud\"".into(), 2, "log.level", "error, warn, info"),
        ("[sources.krakn]".into(), 1, "sources.krakn", "did you mean kraken?"),
        (
            "[sources.kraken]\ntimeout = \"3s\"".into(),
            2,
            "sources.kraken.timeout",
            "2s or less, or raise server.timeout",
        ),
        ("[sources.finnhub]".into(), 1, "sources.finnhub.key", "set the variable FINNHUB_API_KEY"),
        ("[sources.finnhub]\nkey = \"${NOBODY}\"".into(), 2, "sources.finnhub.key", "the variable NOBODY is not set"),
        ("[sources.finnhub]\nkey = \"${file:/no/where}\"".into(), 2, "sources.finnhub.key", "cannot be read"),
        ("[sources.finnhub]\nkey = \"${file:/dev/zero}\"".into(), 2, "sources.finnhub.key", "it is not a regular file"),
        ("[sources.kraken]\nbatch = 0".into(), 2, "sources.kraken.batch", "write 1 to"),
        (
            "[sources.kraken]\nbase_url = \"127.0.0.1:9001\"".into(),
            2,
            "sources.kraken.base_url",
            "http://127.0.0.1:9001",
        ),
        (own("base_url = 5"), 5, "sources.desk.base_url", "write a URL in quotes, or a list of them for mirrors"),
        (own("base_url = [5]"), 5, "sources.desk.base_url", "text in quotes"),
        (
            own("base_url = [\"https://a.test\", \"http://b.test\"]\nkey = \"k-123456\"\nheaders = { x = \"{key}\" }"),
            5,
            "sources.desk.base_url",
            "write https:// in all of them",
        ),
        (own("base_url = []"), 5, "sources.desk.base_url", "the list is empty; write an address"),
        (
            own("base_url = [\"https://a.test\", \"https://me:pass@\"]"),
            5,
            "sources.desk.base_url",
            "\"https://***@\" is not a URL (empty host)",
        ),
        (
            own("base_url = [\"https://a.test\", \"b.test\"]"),
            5,
            "sources.desk.base_url",
            "\"b.test\" is not a URL; write one such as",
        ),
        (
            own("base_url = [\"https://a.test\", \"https://b.test\", \"https://A.test/\"]"),
            5,
            "sources.desk.base_url",
            "\"https://A.test/\" is listed twice",
        ),
        (
            own("base_url = [\"https://{key}.a.test\", \"https://b.test\"]"),
            4,
            "sources.desk.url",
            "{key} is used here, but there is no key",
        ),
        (
            own("base_url = \"https://api.kraken.com\"\npropagate = true"),
            6,
            "sources.desk.propagate",
            "api.kraken.com is a vendor's, who must not be told of requests here; remove this line",
        ),
        ("[sources.kraken]\npropagate = true\n".to_owned(), 2, "sources.kraken.propagate", "remove this line"),
        (own("propagate = \"yes\""), 5, "sources.desk.propagate", "true or false"),
        (own("ca_file = \"/no/where.pem\""), 5, "sources.desk.ca_file", "\"/no/where.pem\" cannot be read"),
        (own(&format!("ca_file = {:?}", not_pem.0)), 5, "sources.desk.ca_file", "no -----BEGIN CERTIFICATE-----"),
        (own(&format!("ca_file = {:?}", damaged.0)), 5, "sources.desk.ca_file", "is damaged"),
        (own(&format!("ca_file = {:?}", other.0)), 5, "sources.desk.ca_file", "certificate 1 in the file"),
        (
            own(&format!("base_url = \"http://a.test\"\nca_file = {:?}", authority.0)),
            6,
            "sources.desk.ca_file",
            "which no URL of this source has",
        ),
        ("[sources.a]\nlike = \"b\"".into(), 2, "sources.a.like", "there is no source \"b\""),
        ("[sources.a]\nlike = \"a\"".into(), 2, "sources.a.like", "in a circle"),
        (own("[symbols.WORLD]\nspelled = { yaho = \"0P\" }"), 6, "symbols.WORLD.spelled", "did you mean yahoo?"),
        (own("[sources.Desk_2]\nlike = \"desk\""), 5, "sources.Desk_2", "lower-case letters, digits, hyphens"),
        (DESK.into(), 1, "sources.desk", "it has no url"),
        (url("ftp://x.test/{symbols}"), 4, "sources.desk.url", "starts with https://"),
        (url("x.test/{symbols}"), 4, "sources.desk.url", "starts with https://"),
        (url("https://x.test/"), 4, "sources.desk.url", "write {symbols}"),
        (url("https://x.test/{ticker}/{symbols}"), 4, "sources.desk.url", "the placeholders are {symbols}"),
        (url("https://x.test/{symbols}?k={key}"), 4, "sources.desk.url", "set key ="),
        (own("headers = { x = \"{ticker}\" }"), 5, "sources.desk.headers.x", "{key} {secret}"),
        (own("format = \"{ticker}\""), 5, "sources.desk.format", "{symbol} {base}"),
        ("[sources.kraken]\njq = '.result |'".into(), 2, "sources.kraken.jq", "line 1, column "),
        ("[sources.kraken]\njq = 'env'".into(), 2, "sources.kraken.jq", "line 1, column 1"),
        ("[symbols.vtsax]\n".into(), 1, "symbols.vtsax", "class = \"fund\""),
        ("[sources.kraken]\nbase_url = \"ftp://me:pass@x\"".into(), 2, "sources.kraken.base_url", "\"ftp://***@x\""),
        (own("method = \"GET\"\nbody = \"{symbols}\""), 6, "sources.desk.body", "add method = \"POST\""),
        (own("refresh_after = \"6h\""), 5, "sources.desk.refresh_after", "(25m, lag included)"),
    ];
    for (text, line, key, cure) in cases {
        let errors = errors(&text, &[]);
        assert_eq!(errors.len(), 1, "{text}\n{errors:#?}");
        let error = &errors[0];
        assert_eq!(error.file, "quotefold.toml");
        assert_eq!((error.line, error.key.as_str()), (Some(line), key), "{text}\n{error}");
        assert!(error.message.contains(cure), "{text}\n{error}");
        assert!(error.to_string().contains(&format!(": line {line}: ")), "{error}");
    }
}

#[test]
fn all_errors_after_parsing_are_reported_together_in_the_order_of_the_file() {
    let text = "[server]\nlisten = \"nowhere\"\n[fold]\nrequired = 0\n[sources.krakn]\n[sources.coinbase]\ntimeout = \"5s\"\n\
                [sources.desk]\nclasses = [\"equity\"]\njq = '.'\nurl = \"ftp://x/{symbols}\"\nheaders = { a = \"${MISSING}\" }\n\
                [sources.a]\nlike = \"b\"\n[sources.b]\nlike = \"a\"\n";
    let variables = [("QUOTEFOLD_SERVER__MAX_SYMBOLS", "0"), ("QUOTEFOLD_SERVER__", "x")];
    let errors = errors(text, &variables);
    let keys: Vec<&str> = errors.iter().map(|error| error.key.as_str()).collect();
    let expected = [
        "server.listen",
        "fold.required",
        "sources.krakn",
        "sources.coinbase.timeout",
        "sources.desk.url",
        "sources.desk.headers.a",
        "sources.a.like",
        "sources.b.like",
        "server.",
        "server.max_symbols",
    ];
    assert_eq!(keys, expected, "{errors:#?}");
    assert_eq!(ConfigErrors(errors).to_string().split("\n\n").count(), expected.len());
}

#[test]
fn a_variable_that_is_wrong_is_named() {
    let cases = [
        ("QUOTEFOLD_SERVER__TIMEOUT", "2", "server.timeout", "such as \"600ms\""),
        ("QUOTEFOLD_SERVER__MAX_SYMBOLS", "many", "server.max_symbols", "a whole number"),
        ("QUOTEFOLD_SERVER__TIMOUT", "2s", "server.timout", "did you mean `timeout`?"),
        ("QUOTEFOLD_SERVICES__PORT", "80", "services.port", "allowed: `server`"),
        ("QUOTEFOLD_SERVER__LISTEN__PORT", "80", "server.listen.port", "matches no key"),
        ("QUOTEFOLD_SOURCES__KRAKN__TIMEOUT", "1s", "sources.krakn", "did you mean kraken?"),
        ("QUOTEFOLD_UNOFFICIAL", "yes", "", "1 or 0"),
        ("QUOTEFOLD_SOURCES__KRAKEN__TIMEOUT", "9s", "sources.kraken.timeout", "2s or less"),
    ];
    for (name, value, key, cure) in cases {
        let errors = errors("[server]\nlisten = \"127.0.0.1:0\"", &[(name, value)]);
        assert_eq!(errors.len(), 1, "{name}: {errors:#?}");
        assert_eq!((errors[0].file.as_str(), errors[0].line, errors[0].key.as_str()), (name, None, key), "{errors:#?}");
        assert!(errors[0].message.contains(cure), "{}", errors[0]);
    }
    let options = LoadOptions { listen: Some("nowhere".into()), ..LoadOptions::default() };
    assert_eq!(load(&options).unwrap_err().0[0].file, "--listen");
}

#[test]
fn a_key_that_is_written_one_level_too_high_is_not_shown() {
    let high = [
        ("[sources]\nfinnhub = \"s3cret-key\"", "sources.finnhub"),
        ("[sources.kraken]\nheaders = \"Bearer s3cret-key\"", "sources.kraken.headers"),
        ("sources = \"s3cret-key\"", "sources"),
    ];
    for (text, key) in high {
        let found = errors(text, &[]);
        assert_eq!((found.len(), found[0].key.as_str()), (1, key), "{text}");
        assert!(!found[0].to_string().contains("s3cret"), "{}", found[0]);
    }
    let found = errors("", &[("QUOTEFOLD_SOURCES__FINNHUB", "s3cret-key")]);
    assert!(!found[0].to_string().contains("s3cret"), "{}", found[0]);
}

#[test]
fn an_error_in_a_variables_list_names_the_variable() {
    let text = "[server]\ntimeout = \"2s\"\n[sources.kraken]";
    for list in ["[\"1/s\", \"5/week\"]", "[5]", "[\"1/s\", [\"1/s\"]]"] {
        let found = errors(text, &[("QUOTEFOLD_SOURCES__KRAKEN__LIMITS", list)]);
        let place = (found[0].file.as_str(), found[0].line, found[0].key.as_str());
        assert_eq!(place, ("QUOTEFOLD_SOURCES__KRAKEN__LIMITS", None, "sources.kraken.limits"), "{list}");
    }
    // and its text is taken literally
    let found = errors(text, &[("QUOTEFOLD_SOURCES__KRAKEN__LIMITS", "[\"${NOT_SET}\"]")]);
    assert!(found[0].message.contains("not a limit"), "{}", found[0]);
}

/// Secrets for the wrong place, with characters at which parsers split texts and which messages use.
const MISPLACED: [&str; 8] = [
    "Planted-Key-0123456789abcdef",
    "planted-one\nplanted-two",
    "planted`one`, expected planted`two",
    "planted\"one\\two",
    "planted\u{a0}\u{200b}\u{e9}",
    "planted{one}planted",
    "planted=one,planted=two planted",
    "pw7",
];

#[test]
fn no_error_shows_an_inserted_value_whatever_the_key_makes_of_it() {
    let keys = [
        "lag = @",
        "timeout = @",
        "limits = [@]",
        "symbols = [@]",
        "classes = [@]",
        "currencies = [@]",
        "fiat = [@]",
        "role = @",
        "account = @",
        "method = @",
        "reply = @",
        "max_body = @",
        "batch = @",
        "format = @",
        "format = { crypto = @ }",
        "like = @",
        "base_url = @",
        "base_url = [\"http://a.test\", @]",
        "cost = @",
        "unknown = @",
        "not_found = @",
        "ca_file = @",
        "proxy = @",
        "headers = { x = @ }",
        "units = { L = @ }",
        "ids = { BTC = @ }",
        "url = @",
        "jq = @",
        "body = @",
    ];
    let sections = [
        ("symbols.\"BTC-USD\"", "currency = @"),
        ("symbols.\"BTC-USD\"", "class = @"),
        ("symbols.\"BTC-USD\"", "spelled = { x = @ }"),
        ("symbols.\"BTC-USD\"", "spelled = { nosuch = @ }"),
        ("access", "rate = @"),
        ("access", "rate = [@]"),
        ("access", "trusted_proxies = [@]"),
        ("access", "cors = [@]"),
        ("access", "admin_listen = @"),
        ("log", "level = @"),
        ("log", "format = @"),
        ("log", "requests = @"),
        ("watch", "symbols = [@]"),
        ("watch", "every = @"),
        ("server", "listen = @"),
        ("server", "symbols = [@]"),
        ("server", "proxy = @"),
        ("server", "max_symbols = @"),
        ("fold", "outlier_beyond = @"),
        ("fold", "below_quorum = @"),
        ("class.crypto", "usable_for = @"),
        ("class.equity", "bare_currency = @"),
        ("freshness", "hours = @"),
    ];
    // reading a filter that is not the catalogue's takes longer than everything else in a load
    let filter = toml::Value::from(catalogue()["coinbase"].settings().jq.clone()).to_string();
    let of_sources: String = keys
        .iter()
        .enumerate()
        .map(|(at, key)| {
            let has = |name: &str| key.starts_with(name);
            let url = if has("url") { "" } else { "url = \"http://a.test/{symbols}\"\n" };
            let jq = if has("jq") { String::new() } else { format!("jq = {filter}\n") };
            let classes = if has("classes") { "" } else { "classes = [\"crypto\"]\n" };
            format!("[sources.x{at}]\n{classes}{url}{jq}{key}\n")
        })
        .collect();
    // every section has each key once, so a file has one of each; all of its mistakes are reported together
    let of_sections = (0..).map(|round| in_round(&sections, round)).take_while(|text| !text.is_empty());
    let files: Vec<String> = std::iter::once(of_sources).chain(of_sections).collect();
    let mut refused = 0;
    for (secret, within) in MISPLACED.iter().flat_map(|secret| [(secret, "\"${PUT}\""), (secret, "\"a${PUT}=b\"")]) {
        for template in &files {
            let text = template.replace('@', within);
            let options = LoadOptions {
                text: Some(("x.toml".to_owned(), text.clone())),
                environment: [("PUT".to_owned(), (*secret).to_owned())].into(),
                ..LoadOptions::default()
            };
            let Err(errors) = load(&options) else { continue };
            refused += errors.0.len();
            let shown = errors.to_string().to_lowercase();
            assert!(!shown.contains("plant") && !shown.contains("pw7"), "{text}{secret:?}: {errors}");
        }
    }
    assert!(refused > 300, "only {refused} were refused");
}

/// A file with one key of each section: the first in the first round, and so on; empty if no section has a key for this round.
fn in_round(sections: &[(&str, &str)], round: usize) -> String {
    let mut names: Vec<&str> = sections.iter().map(|(name, _)| *name).collect();
    names.dedup();
    let key = |name: &&str| {
        let (_, key) = sections.iter().filter(|(section, _)| section == name).nth(round)?;
        Some(format!("[{name}]\n{key}\n"))
    };
    names.iter().filter_map(key).collect()
}

#[test]
fn an_error_about_an_inserted_value_still_says_what_is_wrong() {
    let environment = [("SPAN", "9s"), ("LIMIT", "5/week"), ("HOST", "prices.internal")];
    let cases = [
        ("[sources.kraken]\nlimits = [\"${LIMIT}\"]", "\"***\" is not a limit; write N/period with s, min, h"),
        ("[sources.kraken]\ntimeout = \"${SPAN}\"", "2s or less"),
        ("[server]\nlisten = \"${HOST}\"", "\"***\" is not an address; write a host and a port"),
    ];
    for (text, words) in cases {
        let found = errors(text, &environment);
        assert!(found[0].message.contains(words), "{}", found[0]);
    }
}
