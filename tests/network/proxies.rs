//! Calls through proxies: which ones are taken, what they learn, and what happens if one fails.
//!
//! Nothing on loopback is asked through a proxy, so the vendors have names here that only the proxies know.

use std::net::SocketAddr;
use std::sync::Arc;

use parking_lot::Mutex;
use quotefold::source::fetch::resolver::Resolver;

use crate::names::{exchange, leaf};
use crate::sources::{certified, service, source, verdict};
use crate::support::proxy::{Credentials, StandInProxy};
use crate::support::{After, Authority, Configuration, NOBODY, Program, Service, Upstream, get, settings, until};

const USER: Credentials = ("planted-user", "planted-pass");
const WRONG: Credentials = ("planted-user", "planted-wrong");

/// A source at a vendor that only proxies find.
fn behind(proxy: &str, scheme: &str, more: &str) -> String {
    source("desk", &format!("base_url = \"{scheme}://vendor.test\"\nproxy = \"{proxy}\"\n{more}"))
}

/// Every way to carry calls to `vendor.test`, each with the scheme of its calls and what it then notes.
fn ways(
    plain: SocketAddr,
    secure: SocketAddr,
    user: Option<Credentials>,
) -> Vec<(StandInProxy, &'static str, &'static str)> {
    let (plain, secure) = ([("vendor.test", plain)], [("vendor.test", secure)]);
    vec![
        (StandInProxy::http(&plain, user), "http", "GET vendor.test:80"),
        (StandInProxy::http(&secure, user), "https", "CONNECT vendor.test:443"),
        (StandInProxy::socks(&plain, user), "http", "SOCKS vendor.test:80"),
        (StandInProxy::socks(&secure, user), "https", "SOCKS vendor.test:443"),
    ]
}

fn assert_hidden(what: &str, text: &str) {
    let encoded = ["planted", "cGxhbnRlZ"].into_iter().find(|secret| text.contains(secret));
    assert!(encoded.is_none(), "{what} shows {encoded:?}: {text}");
}

/// The state of the source's breaker in `/sources`.
fn breaker(service: &Service) -> String {
    service.get("/sources").json()["sources"][0]["breaker"]["state"].as_str().unwrap().to_owned()
}

#[test]
fn a_proxy_carries_calls_to_a_vendor_whose_name_it_looks_up() {
    for user in [None, Some(USER)] {
        let authority = Authority::new();
        let (plain, secure) = (Upstream::quoting("100"), certified(authority.certify("vendor.test"), "100"));
        for (proxy, scheme, noted) in ways(plain.address, secure.address, user) {
            let service =
                service(&[behind(&proxy.url(user), scheme, &authority.ca_file().repeat((scheme == "https").into()))]);
            assert_eq!(verdict(&service, "desk"), ("used".to_owned(), String::new()), "{noted}");
            assert_eq!(proxy.carried(), [noted]);
            // connections are kept through a proxy, too
            assert_eq!((verdict(&service, "desk").0.as_str(), proxy.accepted()), ("used", 1), "{noted}");
            let overview = service.get("/sources");
            assert_eq!(overview.json()["sources"][0]["proxy"], proxy.name().as_str());
            assert_hidden("/sources", &overview.body);
        }
        assert_eq!((plain.calls(), secure.calls(), secure.plain()), (4, 4, 0));
        assert_hidden("the vendor's log", &plain.heads().concat());
    }
}

#[test]
fn a_proxy_may_itself_have_a_certificate_of_ones_own_authority() {
    let authority = Authority::new();
    let (plain, secure) = (Upstream::quoting("100"), certified(authority.certify("vendor.test"), "100"));
    for (vendor, scheme, noted) in
        [(&plain, "http", "GET vendor.test:80"), (&secure, "https", "CONNECT vendor.test:443")]
    {
        let known = [("vendor.test", vendor.address)];
        let proxy = StandInProxy::https(&authority.certify("127.0.0.1"), &known, Some(USER));
        let service = |more: &str| service(&[behind(&proxy.url(Some(USER)), scheme, more)]);
        let (status, detail) = verdict(&service(""), "desk");
        assert_eq!(status, "failed / connection");
        assert!(detail.contains(&format!("the certificate of the proxy {}", proxy.name())), "{detail}");
        assert_eq!(verdict(&service(&authority.ca_file()), "desk"), ("used".to_owned(), String::new()));
        assert_eq!((proxy.carried(), vendor.calls()), (vec![noted.to_owned()], 1));
    }
}

