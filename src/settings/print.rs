//! Writes the effective settings as TOML that can be read again, with secrets masked.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::time::Duration;

use secrecy::ExposeSecret;
use toml::Value;

use super::access::AccessSettings;
use super::{ClassSettings, LogFormat, RequestLog, Settings};
use crate::fold::BelowQuorum;
use crate::provider::description::{Bases, ClassFormat, Cost, Format, SourceSettings};
use crate::provider::secrets::{MASK, mask_url, scrub};
use crate::symbol::Class;
use crate::units::{Bytes, Percent, Span};

/// A file under construction.
struct Page(String);

impl Settings {
    /// The settings that hold, as a configuration file.
    pub fn to_toml(&self) -> String {
        let mut page = Page(String::new());
        page.server(self);
        page.access(&self.access);
        for (class, set) in &self.classes {
            page.section(&["class", class.as_str()]);
            page.class(*class, set);
        }
        let single = self.symbols.iter().map(|(symbol, set)| (symbol.to_string(), set));
        let patterns = self.symbols.patterns().map(|(glob, set)| (glob.to_string(), set));
        for (name, set) in single.chain(patterns) {
            page.section(&["symbols", &name]);
            page.some("currency", set.currency.as_ref().map(crate::symbol::Currency::as_str));
            page.some("class", set.class.map(crate::symbol::Class::as_str));
            page.table("spelled", &set.spelled);
        }
        if let Some(path) = &self.state.path {
            page.section(&["state"]);
            page.line("path", path.display().to_string());
        }
        page.section(&["watch"]);
        page.line("symbols", texts(&self.watch.symbols));
        page.span("every", self.watch.every);
        page.section(&["log"]);
        page.line("level", self.log.level.as_str());
        page.line(
            "format",
            match self.log.format {
                LogFormat::Auto => "auto",
                LogFormat::Text => "text",
                LogFormat::Json => "json",
            },
        );
        page.line(
            "requests",
            match self.log.requests {
                RequestLog::None => "none",
                RequestLog::Errors => "errors",
                RequestLog::All => "all",
            },
        );
        for source in &self.sources {
            page.section(&["sources", &source.name]);
            page.source(source);
        }
        page.0
    }
}

impl Page {
    fn section(&mut self, path: &[&str]) {
        let gap = if self.0.is_empty() { "" } else { "\n" };
        self.0 += &format!("{gap}[{}]\n", super::load::document::joined(path));
    }

    fn line(&mut self, key: &str, value: impl Into<Value>) {
        // writing to a String cannot fail
        let _ = writeln!(self.0, "{key} = {}", value.into());
    }

    fn some(&mut self, key: &str, value: Option<impl Into<Value>>) {
        if let Some(value) = value {
            self.line(key, value);
        }
    }

    fn span(&mut self, key: &str, span: Duration) {
        self.line(key, Span(span).to_string());
    }

    fn count(&mut self, key: &str, count: usize) {
        self.line(key, i64::try_from(count).unwrap_or(i64::MAX));
    }

    fn server(&mut self, settings: &Settings) {
        let server = &settings.server;
        self.section(&["server"]);
        self.line("listen", server.listen.as_str());
        self.span("timeout", server.timeout);
        self.span("max_timeout", server.max_timeout);
        self.count("max_symbols", server.max_symbols);
        self.line("symbols", texts(&server.symbols));
        self.span("drain_delay", server.drain_delay);
        self.span("drain_timeout", server.drain_timeout);
        self.count("max_connections", server.max_connections);
        self.count("max_connections_per_client", server.max_connections_per_client);
        self.count("max_requests", server.max_requests);
        self.count("max_weight", server.max_weight as usize);
        self.line("max_reply_memory", Bytes(server.max_reply_memory).to_string());
    }

    /// What is not set is left out. A masked key is refused when it is read again: it would be one that everybody knows.
    fn access(&mut self, access: &AccessSettings) {
        let AccessSettings { keys, rate, trusted_proxies, cors, admin_listen, hosts } = access;
        let lists_are_empty = keys.is_empty() && rate.is_empty() && trusted_proxies.is_empty() && cors.is_empty();
        if lists_are_empty && admin_listen.is_none() && hosts.is_empty() {
            return;
        }
        self.section(&["access"]);
        self.some("keys", (!keys.is_empty()).then(|| texts(&vec![MASK; keys.len()])));
        self.some("rate", (!rate.is_empty()).then(|| texts(rate)));
        self.some("trusted_proxies", (!trusted_proxies.is_empty()).then(|| texts(trusted_proxies)));
        self.some("cors", (!cors.is_empty()).then(|| texts(cors)));
        self.some("admin_listen", admin_listen.as_deref());
        self.some("hosts", (!hosts.is_empty()).then(|| texts(hosts)));
    }

    fn class(&mut self, class: Class, set: &ClassSettings) {
        self.span("refresh_after", set.refresh_after);
        self.span("usable_for", set.usable_for);
        self.span("fallback_for", set.fallback_for);
        self.span("closed_for", set.closed_for);
        self.line("hours", set.hours);
        self.span("refresh_floor", set.refresh_floor);
        self.span("unknown_for", set.unknown_for);
        self.count("required", set.required);
        self.line(
            "below_quorum",
            match set.below_quorum {
                BelowQuorum::Refuse => "refuse",
                BelowQuorum::Degrade => "degrade",
            },
        );
        self.line("outlier_beyond", Percent(set.outlier_beyond).to_string());
        self.line("disagree_beyond", Percent(set.disagree_beyond).to_string());
        self.some("bare_currency", set.bare_currency.map(|code| code.to_string()));
        self.some("book_within", class.has_books().then(|| Percent(set.book_within).to_string()));
    }

