//! Checks one description on its own: its URLs, its templates, its filter, and the ranges of its numbers.

use super::{ANY, Notation, Separator, SourceSettings};
use crate::failure::SourceError;
use crate::provider::catalogue;
use crate::provider::filter::Filter;
use crate::provider::secrets;
use crate::provider::spelling::{DescriptionError, Spelling};
use crate::symbol::{Currency, Symbol};
use crate::units::Bytes;

/// The largest `max_body`, in bytes.
const MOST_BODY: usize = 64 << 20;

/// The most retries: a call that has failed four times within one attempt is unlikely to succeed.
const MOST_RETRIES: usize = 3;

/// The most coins that one unit of a venue may be.
const MOST_MULTIPLE: u64 = 1_000_000_000;

/// Every field that a row of a filter can have.
#[rustfmt::skip]
const ROW_FIELDS: [&str; 24] = [
    "symbol", "price", "bid", "ask", "volume", "currency", "session", "instrument", "market", "at", "at_ms", "at_us",
    "at_ns", "book_at", "book_at_ms", "book_at_us", "book_at_ns", "zone", "scale", "per", "inverse", "error", "detail",
    "retry_after",
];

/// The headers that follow from the connection and the body.
const WRITTEN_BY_US: [&str; 5] = ["connection", "content-length", "te", "transfer-encoding", "upgrade"];

/// Something that is wrong with a description.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The key, and the name within it if it is a table: `["headers", "accept"]`.
    pub path: Vec<String>,
    /// What was found, and what is allowed.
    pub message: String,
}

/// The faults found so far.
#[derive(Default)]
struct Faults(Vec<Fault>);

impl SourceSettings {
    /// Everything that is wrong with the description, without regard to other settings.
    pub fn faults(&self) -> Vec<Fault> {
        let mut faults = Faults::default();
        let template = Spelling::new(self).err();
        self.check_urls(template.as_ref(), &mut faults);
        if let Some(error) = template {
            faults.of_template(&error);
        }
        self.check_ranges(&mut faults);
        // a filter of the catalogue compiles, and reading one takes longer than everything else here
        if !catalogue::has_filter(&self.jq) {
            self.check_filter(&mut faults);
        }
        if let Some(list) = &self.instruments {
            let is_exposed = !self.hidden.is_empty() && self.urls().any(|url| url.starts_with("https://"));
            faults.0.extend(list.faults(&self.limits, is_exposed));
        }
        self.check_examples(&mut faults);
        faults.0
    }

    fn check_filter(&self, faults: &mut Faults) {
        match Filter::compile(&self.jq) {
            Err(error) => faults.at("jq", format!("this filter does not compile: {error}")),
            Ok(filter) => {
                if let Some(unknown) = filter.unknown_field(&ROW_FIELDS) {
                    faults.at("jq", unknown.to_string());
                }
            }
        }
    }

