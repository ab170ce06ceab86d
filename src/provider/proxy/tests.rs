use proptest::prelude::*;
use secrecy::ExposeSecret;

use super::*;

const PROXY: &str = "http://proxy.test:3128";

fn variables(set: &[(&str, &str)]) -> ProxyVariables {
    let set = set.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    ProxyVariables::read(&set.collect())
}

fn setting(text: &str) -> ProxySetting {
    ProxySetting::try_from(text.to_owned()).unwrap()
}

/// The name of the proxy that a URL goes through; `-` for none.
fn way(own: Option<&str>, server: Option<&str>, set: &[(&str, &str)], url: &str) -> String {
    let (own, server) = (own.map(setting), server.map(setting));
    let proxies = Proxies::choose(own.as_ref(), server.as_ref(), &variables(set));
    proxies.of(&Url::parse(url).unwrap()).map_or("-".to_owned(), ToString::to_string)
}

#[test]
fn only_a_proxy_that_is_spoken_to_over_tls_shows_a_certificate() {
    let have = |proxy: Option<&str>| {
        let proxy = proxy.map(setting);
        Proxies::choose(proxy.as_ref(), None, &variables(&[])).have_certificates()
    };
    assert!(have(Some("https://own.test")));
    assert!(!have(Some("http://own.test:3128")) && !have(Some("socks5h://own.test")) && !have(None));
}

#[test]
fn the_sources_key_wins_over_the_servers_and_that_over_the_variables() {
    let all = [("ALL_PROXY", "http://all.test:1")];
    let vendor = "https://vendor.test/x";
    let cases = [
        (None, None, &[][..], "-"),
        (None, None, &all, "http://all.test:1"),
        (None, Some("http://server.test:2"), &all, "http://server.test:2"),
        (Some("socks5h://own.test"), Some("http://server.test:2"), &all, "socks5h://own.test:1080"),
        (None, Some("none"), &all, "-"),
        (Some("none"), Some("http://server.test:2"), &all, "-"),
        (Some("https://own.test"), Some("none"), &all, "https://own.test"),
    ];
    for (own, server, set, expected) in cases {
        assert_eq!(way(own, server, set, vendor), expected, "{own:?} {server:?} {set:?}");
    }
}

#[test]
fn each_scheme_has_its_variable_and_all_stands_in_for_both() {
    let both = [("HTTPS_PROXY", "http://s.test:1"), ("http_proxy", "p.test:2"), ("ALL_PROXY", "http://a.test:3")];
    assert_eq!(way(None, None, &both, "https://vendor.test"), "http://s.test:1");
    assert_eq!(way(None, None, &both, "http://vendor.test"), "http://p.test:2");
    let one = [("https_proxy", "http://s.test:1"), ("all_proxy", "socks5://a.test")];
    assert_eq!(way(None, None, &one, "https://vendor.test"), "http://s.test:1");
    assert_eq!(way(None, None, &one, "http://vendor.test"), "socks5h://a.test:1080");
    // an unset variable of a compose file is empty
    let empty = [("HTTPS_PROXY", ""), ("https_proxy", "http://s.test:1")];
    assert_eq!(way(None, None, &empty, "https://vendor.test"), "http://s.test:1");
    assert_eq!(variables(&both).names().collect::<Vec<_>>(), ["HTTPS_PROXY", "http_proxy", "ALL_PROXY"]);
}

#[test]
fn nothing_on_this_machine_is_asked_through_a_proxy() {
    let set = [("ALL_PROXY", PROXY)];
    let hosts = ["localhost", "LOCALHOST", "localhost.", "desk.localhost", "127.0.0.1", "127.1", "127.9.9.9", "[::1]"];
    for host in hosts.into_iter().chain(["[::ffff:127.0.0.1]"]) {
        for url in [format!("http://{host}:9001/x"), format!("https://{host}/")] {
            assert_eq!(way(Some(PROXY), Some(PROXY), &set, &url), "-", "{url}");
        }
    }
    for url in ["http://localhost.test", "http://notlocalhost", "http://128.0.0.1", "http://[::2]"] {
        assert_eq!(way(None, None, &set, url), PROXY, "{url}");
    }
}

#[test]
fn hosts_in_no_proxy_are_asked_directly() {
    let cases = [
        ("*", "https://vendor.test", true),
        ("vendor.test", "https://vendor.test", true),
        ("vendor.test", "https://api.vendor.test", true),
        ("vendor.test", "https://notvendor.test", false),
        ("vendor.test", "https://vendor.test.evil.test", false),
        (".vendor.test", "https://api.vendor.test", true),
        (".vendor.test", "https://vendor.test", true),
        (".vendor.test", "https://notvendor.test", false),
        ("*.vendor.test", "https://api.vendor.test", true),
        ("VENDOR.test.", "https://vendor.TEST", true),
        ("a.test, vendor.test", "https://vendor.test", true),
        ("a.test vendor.test", "https://vendor.test", true),
        ("vendor.test:8443", "https://vendor.test:8443", true),
        ("vendor.test:8443", "https://vendor.test", false),
        ("vendor.test:443", "https://vendor.test", true),
        ("vendor.test:80", "http://api.vendor.test", true),
        ("10.0.0.0/8", "http://10.1.2.3", true),
        ("10.0.0.0/8", "http://11.1.2.3", false),
        ("10.0.0.0/8", "http://[::ffff:10.1.2.3]", true),
        ("10.1.2.3", "http://10.1.2.3:81", true),
        ("10.1.2.3:80", "http://10.1.2.3:81", false),
        ("fd00::/8", "http://[fd12::1]", true),
        ("fd12::1", "http://[fd12::1]", true),
        ("[fd12::1]:81", "http://[fd12::1]:81", true),
        ("[fd12::1]:81", "http://[fd12::1]", false),
        ("bücher.test", "http://bücher.test", true),
        // names are not looked up here, so a network covers no name
        ("10.0.0.0/8", "http://vendor.test", false),
        ("10.0.0.0/99,a b:c:d,:,.", "https://vendor.test", false),
        ("", "https://vendor.test", false),
    ];
    for (list, url, is_direct) in cases {
        for name in ["NO_PROXY", "no_proxy"] {
            let set = [("ALL_PROXY", PROXY), (name, list)];
            assert_eq!(way(None, None, &set, url), if is_direct { "-" } else { PROXY }, "{list:?} {url}");
            assert_eq!(way(Some(PROXY), None, &[(name, list)], url), if is_direct { "-" } else { PROXY }, "{url}");
        }
    }
}

