//! Writes the call to a source. Every value that is filled in is escaped for its place.

use std::borrow::Cow;

use percent_encoding::{AsciiSet, CONTROLS, NON_ALPHANUMERIC, utf8_percent_encode};
use reqwest::header::{HeaderName, HeaderValue};
use secrecy::{ExposeSecret, SecretString};

use super::DescriptionError;
use super::call::HttpRequest;
use super::template::Template;
use crate::provider::description::{InstrumentSettings, Method, SourceSettings};

/// The characters that are escaped in every part of a URL: all but letters, digits and `- . _ ~`.
pub(crate) const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// The characters of a separator that are escaped in a URL. A comma, a plus sign or an escape (`%2C`) stays as it is.
const NOT_IN_URL: &AsciiSet = &CONTROLS
    .add(b' ')
    .add(b'"')
    .add(b'#')
    .add(b'<')
    .add(b'>')
    .add(b'?')
    .add(b'[')
    .add(b'\\')
    .add(b']')
    .add(b'^')
    .add(b'`')
    .add(b'{')
    .add(b'|')
    .add(b'}');

/// A call with placeholders.
pub(super) struct RequestTemplate {
    method: Method,
    url: Template,
    mirrors: Vec<Template>,
    /// The addresses of the list of what the vendor trades; empty if that is not asked for.
    list: Vec<Template>,
    headers: Vec<(String, Template)>,
    body: Option<Template>,
    /// What values in the body are escaped for: JSON, or a form, which is escaped like a URL.
    body_place: Place,
    join: String,
    key: Option<SecretString>,
    secret: Option<SecretString>,
}

/// The place that a value is escaped for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    Url,
    Json,
    Header,
}

/// One symbol as the provider spells it, whole and in parts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Spelled {
    pub(super) symbol: String,
    /// The legs of a pair; empty for anything else.
    pub(super) base: String,
    pub(super) quote: String,
    /// The provider's id for the base; empty if it has none.
    pub(super) id: String,
    /// The ISIN; empty if none is known.
    pub(super) isin: String,
}

/// The placeholders for a call's only symbol.
const SINGLE: [&str; 5] = ["symbol", "base", "quote", "id", "isin"];

/// The placeholders of URLs, headers and bodies. `{first}` and `{others}` are for a list that is split between two
/// places.
#[rustfmt::skip]
const PLACEHOLDERS: &[&str] = &[
    "symbols", "symbol", "first", "others", "bases", "quotes", "ids", "isins", "base", "quote", "id", "isin",
    "bases:lower", "quotes:lower", "base:lower", "quote:lower", "key", "secret",
];

impl RequestTemplate {
    pub(super) fn new(source: &SourceSettings) -> Result<Self, DescriptionError> {
        let url = Template::parse("url", &source.url, PLACEHOLDERS)?;
        check_url(&url)?;
        let mirrors = source.mirrors.iter().map(|url| Template::parse("base_url", url, PLACEHOLDERS));
        let mirrors = mirrors.collect::<Result<Vec<_>, _>>()?;
        // one that is empty has been found missing already
        let of_list = source.instruments.iter().flat_map(InstrumentSettings::urls).filter(|url| !url.is_empty());
        let list: Vec<Template> = of_list.map(list_address).collect::<Result<_, _>>()?;
        let mut headers = Vec::new();
        for (name, value) in &source.headers {
            let key = format!("headers.{name}");
            HeaderName::from_bytes(name.as_bytes())
                .map_err(|_| DescriptionError::new(&key, format!("{name:?} is not a valid header name")))?;
            headers.push((name.clone(), Template::parse(&key, value, PLACEHOLDERS)?));
        }
        let body = source.body.as_deref().map(|body| Template::parse("body", body, PLACEHOLDERS)).transpose()?;
        if body.is_some() && source.method == Method::Get {
            return Err(DescriptionError::new("body", "a GET has no body; add method = \"POST\""));
        }
        let templates = || headers.iter().map(|(_, template)| template).chain([&url]).chain(&body);
        let single = SINGLE.into_iter().find(|name| templates().any(|template| template.has(name)));
        if let (Some(name), 2..) = (single, source.batch) {
            let message = format!("it is {}, but {{{name}}} takes a single symbol; write {{{name}s}}", source.batch);
            return Err(DescriptionError::new("batch", message));
        }
        let is_form = |(name, value): (&String, &String)| {
            name.eq_ignore_ascii_case("content-type") && value.contains("x-www-form-urlencoded")
        };
        let request = RequestTemplate {
            method: source.method,
            url,
            mirrors,
            list,
            headers,
            body,
            body_place: if source.headers.iter().any(is_form) { Place::Url } else { Place::Json },
            join: source.join.clone(),
            key: source.key.clone(),
            secret: source.secret.clone(),
        };
        request.check_headers()?;
        Ok(request)
    }

    /// The call for symbols that are already spelled the provider's way.
    pub(super) fn fill(&self, symbols: &[Spelled]) -> HttpRequest {
        let fill = |template: &Template, place| template.fill(|name| self.value(name, symbols, place));
        HttpRequest {
            method: self.method,
            url: fill(&self.url, Place::Url).unwrap_or_default(),
            mirrors: self.mirrors.iter().filter_map(|url| fill(url, Place::Url)).collect(),
            // some keys are optional: without the key, its header is left out
            headers: self
                .headers
                .iter()
                .filter_map(|(name, value)| Some((name.clone(), fill(value, Place::Header)?.into())))
                .collect(),
            body: self.body.as_ref().and_then(|body| fill(body, self.body_place)),
        }
    }