    /// Checks the URLs, of which a template may be known to be wrong already.
    fn check_urls(&self, template: Option<&DescriptionError>, faults: &mut Faults) {
        let key = if self.base_url.is_some() { "base_url" } else { "url" };
        let cure = "write one that starts with https:// or http://";
        let (mut is_secure, mut is_plain) = (false, false);
        for (index, url) in self.urls().enumerate() {
            let stated = self.base_url.as_ref().and_then(|bases| bases.0.get(index)).map_or(url, String::as_str);
            let stated = secrets::mask_url(stated);
            // braces are not allowed in a host, letters are
            match reqwest::Url::parse(&url.replace(['{', '}'], "x")) {
                Ok(url) if matches!(url.scheme(), "http" | "https") && url.has_host() => {
                    is_secure |= url.scheme() == "https";
                    is_plain |= url.scheme() == "http";
                }
                Ok(_) => faults.at(key, format!("{stated:?} is not a URL for HTTP; {cure}")),
                Err(error) => faults.at(key, format!("{stated:?} is not a URL ({error}); {cure}")),
            }
        }
        faults.unless(
            !self.url.contains('#'),
            "url",
            "what follows a # is never sent to a server; write %23 if the sign belongs to a name, or remove it",
        );
        // an attacker who blocks the https:// address could read the key on its way to the http:// one
        faults.unless(
            !(is_secure && is_plain) || self.hidden.is_empty(),
            key,
            "some of these addresses are https:// and some http://, so secrets would travel in the clear; \
             write https:// in all of them",
        );
        faults.unless(
            is_secure || self.proxies.have_certificates() || self.authority.is_none(),
            "ca_file",
            "this needs https://, which no URL of this source has; write https:// there, or remove this line",
        );
        faults.unless(
            // a placeholder that is misspelled says more
            self.asks_by_name() || self.batch > 1 || template.is_some_and(|error| error.key == "url"),
            "url",
            "neither the URL nor a body says which symbols are asked for; write {symbols}, or {symbol} for one; \
             if every reply contains all symbols, write batch = 100",
        );
        let uses = |placeholder: &str| {
            self.urls().any(|url| url.contains(placeholder)) || self.body.iter().any(|body| body.contains(placeholder))
        };
        let vendor = self.urls().filter_map(catalogue::host_of).find(|host| catalogue::has_host(host));
        if let Some(host) = vendor.filter(|_| self.propagate) {
            faults.at(
                "propagate",
                format!(
                    "{host} is a vendor's, who must not be told of requests here; remove this line, or write false"
                ),
            );
        }
        for (key, given) in [("key", self.key.is_some()), ("secret", self.secret.is_some())] {
            let placeholder = format!("{{{key}}}");
            faults.unless(
                given || !uses(&placeholder),
                "url",
                format!("{placeholder} is used here, but there is no {key}; set {key} = \"…\" for this source"),
            );
        }
    }

    fn check_ranges(&self, faults: &mut Faults) {
        for (key, number) in [("batch", self.batch), ("concurrency", self.concurrency)] {
            faults.unless((1..=10_000).contains(&number), key, format!("{number} is out of range; write 1 to 10000"));
        }
        faults.unless(
            self.retries <= MOST_RETRIES,
            "retries",
            format!("{} is out of range; write 1 to {MOST_RETRIES}, or 0 for none", self.retries),
        );
        faults.unless(
            self.max_body <= MOST_BODY,
            "max_body",
            format!("{} is out of range; write {} or less", Bytes(self.max_body), Bytes(MOST_BODY)),
        );
        faults.unless(
            !self.timeout.is_zero(),
            "timeout",
            "0s leaves no time for an answer; write one such as \"800ms\"",
        );
        let is_currency = |code: &&String| Currency::of_code(code).is_fx() || *code == ANY;
        for code in self.fiat.iter().flatten().filter(|code| !is_currency(code)) {
            let message = format!("{code:?} is not a currency of ISO 4217; remove it, or write \"*\" for all of them");
            faults.at("fiat", message);
        }
        for why in self.symbols.patterns().filter_map(|pattern| Symbol::why_never_matched(&pattern)) {
            faults.at("symbols", why);
        }
        for code in self.currencies.iter().filter(|code| **code != code.to_ascii_uppercase()) {
            let capitals = code.to_ascii_uppercase();
            faults.at("currencies", format!("{code:?} is a part of {capitals}, or spelled like one; write {capitals}"));
        }
        faults.unless(
            self.separator == Separator::default() || self.reply == Notation::Csv,
            "separator",
            format!(
                "only a table has columns; write reply = \"csv\" too, or remove this line: these are {}",
                self.reply
            ),
        );
        self.check_units(faults);
        for name in self.headers.keys().filter(|name| WRITTEN_BY_US.iter().any(|ours| name.eq_ignore_ascii_case(ours)))
        {
            let message =
                "quotefold writes this header itself, as each connection needs it; remove the line".to_owned();
            faults.0.push(Fault { path: vec!["headers".to_owned(), name.clone()], message });
        }
        faults.unless(!self.account.is_empty(), "account", "an account needs a name; write one, or remove the line");
    }