#[test]
fn a_proxy_is_shown_without_its_user_and_password() {
    let text = "http://planted-user:planted%40pass@proxy.test:3128";
    let proxy = Proxy::parse(text).unwrap();
    assert_eq!((proxy.to_string(), format!("{proxy:?}")), (PROXY.to_owned(), PROXY.to_owned()));
    let printed = serde_json::to_string(&setting(text)).unwrap();
    assert_eq!(printed, "\"http://***@proxy.test:3128\"");
    assert_eq!(serde_json::to_string(&setting("none")).unwrap(), "\"none\"");
    let proxies = Proxies::choose(Some(&setting(text)), None, &ProxyVariables::default());
    let hidden: Vec<_> = proxies.secrets().iter().map(|secret| secret.expose_secret().to_owned()).collect();
    for secret in ["planted-user:planted%40pass", "planted@pass", "cGxhbnRlZC11c2VyOnBsYW50ZWRAcGFzcw=="] {
        assert!(hidden.contains(&secret.to_owned()), "{secret} is not in {hidden:?}");
    }
    assert!(!format!("{proxies:?}").contains("planted"));
}

#[test]
fn what_is_not_a_proxy_is_refused_without_its_password() {
    let cases = [
        ("", "write one such as"),
        ("proxy.test:3128", "write one such as"),
        ("http://", "(empty host)"),
        ("socks5h://", "write one such as"),
        ("ftp://me:secret@proxy.test", "\"ftp://***@proxy.test\" is not the URL of a proxy"),
        ("socks5://me:secret@proxy.test", "write socks5h://"),
        ("socks4://proxy.test", "is not the URL of a proxy"),
        ("http://me:secret@proxy.test:3128/path", "a proxy has no path"),
        ("http://me:secret@proxy.test:3128?x=1", "a proxy has no path"),
        ("http://me:se/secret@proxy.test:3128", "is not the URL of a proxy"),
        ("NONE", "write one such as"),
    ];
    for (text, words) in cases {
        let refused = ProxySetting::try_from(text.to_owned()).unwrap_err();
        assert!(refused.contains(words) && !refused.contains("secret"), "{text}: {refused}");
    }
    let wrong = variables(&[("HTTPS_PROXY", "socks4://me:secret@proxy.test")]).wrong;
    assert!(wrong[0].0 == "HTTPS_PROXY" && !wrong[0].1.contains("secret"), "{wrong:?}");
}

fn host() -> impl Strategy<Value = String> {
    prop_oneof!["[a-c]{1,2}(\\.[a-c]{1,2}){0,3}", "10\\.[0-3]\\.0\\.[0-9]"]
}

proptest! {
    #[test]
    fn a_domain_covers_itself_and_what_is_under_it_and_nothing_else(domain in "[a-c]{1,2}(\\.[a-c]{1,2}){0,2}", host in host()) {
        let is_under = host == domain || host.ends_with(&format!(".{domain}"));
        for entry in [domain.clone(), format!(".{domain}"), format!("*.{domain}")] {
            let set = [("ALL_PROXY", PROXY), ("NO_PROXY", entry.as_str())];
            let shown = way(None, None, &set, &format!("https://{host}/"));
            prop_assert_eq!(shown, if is_under { "-" } else { PROXY }, "{} {}", entry, host);
        }
    }

    #[test]
    fn no_list_makes_a_direct_call_take_a_proxy_or_stops_the_reader(list in "\\PC{0,40}", host in host()) {
        let set = [("NO_PROXY", list.as_str())];
        prop_assert_eq!(way(None, None, &set, &format!("https://{host}/")), "-");
    }

    #[test]
    fn no_text_shows_its_password_or_stops_the_reader(front in "\\PC{0,10}", password in "q[0-9A-Za-z/?#@:%]{6,12}z") {
        for text in [format!("http://me:{password}@{front}"), format!("socks5h://me:{password}@proxy.test{front}")] {
            match ProxySetting::try_from(text.clone()) {
                Ok(read) => {
                    let shown = format!("{read:?}");
                    prop_assert!(!shown.contains(&password), "{}", shown);
                }
                // what stands after a slash is a path, and is not taken for a password
                Err(refused) => prop_assert!(password.contains(['/', '?', '#', '@']) || !refused.contains(&password), "{}", refused),
            }
        }
    }
}