#[test]
fn only_the_proxys_name_is_looked_up_here() {
    let vendor = Upstream::quoting("100");
    for proxy in [
        StandInProxy::http(&[("vendor.test", vendor.address)], None),
        StandInProxy::socks(&[("vendor.test", vendor.address)], None),
    ] {
        let asked: Arc<Mutex<Vec<String>>> = Arc::default();
        let (names, address) = (Arc::clone(&asked), proxy.address);
        let resolver = Resolver::by(move |host| {
            names.lock().push(host);
            Box::pin(async move { Ok(vec![address]) })
        });
        let url = proxy.name().replace("127.0.0.1", "proxy.test");
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let (replied, _) = runtime.block_on(async { exchange(&leaf(&behind(&url, "http", ""), resolver)).await });
        assert_eq!((replied, asked.lock().clone()), (Ok(200), vec!["proxy.test".to_owned()]), "{url}");
    }
}

#[test]
fn a_proxy_whose_name_has_no_address_is_named() {
    let no_address = "failed to lookup address information: Name or service not known";
    let runtime = tokio::runtime::Runtime::new().unwrap();
    for (proxy, why) in [
        ("http://me:planted-pass@proxy.test:3128", "its name has no address (Name or service not known)"),
        ("socks5h://me:planted-pass@proxy.test", "nothing listens there, or its name has no address"),
    ] {
        for scheme in ["http", "https"] {
            let resolver = Resolver::by(move |_| Box::pin(async move { Err(std::io::Error::other(no_address)) }));
            let (replied, _) = runtime.block_on(async { exchange(&leaf(&behind(proxy, scheme, ""), resolver)).await });
            let detail = replied.unwrap_err().to_string();
            assert!(detail.starts_with("cannot reach vendor.test: the proxy "), "{detail}");
            assert!(detail.contains("proxy.test") && detail.ends_with(why), "{proxy} {scheme}: {detail}");
            assert_hidden("a detail", &detail);
        }
    }
}

#[test]
fn a_vendor_on_this_machine_is_asked_directly_whatever_is_set() {
    let vendor = Upstream::quoting("100");
    let own = source("desk", &format!("base_url = \"{}\"\nproxy = \"http://{NOBODY}\"", vendor.base()));
    let service = Service::with(
        &format!("[server]\ntimeout = \"9s\"\nproxy = \"http://{NOBODY}\"\n[fold]\nrequired = 1\n"),
        &[own],
    );
    assert_eq!(verdict(&service, "desk").0, "used");
    assert_eq!(service.get("/sources").json()["sources"][0]["proxy"], serde_json::Value::Null);
}

#[test]
fn a_source_may_have_a_proxy_of_its_own_or_none() {
    let vendor = Upstream::quoting("100");
    let (general, own) = (
        StandInProxy::http(&[("vendor.test", vendor.address)], None),
        StandInProxy::socks(&[("vendor.test", vendor.address)], None),
    );
    let at = "base_url = \"http://vendor.test\"\ntimeout = \"2s\"\n";
    let service = Service::with(
        &format!("[server]\nproxy = \"{}\"\n[fold]\nrequired = 1\n", general.url(None)),
        &[
            source("general", at),
            source("own", &format!("{at}proxy = \"{}\"\n", own.url(None))),
            source("straight", &format!("{at}proxy = \"none\"\n")),
        ],
    );
    let reply = service.prices("BTC-USD");
    assert_eq!(reply.verdict("BTC-USD", "general"), "used");
    assert_eq!(reply.verdict("BTC-USD", "own"), "used");
    // no name server knows it
    assert_eq!(reply.verdict("BTC-USD", "straight"), "failed / connection");
    assert_eq!((general.carried().len(), own.carried().len()), (1, 1));
}

