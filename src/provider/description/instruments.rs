//! Describes where a vendor lists what it trades, and checks that description: `[sources.NAME.instruments]`.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::Fault;
use crate::provider::filter::Filter;
use crate::units::{Bytes, Limit, as_text};

/// The name of the table.
const TABLE: &str = "instruments";

/// The largest `max_body`, in bytes.
const MOST_BODY: usize = 64 << 20;

/// The longest `timeout`.
const MOST_TIME: Duration = Duration::from_secs(60);

/// The shortest `every`. A list denies for an hour, so between two lists there is another hour in which the vendor itself is asked.
const LEAST_EVERY: Duration = Duration::from_secs(7200);

/// Where a vendor lists the instruments that it trades, and what the list says of each.
///
/// The list is asked for with the `headers` of the source, and read in the notation of its `reply`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct InstrumentSettings {
    /// The address of the list; `{key}` and `{secret}` are filled in. It moves with `base_url`.
    pub url: String,
    /// The filter that turns the list into rows `{symbol, status}`: the name that a call for a price would use, and the
    /// vendor's word for the state of its market, if it has one.
    pub filter: String,
    /// The longest list that is read, in bytes; 8 MiB unless stated. Only names and statuses are kept of it.
    #[serde(with = "as_text::bytes")]
    pub max_body: usize,
    /// How long the call may take, body and filter included; 10 s unless stated.
    #[serde(with = "as_text::span")]
    pub timeout: Duration,
    /// How many units of the vendor's limits the call costs; 1 unless stated.
    pub cost: u32,
    /// How often the list is asked for: at least two hours, a day unless stated. Zero: never.
    #[serde(with = "as_text::span")]
    pub every: Duration,
    /// The statuses that mean that nothing can be traded now, as the vendor writes them.
    pub halted: Vec<String>,
    /// Lists that the vendor sends, and what they say.
    #[serde(skip_serializing)]
    pub examples: Vec<ListExample>,
    /// `url` at the further addresses of `base_url`.
    #[serde(skip)]
    pub mirrors: Vec<String>,
}

/// A list that a vendor sends, and every row that it must give.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ListExample {
    /// What the example shows.
    pub about: String,
    /// The body.
    pub body: String,
    /// Each name in it, with its status; an empty text for a name without one. Nothing else may be in it.
    pub expect: BTreeMap<String, String>,
}

impl Default for InstrumentSettings {
    /// The values of keys that are not stated. A list has to state `url` and `filter`.
    fn default() -> Self {
        InstrumentSettings {
            url: String::new(),
            filter: String::new(),
            max_body: 8 << 20,
            timeout: Duration::from_secs(10),
            cost: 1,
            every: Duration::from_secs(86_400),
            halted: Vec::new(),
            examples: Vec::new(),
            mirrors: Vec::new(),
        }
    }
}

impl InstrumentSettings {
    /// Every URL at which the list can be asked for, in the order in which they are tried.
    pub(crate) fn urls(&self) -> impl Iterator<Item = &str> {
        [&self.url].into_iter().chain(&self.mirrors).map(String::as_str)
    }

    /// Whether a status is one of those that mean that nothing can be traded.
    pub fn is_halt(&self, status: &str) -> bool {
        self.halted.iter().any(|word| word == status)
    }

    /// Everything that is wrong with it, at a source with these limits. `is_exposed`: the source has secrets and is asked over
    /// https://, so that they must not travel over http:// either.
    pub(super) fn faults(&self, limits: &[Limit], is_exposed: bool) -> Vec<Fault> {
        let mut faults = Vec::new();
        let mut at = |key: &str, message: String| {
            faults.push(Fault { path: vec![TABLE.to_owned(), key.to_owned()], message });
        };
        if self.url.is_empty() {
            at("url", "a list needs `url`; write its address, or remove this table".to_owned());
        } else if is_exposed && self.urls().any(|url| url.starts_with("http://")) {
            let why = "this address is http:// and the source's is https://, so its key would travel in the clear";
            at("url", format!("{why}; write https:// here too"));
        }
        if self.filter.is_empty() {
            at("filter", "a list needs `filter`; write one such as '.[] | {symbol: .id, status}'".to_owned());
        } else {
            match Filter::compile(&self.filter) {
                Err(error) => at("filter", format!("this filter does not compile: {error}")),
                Ok(filter) => {
                    if let Some(unknown) = filter.unknown_field(&["symbol", "status"]) {
                        at("filter", unknown.to_string());
                    }
                }
            }
        }
        if self.max_body > MOST_BODY {
            let (stated, most) = (Bytes(self.max_body), Bytes(MOST_BODY));
            at("max_body", format!("{stated} is out of range; write {most} or less"));
        }
        if self.timeout.is_zero() || self.timeout > MOST_TIME {
            let stated = crate::units::Span(self.timeout);
            at("timeout", format!("{stated} is out of range; write more than 0s and up to 60s, such as \"10s\""));
        }
        if !self.every.is_zero() && self.every < LEAST_EVERY {
            let stated = crate::units::Span(self.every);
            at("every", format!("{stated} is too often; write 2h or more, such as \"24h\", or 0s for never"));
        }
        let tightest = limits.iter().min_by_key(|limit| limit.calls);
        match tightest.filter(|limit| self.cost > limit.calls) {
            Some(limit) => {
                let (cost, most) = (self.cost, limit.calls);
                at("cost", format!("{cost} is more than the limit of {limit} allows; write 1 to {most}"));
            }
            None if self.cost == 0 => at("cost", "0 is out of range; write 1 or more".to_owned()),
            None => {}
        }
        if self.halted.iter().any(String::is_empty) {
            at("halted", "an empty word is no status; remove it, or write the vendor's word".to_owned());
        }
        faults
    }
}