    /// Checks what is stated of the units of prices: by an exchange's suffix, and by a base that is listed as a multiple.
    fn check_units(&self, faults: &mut Faults) {
        for (suffix, unit) in &self.units {
            let listing = Symbol::parse(&format!("AAA.{suffix}"));
            let applies = |listing: Symbol| listing.listing().is_some_and(|(_, exchange)| exchange.suffix == suffix);
            let message = if !listing.is_ok_and(applies) {
                format!(
                    "{suffix:?} is no exchange's suffix, so this applies to no symbol; write a suffix such as L. A coin \
                     that is listed as a multiple belongs into [sources.{}.multiplied], and the currency of other symbols \
                     into [symbols]",
                    self.name
                )
            } else if !Currency::of_unit(unit).0.prices_listings() {
                format!("{unit:?} is neither a currency nor a part of one; write a code such as \"EUR\" or \"GBp\"")
            } else {
                continue;
            };
            faults.0.push(Fault { path: vec!["units".to_owned(), suffix.clone()], message });
        }
        for (base, count) in &self.multiplied {
            let is_base = |quote: &str| {
                let pair = Symbol::parse(&format!("{base}-{quote}"));
                pair.is_ok_and(|pair| pair.legs() == Some((base, quote)))
            };
            let message = if !is_base("USD") && !is_base("EUR") {
                format!("{base:?} is not the base of a pair; write its name without the multiple, such as PEPE = 1000")
            } else if !(2..=MOST_MULTIPLE).contains(count) {
                format!("{count} is out of range; write how many {base} one unit is, 2 to {MOST_MULTIPLE}")
            } else {
                continue;
            };
            faults.0.push(Fault { path: vec!["multiplied".to_owned(), base.clone()], message });
        }
        self.check_names_of_multiples(faults);
    }

    /// Checks that a pair whose base is listed as a multiple is not spelled by a name of the base itself: its prices would be
    /// divided although they are of one unit.
    fn check_names_of_multiples(&self, faults: &mut Faults) {
        for base in self.multiplied.keys() {
            let renamed = self.rename.get(base).map(|theirs| theirs.to_ascii_uppercase());
            if renamed.is_some_and(|theirs| theirs == *base || !theirs.contains(base.as_str())) {
                let message = format!(
                    "multiplied says that the source lists a multiple of {base}, and this is not the name of one; write a name \
                     that contains {base}, such as \"1000{base}\", or remove {base} from multiplied"
                );
                faults.0.push(Fault { path: vec!["rename".to_owned(), base.clone()], message });
            }
        }
        for (ours, theirs) in &self.spelled {
            let Ok(symbol) = Symbol::named(ours) else { continue };
            let Some((base, _)) = symbol.legs() else { continue };
            let Some(count) = self.multiplied.get(base) else { continue };
            let multiple = self.rename.get(base).cloned().unwrap_or_else(|| format!("{count}{base}"));
            if !theirs.to_ascii_uppercase().contains(&multiple.to_ascii_uppercase()) {
                let message = format!(
                    "{theirs:?} does not contain {multiple}, but multiplied says that one unit is {count} {base}; write the \
                     name of the multiple here, or remove {base} from multiplied"
                );
                faults.0.push(Fault { path: vec!["spelled".to_owned(), ours.clone()], message });
            }
        }
    }

    fn check_examples(&self, faults: &mut Faults) {
        for example in &self.examples {
            let symbols = example.asked.iter().chain(example.expect.iter().map(|expected| &expected.symbol));
            for error in symbols.filter_map(|symbol| Symbol::named(symbol).err()) {
                faults.at("examples", format!("{}: {error}", example.about));
            }
            let expected = example.expect.iter().filter_map(|expected| expected.error.as_ref());
            for reason in example.error.iter().chain(expected) {
                faults.unless(
                    SourceError::from_reason(reason, String::new(), None).is_some(),
                    "examples",
                    format!("{}: {reason:?} is not a reason for which a source can fail", example.about),
                );
            }
        }
    }
}

impl Faults {
    /// Adds what the code that fills in templates says of one.
    fn of_template(&mut self, error: &DescriptionError) {
        let (key, inner) = error.key.split_once('.').unwrap_or((&error.key, ""));
        let inner = Some(inner.trim_matches('"')).filter(|inner| !inner.is_empty());
        let path = [key].into_iter().chain(inner).map(str::to_owned).collect();
        self.0.push(Fault { path, message: error.message.clone() });
    }

    fn at(&mut self, key: &str, message: impl Into<String>) {
        self.0.push(Fault { path: vec![key.to_owned()], message: message.into() });
    }

    fn unless(&mut self, holds: bool, key: &str, message: impl Into<String>) {
        if !holds {
            self.at(key, message);
        }
    }
}