#[test]
fn a_dead_proxy_is_named_and_opens_no_vendors_breaker() {
    for (url, scheme) in [
        (format!("http://planted-user:planted-pass@{NOBODY}"), "http"),
        (format!("http://planted-user:planted-pass@{NOBODY}"), "https"),
        (format!("https://planted-user:planted-pass@{NOBODY}"), "https"),
        (format!("socks5h://planted-user:planted-pass@{NOBODY}"), "http"),
        (format!("socks5h://planted-user:planted-pass@{NOBODY}"), "https"),
    ] {
        // each attempt counts, so the second call would open the breaker
        let service = service(&[behind(&url, scheme, "limits = [\"100/day\"]\nretries = 3")]);
        let kind = url.split("://").next().unwrap();
        for _ in 0..2 {
            let (status, detail) = verdict(&service, "desk");
            let start = format!("cannot reach vendor.test: the proxy {kind}://{NOBODY} cannot be reached: ");
            assert_eq!(status, "failed / connection");
            assert!(detail.starts_with(&start) && detail.contains("nothing listens there"), "{detail}");
            assert_hidden("a detail", &detail);
            assert_eq!(breaker(&service), "closed");
            let is_over = || service.get("/sources").json()["sources"][0]["failing"].is_null();
            until("it may be tried again", is_over);
        }
        let overview = service.get("/sources");
        // nothing reached the vendor, so nothing is spent
        assert!(overview.body.contains(r#"{"limit":"100/day","left":100}"#), "{}", overview.body);
        assert_hidden("/sources", &overview.body);
        assert_hidden("/metrics", &service.get("/metrics").body);
    }
}

#[test]
fn what_a_living_proxy_does_wrong_is_its_own_fault_too() {
    let vendor = Upstream::quoting("100");
    let known = [("vendor.test", vendor.address)];
    let (http, socks) = (StandInProxy::http(&known, Some(USER)), StandInProxy::socks(&known, Some(USER)));
    let refused = |proxy: &StandInProxy| format!("the proxy {} refused the user name and password", proxy.name());
    let required = |proxy: &StandInProxy| format!("the proxy {} requires a user name and a password", proxy.name());
    let (sick, closing, silent) =
        (StandInProxy::refusing("503"), StandInProxy::closing("http"), StandInProxy::closing("socks5h"));
    let (empty, mute) = (StandInProxy::socks(&[], None), StandInProxy::mute("socks5h"));
    let cases = [
        (http.url(Some(WRONG)), "http", refused(&http)),
        (http.url(Some(WRONG)), "https", refused(&http)),
        (http.url(None), "http", required(&http)),
        (http.url(None), "https", required(&http)),
        (socks.url(Some(WRONG)), "http", refused(&socks)),
        (socks.url(None), "https", required(&socks)),
        (sick.url(None), "https", format!("the proxy {} did not connect to it", sick.name())),
        (empty.url(None), "http", format!("the proxy {} did not connect to it: host unreachable", empty.name())),
        (closing.url(None), "http", format!("the connection to the proxy {} broke", closing.name())),
        (closing.url(None), "https", format!("the proxy {} closed the connection", closing.name())),
        (silent.url(None), "http", format!("the proxy {} broke off, or does not speak SOCKS5 there", silent.name())),
        // something else than a proxy
        (mute.url(None), "http", format!("no connection through the proxy {} within 1500 ms", mute.name())),
        (mute.url(None), "https", format!("no connection through the proxy {} within 1500 ms", mute.name())),
    ];
    for (url, scheme, words) in cases {
        let service = service(&[behind(&url, scheme, "retries = 0\ntimeout = \"2s\"")]);
        let (status, detail) = verdict(&service, "desk");
        assert_eq!(status, "failed / connection", "{url} {scheme}: {detail}");
        assert!(detail.contains(&words), "{words:?} is not in {detail:?}");
        assert_hidden("a detail", &detail);
        assert_eq!(breaker(&service), "closed");
    }
    assert_eq!(vendor.calls(), 0);
}

#[test]
fn a_bad_certificate_behind_a_tunnel_is_the_vendors() {
    let (authority, stranger) = (Authority::new(), Authority::new());
    let vendor = certified(stranger.certify("vendor.test"), "100");
    for proxy in [
        StandInProxy::http(&[("vendor.test", vendor.address)], None),
        StandInProxy::socks(&[("vendor.test", vendor.address)], None),
    ] {
        let service = service(&[behind(&proxy.url(None), "https", &authority.ca_file())]);
        let (status, detail) = verdict(&service, "desk");
        assert_eq!(status, "failed / tls", "{detail}");
        assert!(detail.starts_with("the certificate of vendor.test is from an unknown issuer"), "{detail}");
    }
    assert_eq!(vendor.calls(), 0);
}

#[test]
fn a_redirect_is_not_followed_behind_a_proxy_either() {
    let vendor = Upstream::new(|call| {
        call.reply(302, "Location: http://other.test/\r\n", "");
        After::Keep
    });
    let proxy = StandInProxy::http(&[("vendor.test", vendor.address), ("other.test", vendor.address)], None);
    let service = service(&[behind(&proxy.url(None), "http", "")]);
    let (status, detail) = verdict(&service, "desk");
    assert!(status == "failed / http_status" && detail.contains("which is not followed"), "{status} {detail}");
    assert_eq!(proxy.carried(), ["GET vendor.test:80"]);
}

#[test]
fn a_mirror_with_a_way_of_its_own_stands_in_for_one_whose_proxy_is_dead() {
    let vendor = Upstream::quoting("100");
    let bases = format!("base_url = [\"http://vendor.test\", \"{}\"]\nproxy = \"http://{NOBODY}\"", vendor.base());
    let service = service(&[source("desk", &bases)]);
    assert_eq!(verdict(&service, "desk").0, "used");
}

#[test]
fn the_variables_of_the_environment_are_honoured_and_kept_secret() {
    let vendor = Upstream::quoting("100");
    let proxy = StandInProxy::http(&[("vendor.test", vendor.address), ("other.test", vendor.address)], Some(USER));
    let (url, wrong) = (proxy.url(Some(USER)), proxy.url(Some(WRONG)));
    let at =
        |name: &str, host: &str| source(name, &format!("base_url = \"http://{host}\"\ntimeout = \"2s\"\nretries = 0"));
    let text = |server: &str| {
        let sources = [at("desk", "vendor.test"), at("other", "other.test")].concat();
        Configuration::new(&format!(
            "[server]\ntimeout = \"9s\"\ndrain_delay = \"0s\"\n{server}[fold]\nrequired = 1\n{sources}"
        ))
    };
    let failed = "failed / connection";
    let trace = ("RUST_LOG", "trace");
    for (server, variables, expected) in [
        ("", vec![("HTTP_PROXY", url.as_str())], ["used", "used"]),
        ("", vec![("all_proxy", url.as_str()), ("no_proxy", "other.test")], ["used", failed]),
        ("", vec![("HTTP_PROXY", wrong.as_str())], [failed, failed]),
        ("", vec![("HTTPS_PROXY", url.as_str())], [failed, failed]),
        ("proxy = \"none\"\n", vec![("HTTP_PROXY", url.as_str())], [failed, failed]),
    ] {
        let variables: Vec<_> = variables.into_iter().chain([trace]).collect();
        let (program, address) = Program::serve(&text(server), &variables);
        let reply = get(address, "/prices?symbols=BTC-USD&refresh_after=0s");
        let found = ["desk", "other"].map(|name| reply.verdict("BTC-USD", name));
        assert_eq!(found, expected, "{server}{variables:?}: {}", reply.body);
        assert_hidden("a reply", &format!("{}{}", reply.body, get(address, "/sources").body));
        program.signal("TERM");
        let ended = program.ended();
        assert_hidden("the log", &format!("{}{}", ended.stdout, ended.stderr));
    }
    assert!(proxy.carried().iter().all(|carried| carried.starts_with("GET ")), "{:?}", proxy.carried());
}

#[test]
fn a_printed_configuration_masks_a_proxys_user_and_password() {
    let text = "[server]\nproxy = \"http://planted-user:planted-pass@proxy.test:3128\"\n[sources.kraken]\nproxy = \"socks5h://planted-user:planted-pass@proxy.test\"";
    let printed = settings(text).to_toml();
    assert!(printed.contains("proxy = \"http://***@proxy.test:3128\""), "{printed}");
    assert!(printed.contains("proxy = \"socks5h://***@proxy.test:1080\""), "{printed}");
    assert_hidden("the printed configuration", &printed);
}
