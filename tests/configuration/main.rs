//! What an operator can configure, and what errors say.

// the helpers are tests too, which clippy cannot see
#![allow(clippy::unwrap_used, clippy::panic)]
#![allow(clippy::disallowed_methods, reason = "a test may block its thread")]

mod annotated;
mod nonsense;
mod switched;
mod together;
mod words;
mod wrong;

use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};

use quotefold::provider::description::SourceSettings;
use quotefold::settings::Settings;
use quotefold::settings::error::{ConfigError, ConfigErrors};
use quotefold::settings::load::{Environment, LoadOptions, load};
use secrecy::ExposeSecret;

/// A temporary file, removed when it is dropped.
struct TempFile(PathBuf);

impl TempFile {
    fn new(text: &str) -> Self {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let name = format!("quotefold-{}-{}.toml", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let path = std::env::temp_dir().join(name);
        std::fs::write(&path, text).unwrap();
        TempFile(path)
    }
}

impl Drop for TempFile {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

fn environment(variables: &[(&str, &str)]) -> Environment {
    variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

fn load_text(text: &str, variables: &[(&str, &str)]) -> Result<Settings, ConfigErrors> {
    let text = Some(("quotefold.toml".to_owned(), text.to_owned()));
    load(&LoadOptions { text, environment: environment(variables), ..LoadOptions::default() })
}

/// The errors of a file that must not load.
fn errors(text: &str, variables: &[(&str, &str)]) -> Vec<ConfigError> {
    match load_text(text, variables) {
        Ok(_) => panic!("this was taken for a configuration:\n{text}"),
        Err(errors) => errors.0,
    }
}

fn names(settings: &Settings) -> Vec<&str> {
    settings.sources.iter().map(|source| source.name.as_str()).collect()
}

/// An own source that still needs its URL.
const DESK: &str = "[sources.desk]\nclasses = [\"equity\"]\njq = '.'\n";

#[test]
fn variables_are_laid_over_the_file() {
    let text =
        "[server]\nlisten = \"127.0.0.1:1\"\nmax_symbols = 7\n[sources.kraken]\n[sources.kraken-eu]\nlike = \"kraken\"";
    let settings = load_text(
        text,
        &[
            ("QUOTEFOLD_SERVER__LISTEN", "127.0.0.1:2"),
            ("QUOTEFOLD_SERVER__MAX_SYMBOLS", "8"),
            ("QUOTEFOLD_SOURCES__KRAKEN_EU__TIMEOUT", "300ms"),
            ("QUOTEFOLD_SOURCES__KRAKEN_EU__LIMITS", "[\"5/min\"]"),
            ("QUOTEFOLD_SOURCES__FINNHUB__KEY", "123456"),
            ("QUOTEFOLD_PORT", "tcp://10.0.0.1:80"),
            ("RUST_LOG", "debug"),
        ],
    );
    let settings = settings.unwrap();
    assert_eq!((settings.server.listen.as_str(), settings.server.max_symbols), ("127.0.0.1:2", 8));
    assert_eq!(settings.log.level, "debug");
    assert_eq!(names(&settings), ["finnhub", "kraken", "kraken-eu"]);
    let european = &settings.sources[2];
    assert_eq!((european.timeout.as_millis(), european.limits[0].to_string().as_str()), (300, "5/min"));
    assert_eq!(european.account, "kraken-eu");
    assert_eq!(settings.sources[0].key.as_ref().unwrap().expose_secret(), "123456");
    assert!(settings.read.contains(&"variable QUOTEFOLD_SERVER__LISTEN".to_owned()), "{:?}", settings.read);
}

#[test]
fn access_is_open_unless_set_and_can_be_set_by_variables() {
    let open = load_text("", &[]).unwrap().access;
    assert!(open.keys.is_empty() && open.rate.is_empty() && open.trusted_proxies.is_empty() && open.cors.is_empty());
    assert!(open.admin_listen.is_none() && open.hosts.is_empty());
    let settings = load_text(
        "[access]\nrate = \"1/s\"\nadmin_listen = \"127.0.0.1:9090\"",
        &[
            ("QUOTEFOLD_ACCESS__KEYS", "[\"a-key-out-of-a-variable\"]"),
            ("QUOTEFOLD_ACCESS__RATE", "20/s"),
            ("QUOTEFOLD_ACCESS__TRUSTED_PROXIES", "[\"10.0.0.0/8\", \"::1\"]"),
            ("QUOTEFOLD_ACCESS__CORS", "[\"*\"]"),
            ("QUOTEFOLD_ACCESS__HOSTS", "[\"Metrics.example.com\", \"*.prod.example.com\"]"),
            ("QUOTEFOLD_ACCESS__ADMIN_LISTEN", ""),
        ],
    )
    .unwrap();
    let printed = settings.to_toml();
    let expected = "[access]\nkeys = [\"***\"]\nrate = [\"20/s\"]\nmax_streams_per_client = 8\ntrusted_proxies = [\"10.0.0.0/8\", \"::1\"]\ncors = [\"*\"]\nhosts = [\"metrics.example.com\", \"*.prod.example.com\"]\n\n";
    assert!(printed.contains(expected), "{printed}");
    assert_eq!(settings.access.keys[0].expose_secret(), "a-key-out-of-a-variable");
    assert!(!format!("{settings:?}").contains("a-key-out"));
    let several = load_text("[access]\n", &[("QUOTEFOLD_ACCESS__RATE", "[\"20/s\", \"1000/h\"]")]).unwrap();
    assert_eq!(several.access.rate.len(), 2);
}

#[test]
fn a_file_without_sources_gets_keyless_official_ones_and_those_with_a_key() {
    let bare = load_text("", &[]).unwrap();
    let is_open = |source: &SourceSettings| {
        (source.key_from.is_empty() || source.key_optional) && !source.unofficial && !source.only_by_name
    };
    assert!(bare.sources.iter().all(is_open) && bare.sources.len() >= 4);
    let keyed = load_text("", &[("FINNHUB_API_KEY", "abcdef"), ("TIINGO_API_KEY", "")]).unwrap();
    assert!(names(&keyed).contains(&"finnhub") && !names(&keyed).contains(&"tiingo"));
    let unofficial = load_text("", &[("QUOTEFOLD_UNOFFICIAL", "1")]).unwrap();
    assert!(names(&unofficial).contains(&"yahoo"));
    // what is meant for trying out is on only if it is named
    assert!(!names(&unofficial).contains(&"coinmarketcap-keyless"));
    assert_eq!(names(&load_text("[sources.coinmarketcap-keyless]", &[]).unwrap()), ["coinmarketcap-keyless"]);
    // a variable for one source does not switch the others off
    let tuned = load_text("", &[("QUOTEFOLD_SOURCES__KRAKEN__TIMEOUT", "300ms")]).unwrap();
    assert_eq!(names(&tuned), names(&bare));

    let named = load_text("[sources.kraken]\n[sources.yahoo]", &[("FINNHUB_API_KEY", "abcdef")]).unwrap();
    assert_eq!(names(&named), ["kraken", "yahoo"]);
    let switch_on = |settings: &Settings, name: &str| {
        settings.off.iter().find(|off| off.source.name == name).map(|off| off.switch_on.clone()).unwrap()
    };
    assert!(switch_on(&bare, "finnhub").starts_with("set FINNHUB_API_KEY (https://"));
    assert_eq!(switch_on(&bare, "yahoo"), "set QUOTEFOLD_UNOFFICIAL=1");
    assert!(switch_on(&named, "coinbase").starts_with("add [sources.coinbase] to "));
    assert!(switch_on(&named, "tiingo").contains(" and set TIINGO_API_KEY ("));
}

#[test]
fn a_limit_of_a_key_does_not_hold_without_one() {
    let limits = |text: &str, key: &str| {
        let settings = load_text(text, &[("COINGECKO_API_KEY", key)]).unwrap();
        let source = settings.sources.iter().find(|source| source.name == "coingecko").unwrap();
        source.limits.iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    assert_eq!(limits("", ""), ["10/min"]);
    assert_eq!(limits("", "abcdef"), ["10/min", "10000/month"]);
    let own = "[sources.coingecko]\nlimits = [\"5/min\", \"100/day\"]";
    assert_eq!(limits(own, ""), limits(own, "abcdef"));
    assert_eq!(limits(own, ""), ["5/min", "100/day"]);
}

#[test]
fn a_classes_own_value_wins_over_the_sections_for_all() {
    let text =
        "[freshness]\nusable_for = \"2m\"\nclosed_for = \"6d\"\n[fold]\nrequired = 3\n[class.fx]\nusable_for = \"7m\"";
    let settings = load_text(text, &[]).unwrap();
    let minutes = |class| settings.of_class(class).usable_for.as_secs() / 60;
    use quotefold::symbol::Class;
    assert_eq!([Class::Crypto, Class::Equity, Class::Fx].map(minutes), [2, 25, 7]);
    assert_eq!(settings.of_class(Class::Equity).required, 3);
    assert_eq!(settings.of_class(Class::Fund).closed_for.as_secs(), 6 * 86_400);
}

#[test]
fn a_source_can_be_like_another_and_built_in_timeouts_are_shortened() {
    let text = "[server]\ntimeout = \"500ms\"\n[sources.kraken]\nbase_url = \"http://127.0.0.1:9001/k/\"\n\
                [sources.second]\nlike = \"kraken\"\nlimits = [\"1/min\"]";
    let settings = load_text(text, &[]).unwrap();
    let second = &settings.sources[1];
    assert!(second.url.starts_with("http://127.0.0.1:9001/k/"), "{}", second.url);
    assert_eq!((second.account.as_str(), second.jq == settings.sources[0].jq), ("second", true));
    assert!(settings.sources.iter().all(|source| source.timeout.as_millis() <= 500));
}

/// A certificate that can be an authority's.
fn authority() -> String {
    rcgen::generate_simple_self_signed(["authority.test".to_owned()]).unwrap().cert.pem()
}

#[test]
fn mirrors_and_an_authority_are_printed_so_that_they_can_be_read_again() {
    let file = TempFile::new(&authority());
    let text = format!(
        "[sources.kraken]\nbase_url = [\"https://a.test/k/\", \"https://me:planted@b.test:8443\"]\nca_file = {:?}\n\
         [sources.second]\nlike = \"kraken\"\n[sources.third]\nlike = \"kraken\"\nbase_url = \"https://c.test\"",
        file.0
    );
    let variable = ("QUOTEFOLD_SOURCES__COINBASE__BASE_URL", "[\"http://a.test\", \"http://b.test\"]");
    let settings = load_text(&text, &[variable]).unwrap();
    let [coinbase, kraken, second, third] = &settings.sources[..] else { panic!("{:?}", names(&settings)) };
    assert!(kraken.url.starts_with("https://a.test/k/0/public/"), "{}", kraken.url);
    assert!(kraken.mirrors.len() == 1 && kraken.mirrors[0].starts_with("https://me:planted@b.test:8443/0/public/"));
    assert_eq!((&second.url, &second.mirrors), (&kraken.url, &kraken.mirrors));
    assert!(third.url.starts_with("https://c.test/0/") && third.mirrors.is_empty(), "a list is not added to");
    assert_eq!(coinbase.mirrors.len(), 1);
    let authority = kraken.authority.as_ref().unwrap();
    assert_eq!((authority.certificates.len(), Some(authority.file.as_str())), (1, file.0.to_str()));

    let printed = settings.to_toml();
    assert!(printed.contains("base_url = [\"https://a.test/k\", \"https://***@b.test:8443\"]"), "{printed}");
    assert!(!printed.contains("planted"), "{printed}");
    assert!(kraken.hidden.iter().any(|text| text.expose_secret().contains("planted")));
    let again = load_text(&printed, &[]).unwrap();
    assert_eq!(again.to_toml(), printed);
    assert_eq!((&again.sources[1].url, &again.sources[1].authority), (&kraken.url, &kraken.authority));
}

#[test]
fn no_error_and_no_printed_setting_shows_a_secret() {
    let secret = "s3cr3t-value";
    let file = TempFile::new("from-a-file\n");
    let text = format!(
        "[server]\ntimeout = \"${{TOKEN}}\"\n[sources.finnhub]\nkey = \"${{TOKEN}}\"\nbase_url = \"ftp://me:{secret}@x\""
    );
    let shown = ConfigErrors(errors(&text, &[("TOKEN", secret)])).to_string();
    assert!(!shown.contains(secret), "{shown}");
    let wrong_type = ConfigErrors(errors("[sources.finnhub]\nkey = 123456789", &[])).to_string();
    assert!(!wrong_type.contains("123456789") && wrong_type.contains("text in quotes"), "{wrong_type}");

    let text = format!(
        "{DESK}url = \"https://me:{secret}@x.test/{{symbols}}?apikey={secret}&token={{key}}\"\nkey = \"${{file:{}}}\"\n\
         headers = {{ authorization = \"Bearer ${{TOKEN}}\", x-api-key = \"{secret}-2\" }}\n",
        file.0.display()
    );
    let settings = load_text(&text, &[("TOKEN", "tok-123456")]).unwrap();
    let source = &settings.sources[0];
    assert_eq!(source.key.as_ref().unwrap().expose_secret(), "from-a-file");
    assert_eq!(source.headers["authorization"], "Bearer tok-123456");
    let printed = settings.to_toml();
    for hidden in [secret, "tok-123456", "from-a-file"] {
        assert!(!printed.contains(hidden), "{printed}");
        assert!(source.hidden.iter().any(|text| text.expose_secret().contains(hidden)), "{hidden}");
    }
    assert!(printed.contains("apikey=***&token={key}") && printed.contains("key = \"***\""), "{printed}");
    assert!(!format!("{settings:?}").contains("from-a-file"));
}

#[test]
fn files_are_found_in_their_order() {
    let [named, by_variable, in_place] =
        ["1", "2", "3"].map(|port| TempFile::new(&format!("[server]\nlisten = \"127.0.0.1:{port}\"")));
    let mut options =
        LoadOptions { places: vec!["/no/where.toml".into(), in_place.0.clone()], ..LoadOptions::default() };
    let listen = |options: &LoadOptions| load(options).unwrap().server.listen;
    assert_eq!(listen(&options), "127.0.0.1:3");
    options.environment = environment(&[("QUOTEFOLD_CONFIG", by_variable.0.to_str().unwrap())]);
    assert_eq!(listen(&options), "127.0.0.1:2");
    options.config = Some(named.0.clone());
    assert_eq!(listen(&options), "127.0.0.1:1");
    options.config = Some("/no/where.toml".into());
    let error = &load(&options).unwrap_err().0[0];
    assert_eq!((error.file.as_str(), error.line), ("/no/where.toml", None));
    assert!(error.message.contains("cannot be read") && error.message.contains("config --default"), "{error}");
}

#[test]
fn an_endless_file_is_refused() {
    let pipe = std::env::temp_dir().join(format!("quotefold-pipe-{}", std::process::id()));
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let error = errors(&format!("[sources.finnhub]\nkey = \"${{file:{}}}\"", pipe.display()), &[]).remove(0);
    std::fs::remove_file(&pipe).unwrap();
    assert!(error.message.contains("cannot be read: it is not a regular file"), "{error}");
    let long = TempFile::new(&"x".repeat(65_537));
    let error = errors(&format!("[sources.finnhub]\nkey = \"${{file:{}}}\"", long.0.display()), &[]).remove(0);
    assert!(error.message.contains("it is longer than 65536 bytes"), "{error}");
    let error = &load(&LoadOptions { config: Some("/dev/zero".into()), ..LoadOptions::default() }).unwrap_err().0[0];
    assert!(error.message.contains("it is longer than 1048576 bytes"), "{error}");
}

#[test]
fn a_denied_symbol_is_refused_to_clients_and_not_asked_of_a_source() {
    let text = "[server]\nsymbols = [\"*\", \"!DOGE-*\"]\n[sources.coinbase]\nsymbols = [\"!eth-*\"]\n[sources.kraken]\nsymbols = [\"*-USD\", \"!ETH-*\"]";
    let settings = load_text(text, &[]).unwrap();
    let symbol = |text| quotefold::symbol::Symbol::parse(text).unwrap();
    let allowed = ["BTC-USD", "DOGE-USD", "AAPL"].map(|text| settings.allows(&symbol(text)));
    assert_eq!(allowed, [true, false, true]);
    for source in &settings.sources {
        let covered = ["BTC-USD", "ETH-USD", "BTC-EUR"].map(|text| {
            let symbol = symbol(text);
            source.covers(&symbol, symbol.class())
        });
        assert_eq!(covered, [true, false, source.name == "coinbase"], "{}", source.name);
    }
    assert!(settings.to_toml().contains("symbols = [\"*\", \"!DOGE-*\"]"), "{}", settings.to_toml());
    let denied = errors(&format!("{text}\n[watch]\nsymbols = [\"DOGE-USD\"]"), &[]);
    assert_eq!(denied[0].key, "watch.symbols");
}

#[test]
fn variables_that_name_proxies_count_unless_a_key_does() {
    let (kraken, right) = ("[sources.kraken]\n", ("HTTPS_PROXY", "http://me:planted-pass@a.test:3128"));
    let read = |text: &str, variables: &[(&str, &str)]| load_text(text, variables).unwrap().read;
    let listed = |name: &str, read: &[String]| read.contains(&format!("variable {name}"));
    assert!(listed("HTTPS_PROXY", &read(kraken, &[right])));
    assert!(listed("NO_PROXY", &read(kraken, &[right, ("NO_PROXY", "b.test")])));
    // without a proxy, exceptions have no effect
    assert!(!listed("NO_PROXY", &read(kraken, &[("NO_PROXY", "b.test")])));
    assert!(!listed("HTTPS_PROXY", &read(&format!("[server]\nproxy = \"none\"\n{kraken}"), &[right])));
    for wrong in ["ftp://me:planted-pass@a.test", "http://me:planted-pass@", "http://me:planted-pass@a.test:x"] {
        let variable = ("all_proxy", wrong);
        let found = errors(kraken, &[variable]);
        assert_eq!((found.len(), found[0].file.as_str()), (1, "all_proxy"));
        let shown = found[0].to_string();
        assert!(shown.contains("set server.proxy = \"none\"") && !shown.contains("planted"), "{shown}");
        for key in ["none", "http://a.test"] {
            load_text(&format!("[server]\nproxy = \"{key}\"\n{kraken}"), &[variable]).unwrap();
            load_text(&format!("{kraken}proxy = \"{key}\"\n"), &[variable]).unwrap();
        }
    }
}

#[test]
fn no_printed_or_debugged_setting_shows_a_proxys_password() {
    let url = "socks5h://planted-user:planted-pass@a.test:1080";
    let variables = [("ALL_PROXY", url), ("QUOTEFOLD_SERVER__PROXY", url), ("PASSWORD", "planted%40pass")];
    let text = "[sources.kraken]\nproxy = \"http://me:${PASSWORD}@b.test\"\n[sources.coinbase]\n";
    for variables in [&variables[..], &[variables[0], variables[2]]] {
        let settings = load_text(text, variables).unwrap();
        for shown in [settings.to_toml(), format!("{settings:?}")] {
            assert!(!shown.contains("planted"), "{shown}");
        }
    }
    // an empty value is as good as none
    assert!(load_text("[server]\nproxy = \"\"\n", &[]).unwrap().server.proxy.is_none());
}
