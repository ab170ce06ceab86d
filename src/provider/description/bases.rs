//! Replaces the address at the front of a source's URL: with a gateway, a test double, or several mirrors.

use std::fmt;

use serde::de::{Deserializer, SeqAccess, Visitor};
use serde::{Deserialize, Serialize, de};

use crate::provider::secrets;

/// What `base_url` says: one address, or mirrors in the order in which they are tried.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Bases(pub Vec<String>);

/// The key's name, for errors.
const KEY: &str = "base_url";

impl Bases {
    /// Moves a URL template to each of these addresses: `https://api.kraken.com/0/…` at `http://127.0.0.1:9001/k` is
    /// `http://127.0.0.1:9001/k/0/…`.
    ///
    /// # Errors
    /// The list is empty, or has an entry that is not an address or is listed twice. The error is the key, and a
    /// message about the first such entry.
    pub(super) fn before(&self, url: &str) -> Result<Vec<String>, (&'static str, String)> {
        if self.0.is_empty() {
            return Err((KEY, "the list is empty; write an address, or remove the line".to_owned()));
        }
        let mut urls: Vec<String> = Vec::new();
        for base in &self.0 {
            let shown = secrets::mask_url(base);
            if !(base.starts_with("http://") || base.starts_with("https://")) {
                return Err((KEY, format!("{shown:?} is not a URL; write one such as \"http://127.0.0.1:9001\"")));
            }
            let host = base.rfind('@').map_or(base.as_str(), |at| &base[at..]);
            if let Some(at) = host.find(['?', '#']) {
                let (sign, what) = if host[at..].starts_with('?') { ('?', "query") } else { ('#', "fragment") };
                return Err((
                    KEY,
                    format!("{shown:?} has a {what}; write only what comes before the {sign}: url has the rest"),
                ));
            }
            let whole = format!("{}{}", base.trim_end_matches('/'), path(url));
            if urls.iter().any(|known| plain(known) == plain(&whole)) {
                return Err((
                    KEY,
                    format!("{shown:?} is listed twice; a mirror has an address of its own, so remove one"),
                ));
            }
            urls.push(whole);
        }
        Ok(urls)
    }

    /// The reverse of [`before`](Self::before): the URL and the addresses from which it makes these URLs.
    pub(crate) fn of(urls: &[&str]) -> (String, Self) {
        let first = urls.first().copied().unwrap_or_default();
        let tails = path(first).match_indices(['/', '?']).map(|(at, _)| &path(first)[at..]);
        let is_common = |tail: &&str| urls.iter().all(|url| path(url).ends_with(tail));
        let tail = tails.into_iter().find(is_common).unwrap_or_default();
        let bases = urls.iter().map(|url| url.strip_suffix(tail).unwrap_or(url).to_owned()).collect();
        let origin = first.strip_suffix(path(first)).unwrap_or(first);
        (format!("{origin}{tail}"), Bases(bases))
    }
}

/// The part of a URL after scheme, host and port.
fn path(url: &str) -> &str {
    url.split_once("://").and_then(|(_, rest)| rest.find(['/', '?']).map(|end| &rest[end..])).unwrap_or("/")
}

/// A URL in the form in which it is compared: host in lower case, default port left out.
fn plain(url: &str) -> String {
    reqwest::Url::parse(&url.replace(['{', '}'], "x")).map_or_else(|_| url.to_owned(), String::from)
}

impl<'de> Deserialize<'de> for Bases {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(TextOrList)
    }
}

/// Reads a text or a list of texts, and names both if it finds neither.
struct TextOrList;

impl<'de> Visitor<'de> for TextOrList {
    type Value = Bases;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a URL in quotes, or a list of them for mirrors")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Bases, E> {
        Ok(Bases(vec![text.to_owned()]))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Bases, A::Error> {
        let mut bases = Vec::new();
        while let Some(base) = list.next_element()? {
            bases.push(base);
        }
        Ok(Bases(bases))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KRAKEN: &str = "https://api.kraken.com/0/public/Ticker?pair={symbols}";

    fn before(url: &str, bases: &[&str]) -> Result<Vec<String>, String> {
        let bases = Bases(bases.iter().map(|base| (*base).to_owned()).collect());
        bases.before(url).map_err(|(_, message)| message)
    }

    #[test]
    fn a_base_url_replaces_scheme_host_and_port() {
        let replaced = |base| before(KRAKEN, &[base]);
        let proxied = "http://127.0.0.1:9001/k/0/public/Ticker?pair={symbols}";
        assert_eq!(replaced("http://127.0.0.1:9001/k/").unwrap(), [proxied]);
        assert!(replaced("127.0.0.1:9001").is_err());
        let without_path = before("https://x.test?day=1/2&ids={symbols}", &["http://127.0.0.1:9001"]);
        assert_eq!(without_path.unwrap(), ["http://127.0.0.1:9001?day=1/2&ids={symbols}"]);
    }

    #[test]
    fn a_list_that_makes_no_sense_names_the_entry() {
        let wrong = |bases: &[&str]| before(KRAKEN, bases).unwrap_err();
        assert!(wrong(&[]).contains("the list is empty"));
        assert!(wrong(&["https://a.test", "ftp://me:pass@b.test"]).starts_with("\"ftp://***@b.test\" is not a URL"));
        for twice in ["https://a.test", "https://a.test/", "https://A.test:443"] {
            assert!(wrong(&["https://a.test", twice]).starts_with(&format!("{twice:?} is listed twice")));
        }
        assert_eq!(before(KRAKEN, &["https://a.test", "https://a.test:8443"]).unwrap().len(), 2);
    }

    #[test]
    fn urls_and_the_addresses_they_are_made_of_go_both_ways() {
        let lists: [&[&str]; 4] = [
            &["https://a.test/k", "https://b.test"],
            &["https://a.test/k", "https://b.test/k"],
            &["https://a.test", "https://a.test:8443/x/y"],
            &["https://a.test/0", "http://b.test"],
        ];
        for (url, bases) in [KRAKEN, "https://x.test?ids={symbols}", "https://x.test"]
            .iter()
            .flat_map(|url| lists.map(|list| (url, list)))
        {
            let urls = before(url, bases).unwrap();
            let (printed, apart) = Bases::of(&urls.iter().map(String::as_str).collect::<Vec<_>>());
            assert_eq!(apart.before(&printed).unwrap(), urls, "{printed} {apart:?}");
        }
    }
}