    /// Whether it has one of these placeholders.
    pub(super) fn has(&self, any: &[&str]) -> bool {
        let mut templates = self.headers.iter().map(|(_, template)| template).chain([&self.url]).chain(&self.body);
        templates.any(|template| any.iter().any(|name| template.has(name)))
    }

    /// The call for the list of what the vendor trades; `None` if that is not asked for.
    pub(super) fn fill_list(&self) -> Option<HttpRequest> {
        let mut urls = self.list.iter().filter_map(|url| url.fill(|name| self.value(name, &[], Place::Url)));
        let url = urls.next()?;
        let mirrors = urls.collect();
        Some(HttpRequest { method: Method::Get, url, mirrors, body: None, ..self.fill(&[]) })
    }

    /// The names and passwords in its URLs, which do not depend on the symbols.
    pub(super) fn credentials(&self) -> Vec<SecretString> {
        let of_list = self.fill_list().map(|call| call.credentials()).unwrap_or_default();
        [self.fill(&[Spelled::sample()]).credentials(), of_list].concat()
    }

    fn value(&self, name: &str, symbols: &[Spelled], place: Place) -> Option<String> {
        let first =
            |part: fn(&Spelled) -> &str| symbols.first().map(|one| escape(part(one), place)).unwrap_or_default();
        let list = |part: fn(&Spelled) -> &str| self.joined(&distinct(symbols.iter().map(part)), place);
        let secret = |secret: &Option<SecretString>| match secret {
            Some(secret) => Some(escape(secret.expose_secret(), place)),
            None if place == Place::Header => None,
            None => Some(String::new()),
        };
        match name {
            "symbols" => Some(list(|one| &one.symbol)),
            "symbol" | "first" => Some(first(|one| &one.symbol)),
            "others" => Some(self.joined(&distinct(symbols.iter().skip(1).map(|one| one.symbol.as_str())), place)),
            "bases" => Some(list(|one| &one.base)),
            "quotes" => Some(list(|one| &one.quote)),
            "ids" => Some(list(|one| &one.id)),
            "isins" => Some(list(|one| &one.isin)),
            "base" => Some(first(|one| &one.base)),
            "quote" => Some(first(|one| &one.quote)),
            "id" => Some(first(|one| &one.id)),
            "isin" => Some(first(|one| &one.isin)),
            "key" => secret(&self.key),
            "secret" => secret(&self.secret),
            _ => None,
        }
    }

    fn joined(&self, names: &[&str], place: Place) -> String {
        if self.join == "json" {
            let list = serde_json::Value::from(names).to_string();
            // in a JSON body the list is a part of it, not text in a string
            return if place == Place::Url { escape(&list, place) } else { list };
        }
        let separator = match place {
            Place::Url => Cow::from(utf8_percent_encode(&self.join, NOT_IN_URL)).into_owned(),
            Place::Json | Place::Header => escape(&self.join, place),
        };
        names.iter().map(|name| escape(name, place)).collect::<Vec<_>>().join(&separator)
    }

    /// Finds headers that cannot be sent now, and not at the first call. The message does not show the value, which may
    /// be a key.
    fn check_headers(&self) -> Result<(), DescriptionError> {
        for (name, value) in self.fill(&[Spelled::sample()]).headers {
            if HeaderValue::from_str(value.expose_secret()).is_err() {
                let message = "its value holds a line break or another character that no header may have";
                return Err(DescriptionError::new(format!("headers.{name}"), message));
            }
        }
        Ok(())
    }
}

impl Spelled {
    /// A symbol to fill templates with when they are only checked.
    fn sample() -> Self {
        let some = || "X".to_owned();
        Spelled { symbol: some(), base: some(), quote: some(), id: some(), isin: some() }
    }
}

/// Each name once, in the order of first mention: two pairs may share a leg.
fn distinct<'n>(names: impl Iterator<Item = &'n str>) -> Vec<&'n str> {
    names.fold(Vec::new(), |mut names, name| {
        if !names.contains(&name) {
            names.push(name);
        }
        names
    })
}

/// Reads the address of a list, which depends on no symbol.
fn list_address(url: &str) -> Result<Template, DescriptionError> {
    const KEY: &str = "instruments.url";
    let template = Template::parse(KEY, url, &["key", "secret"])?;
    match check_url(&template) {
        Ok(()) => Ok(template),
        Err(_) => {
            let message = "it is not a URL; write one such as \"https://api.example.com/symbols\"";
            Err(DescriptionError::new(KEY, message))
        }
    }
}

fn check_url(url: &Template) -> Result<(), DescriptionError> {
    let sample = url.fill(|_| Some("X".to_owned())).unwrap_or_default();
    let parsed = reqwest::Url::parse(&sample);
    match parsed {
        Ok(parsed) if matches!(parsed.scheme(), "http" | "https") && parsed.has_host() => Ok(()),
        _ => {
            let message = "it is not a URL; write one such as \"https://api.example.com/quotes?ids={symbols}\"";
            Err(DescriptionError::new("url", message))
        }
    }
}

fn escape(text: &str, place: Place) -> String {
    match place {
        Place::Url => Cow::from(utf8_percent_encode(text, RESERVED)).into_owned(),
        Place::Json => {
            let quoted = serde_json::Value::from(text).to_string();
            quoted.strip_prefix('"').and_then(|text| text.strip_suffix('"')).unwrap_or_default().to_owned()
        }
        Place::Header => text.to_owned(),
    }
}
