//! Makes messages for other replicas, and changes of what is kept for them, of what has happened here. Pure.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::Serialize;
use tokio::time::Instant;

use super::exchange::{Outgoing, Refusal, cooldowns_key, salted};
use super::leases::{Ended, SharedSource};
use super::news::{CooldownNews, DenialNews, Message, QuoteNews, Said, WithdrawalNews};
use super::script::StoreInstant;
use crate::board::News;
use crate::clock::Moment;

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

    /// Keeps what was said at an instant, unless what is kept is newer.
    fn keep(&mut self, key: String, what: &str, field: String, at: StoreInstant, value: &impl Serialize) {
        // these types have nothing that JSON cannot hold
        if let Ok(value) = serde_json::to_string(value) {
            self.change(key, what, field, format!("{at} {value}"));
        }
    }
}

/// What decides how things are told.
pub(super) struct Terms<'t> {
    pub(super) prefix: &'t str,
    /// What fingerprints of keys are made with.
    pub(super) salt: &'t str,
    /// The store's time at an instant; `None` before it is known.
    pub(super) time: &'t (dyn Fn(Instant) -> Option<StoreInstant> + Sync),
    /// A source by its name; `None` if it is configured no longer.
    pub(super) source: &'t (dyn Fn(&str) -> Option<Arc<SharedSource>> + Sync),
    pub(super) now: Moment,
}

/// What to tell: one call for each source, and one for all accounts. Nothing is told of a source that is configured no longer, or
/// before the store's time is known.
pub(super) fn tellings(together: Vec<Outgoing>, terms: &Terms<'_>) -> Vec<Telling> {
    let mut by_source: BTreeMap<String, Telling> = BTreeMap::new();
    let mut of_accounts = Telling::default();
    for outgoing in together {
        match outgoing {
            Outgoing::Cooldown(refusal) => tell_refusal(&mut of_accounts, *refusal, terms),
            Outgoing::Ended(ended) => {
                let telling = by_source.entry(ended.source.identity.clone()).or_default();
                end_leases(telling, &ended, terms);
            }
            Outgoing::News(news) => {
                let (News::Quote(origin, ..) | News::Denial(origin, ..) | News::Withdrawal(origin, ..)) = &news;
                let Some(source) = (terms.source)(&origin.source) else { continue };
                let telling = by_source.entry(source.identity.clone()).or_default();
                tell_news(telling, news, &source, terms);
            }
        }
    }
    for (identity, telling) in &mut by_source {
        telling.message.source.clone_from(identity);
    }
    let all = by_source.into_values().chain([of_accounts]);
    all.filter(|telling| !telling.changes.is_empty() || !telling.message.is_empty()).collect()
}

fn tell_news(telling: &mut Telling, news: News, source: &SharedSource, terms: &Terms<'_>) {
    let Terms { prefix, time, .. } = terms;
    let key = source.said_key(prefix);
    match news {
        News::Quote(_, quote, landed) => {
            let Some(landed) = time(landed) else { return };
            let (symbol, news) = (quote.symbol.clone(), QuoteNews { landed, quote: *quote });
            telling.keep(key, "set", symbol, landed, &Said::Quote(Box::new(news.clone())));
            telling.message.quotes.push(news);
        }
        News::Denial(_, symbol, error, landed, until) => {
            let (Some(landed), Some(until)) = (time(landed), time(until)) else { return };
            let (reason, detail) = (error.reason().to_owned(), error.to_string());
            let news = DenialNews { symbol: symbol.to_string(), reason, detail, landed, until };
            telling.keep(key, "set", news.symbol.clone(), landed, &Said::Denial(news.clone()));
            telling.message.denials.push(news);
        }
        News::Withdrawal(_, symbol, landed, received_at) => {
            let Some(landed) = time(landed) else { return };
            let news = WithdrawalNews { symbol: symbol.to_string(), landed, received_at };
            // it is kept, because a replica that has the quote may not hear of it now
            telling.keep(key, "void", news.symbol.clone(), landed, &Said::Withdrawal(news.clone()));
            telling.message.withdrawals.push(news);
        }
    }
}

fn end_leases(telling: &mut Telling, ended: &Ended, terms: &Terms<'_>) {
    let Terms { prefix, time, .. } = terms;
    for (symbol, landed) in &ended.told {
        let Some(landed) = time(*landed) else { continue };
        telling.change(ended.source.lease_of(symbol, prefix), "done", ended.token.clone(), landed.to_string());
        telling.message.done.push(symbol.to_string());
    }
    for symbol in &ended.failed {
        telling.change(ended.source.lease_of(symbol, prefix), "free", ended.token.clone(), String::new());
        if ended.were_held {
            telling.message.failed.push(symbol.to_string());
        }
    }
}

fn tell_refusal(telling: &mut Telling, refusal: Refusal, terms: &Terms<'_>) {
    let Terms { prefix, salt, time, now, .. } = terms;
    let Refusal { account, error, until, times, key_mark } = refusal;
    let until_by_wall = now.wall_at(until);
    let Some(until) = time(until) else { return };
    let (reason, detail, key) = (error.reason().to_owned(), error.to_string(), salted(salt, key_mark.as_ref()));
    let news = CooldownNews { account, reason, detail, until, until_by_wall, times, key };
    telling.keep(cooldowns_key(prefix), "keep", format!("{}/{}", news.account, news.reason), until, &news);
    telling.message.cooldowns.push(news);
}