    fn source(&mut self, source: &SourceSettings) {
        let shown = |text: &str| scrub(text, &source.hidden);
        self.line("about", shown(&source.about));
        self.line("classes", texts(&source.classes));
        self.some("currencies", (!source.currencies.is_empty()).then(|| texts(&source.currencies)));
        self.some("fiat", source.fiat.as_ref().map(|codes| texts(codes)));
        self.some("symbols", (!source.symbols.is_empty()).then(|| texts(&source.symbols)));
        self.line("role", source.role.as_str());
        let mirrored = (!source.mirrors.is_empty()).then(|| Bases::of(&source.urls().collect::<Vec<_>>()));
        let (url, bases) = mirrored.map_or((source.url.clone(), None), |(url, bases)| (url, Some(bases.0)));
        let masked = |url: &String| mask_url(&shown(url));
        self.line("url", masked(&url));
        self.some("base_url", bases.map(|bases| texts(&bases.iter().map(masked).collect::<Vec<_>>())));
        self.some("ca_file", source.authority.as_ref().map(|authority| shown(&authority.file)));
        self.line("method", source.method.as_str());
        self.some("body", source.body.as_deref().map(shown));
        let headers = source.headers.iter().map(|(name, value)| (name.clone(), shown(value)));
        self.table("headers", &headers.collect());
        match &source.format {
            Format::One(template) => self.line("format", template.as_str()),
            Format::PerClass(format) => self.line("format", per_class(format)),
        }
        self.table("rename", &source.rename);
        self.table("ids", &source.ids);
        self.table("aliases", &source.aliases);
        self.table("spelled", &source.spelled);
        self.table("units", &source.units);
        self.count("batch", source.batch);
        self.line("join", source.join.as_str());
        self.line("unknown", if source.unknown_kills { "kills" } else { "missing" });
        self.line("not_found", if source.not_found_denies { "unknown_symbol" } else { "http_status" });
        self.line("limits", texts(&source.limits));
        self.line("cost", if source.cost == Cost::Symbol { "symbol" } else { "call" });
        self.line("account", shown(&source.account));
        self.span("timeout", source.timeout);
        self.count("concurrency", source.concurrency);
        self.count("retries", source.retries);
        self.line("reuse", source.reuse);
        self.line("idempotent", source.idempotent);
        self.line("max_body", Bytes(source.max_body).to_string());
        self.span("refresh_after", source.refresh_after);
        self.some("usable_for", source.usable_for.map(|span| Span(span).to_string()));
        self.span("lag", source.lag);
        let set = |secret: &Option<secrecy::SecretString>| {
            secret.as_ref().filter(|text| !text.expose_secret().is_empty()).map(|_| MASK)
        };
        self.some("key", set(&source.key));
        self.some("secret", set(&source.secret));
        self.some("key_from", (!source.key_from.is_empty()).then(|| texts(&source.key_from)));
        self.line("key_optional", source.key_optional);
        self.line("paid", source.paid);
        self.some("get_a_key", source.get_a_key.as_deref());
        self.line("unofficial", source.unofficial);
        self.line("reply", source.reply.to_string().to_ascii_lowercase());
        self.line("jq", shown(&source.jq));
    }

    fn table(&mut self, key: &str, map: &BTreeMap<String, String>) {
        self.some(key, (!map.is_empty()).then(|| table(map)));
    }
}

fn texts(items: &[impl ToString]) -> Value {
    Value::Array(items.iter().map(|item| Value::String(item.to_string())).collect())
}

fn table(map: &BTreeMap<String, String>) -> Value {
    Value::Table(map.iter().map(|(key, value)| (key.clone(), Value::String(value.clone()))).collect())
}

fn per_class(format: &ClassFormat) -> Value {
    let ClassFormat { equity, index, fund, crypto, fx, dot, suffix } = format;
    let texts = [("equity", equity), ("index", index), ("fund", fund), ("crypto", crypto), ("fx", fx), ("dot", dot)];
    let texts = texts.into_iter().filter_map(|(key, text)| Some((key.to_owned(), Value::String(text.clone()?))));
    let suffix = suffix.iter().map(|suffix| ("suffix".to_owned(), table(suffix)));
    Value::Table(texts.chain(suffix).collect())
}

#[cfg(test)]
mod tests {
    use crate::settings::load::{LoadOptions, load};

    #[test]
    fn what_is_printed_can_be_read_again_and_prints_the_same() {
        let environment = [("FINNHUB_API_KEY".to_owned(), "abcdef".to_owned())].into();
        let options = LoadOptions { environment, unofficial: true, ..LoadOptions::default() };
        let printed = load(&options).unwrap().to_toml();
        assert!(!printed.contains("abcdef") && printed.contains("key = \"***\""));
        let text = Some(("printed.toml".to_owned(), printed.clone()));
        let again = load(&LoadOptions { text, ..LoadOptions::default() });
        assert_eq!(again.unwrap().to_toml(), printed);
    }
}
