//! Makes messages for other replicas, and changes of what is kept for them, of what has happened here. Pure.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::Serialize;
use tokio::time::Instant;

use super::exchange::{Outgoing, Refusal, cooldowns_key, salted};
use super::leases::{Ended, SharedSource};
use super::news::{CooldownNews, DenialNews, Message, QuoteNews, WithdrawalNews};
use super::script::StoreInstant;
use crate::board::News;

/// One call to the store: a message, and the changes that go with it.
#[derive(Debug, Default)]
pub(super) struct Telling {
    pub(super) message: Message,
    pub(super) keys: Vec<String>,
    /// Of each change the place of its key, what, and two more.
    pub(super) changes: Vec<[String; 4]>,
}

impl Telling {
    fn change(&mut self, key: String, what: &str, one: String, other: String) {
        let place = self.keys.iter().position(|known| *known == key).unwrap_or_else(|| {
            self.keys.push(key);
            self.keys.len() - 1
        });
        self.changes.push([(place + 1).to_string(), what.to_owned(), one, other]);
    }

    fn keep(&mut self, key: String, field: String, value: &impl Serialize) {
        // these types have nothing that JSON cannot hold
        if let Ok(value) = serde_json::to_string(value) {
            self.change(key, "set", field, value);
        }
    }

    fn drop(&mut self, key: String, field: String) {
        self.change(key, "drop", field, String::new());
    }
}

/// What to tell: one call for each source, and one for all accounts. Nothing is told of a source that is configured no longer, or
/// before the store's time is known.
pub(super) fn tellings(
    together: Vec<Outgoing>,
    prefix: &str,
    time: impl Fn(Instant) -> Option<StoreInstant>,
    source: impl Fn(&str) -> Option<Arc<SharedSource>>,
    salt: &str,
) -> Vec<Telling> {
    let mut by_source: BTreeMap<String, Telling> = BTreeMap::new();
    let mut of_accounts = Telling::default();
    for outgoing in together {
        match outgoing {
            Outgoing::Cooldown(refusal) => tell_refusal(&mut of_accounts, *refusal, prefix, &time, salt),
            Outgoing::Ended(ended) => {
                let telling = by_source.entry(ended.source.identity.clone()).or_default();
                end_leases(telling, &ended, prefix);
            }
            Outgoing::News(news) => {
                let (News::Quote(origin, ..) | News::Denial(origin, ..) | News::Withdrawal(origin, ..)) = &news;
                let Some(source) = source(&origin.source) else { continue };
                let telling = by_source.entry(source.identity.clone()).or_default();
                tell_news(telling, news, &source, prefix, &time);
            }
        }
    }
    for (identity, telling) in &mut by_source {
        telling.message.source.clone_from(identity);
    }
    let all = by_source.into_values().chain([of_accounts]);
    all.filter(|telling| !telling.changes.is_empty() || !telling.message.is_empty()).collect()
}

fn tell_news(
    telling: &mut Telling,
    news: News,
    source: &SharedSource,
    prefix: &str,
    time: impl Fn(Instant) -> Option<StoreInstant>,
) {
    let (quotes, denials) = (source.quotes_key(prefix), source.denials_key(prefix));
    match news {
        News::Quote(_, quote, landed) => {
            let Some(landed) = time(landed) else { return };
            let (symbol, news) = (quote.symbol.clone(), QuoteNews { landed, quote: *quote });
            telling.keep(quotes, symbol.clone(), &news);
            telling.drop(denials, symbol);
            telling.message.quotes.push(news);
        }
        News::Denial(_, symbol, error, landed, until) => {
            let (Some(landed), Some(until)) = (time(landed), time(until)) else { return };
            let (reason, detail) = (error.reason().to_owned(), error.to_string());
            let news = DenialNews { symbol: symbol.to_string(), reason, detail, landed, until };
            telling.keep(denials, news.symbol.clone(), &news);
            telling.drop(quotes, news.symbol.clone());
            telling.message.denials.push(news);
        }
        News::Withdrawal(_, symbol, landed) => {
            let Some(landed) = time(landed) else { return };
            telling.drop(quotes, symbol.to_string());
            telling.message.withdrawals.push(WithdrawalNews { symbol: symbol.to_string(), landed });
        }
    }
}

fn end_leases(telling: &mut Telling, ended: &Ended, prefix: &str) {
    for (symbols, what) in [(&ended.quoted, "done"), (&ended.failed, "free")] {
        for symbol in symbols {
            telling.change(ended.source.lease_of(symbol, prefix), what, ended.token.clone(), String::new());
        }
    }
    telling.message.released |= !ended.failed.is_empty();
}

fn tell_refusal(
    telling: &mut Telling,
    refusal: Refusal,
    prefix: &str,
    time: impl Fn(Instant) -> Option<StoreInstant>,
    salt: &str,
) {
    let Refusal { account, error, until, times, key_mark } = refusal;
    let Some(until) = time(until) else { return };
    let (reason, detail) = (error.reason().to_owned(), error.to_string());
    let news = CooldownNews { account, reason, detail, until, times, key: salted(salt, key_mark.as_ref()) };
    telling.keep(cooldowns_key(prefix), format!("{}/{}", news.account, news.reason), &news);
    telling.message.cooldowns.push(news);
}
