//! One source as a file describes it, and how it becomes a source with nothing left open.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use secrecy::SecretString;
use serde::Deserialize;

use super::{Bases, Cost, Example, Format, Method, Notation, SourceSettings};
use crate::quote::Role;
use crate::symbol::{Class, Currency};
use crate::units::{Bytes, Glob, Limit, Span};

/// One source as a file describes it.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SourceTable {
    /// One line for people.
    pub about: Option<String>,
    /// The name of the source whose description this one starts from.
    pub like: Option<String>,
    /// The classes it prices.
    pub classes: Option<Vec<Class>>,
    /// The right-hand legs of the pairs it trades; all, if left out.
    pub currencies: Option<Vec<String>>,
    /// The ISO 4217 codes that are money there; every other one is a coin of that name. The eight major ones, if left out.
    pub fiat: Option<Vec<String>>,
    /// Only symbols that fit one of these.
    pub symbols: Option<Vec<Glob>>,
    /// What it is good for.
    pub role: Option<RoleName>,
    /// Where to ask: a template with `{symbols}`, `{key}`, `{secret}`.
    pub url: Option<String>,
    /// Stands for the scheme, host and port at the front of `url`: a proxy, a test double; or several, for mirrors.
    pub base_url: Option<Bases>,
    /// A PEM file with the certificates of an authority of the user's own, trusted besides the system's.
    pub ca_file: Option<String>,
    /// `GET` or `POST`; if left out, `POST` where there is a body.
    pub method: Option<Method>,
    /// The body of a `POST`: a template like the URL.
    pub body: Option<String>,
    /// Headers, each a template like the URL.
    pub headers: Option<BTreeMap<String, String>>,
    /// How it spells symbols.
    pub format: Option<Format>,
    /// Parts of symbols it calls otherwise: `BTC = "XBT"`.
    pub rename: Option<BTreeMap<String, String>>,
    /// What it calls bases where tickers are not unique: `BTC = "bitcoin"`. A base without an id is not asked for.
    pub ids: Option<BTreeMap<String, String>>,
    /// Whole names that replies spell otherwise than requests: `XXBTZUSD = "XBTUSD"`.
    pub aliases: Option<BTreeMap<String, String>>,
    /// Symbols whose spelling follows no rule, ours to theirs: `"BTC-USD" = "bitcoin"`.
    pub spelled: Option<BTreeMap<String, String>>,
    /// What its prices are in where replies do not say, by exchange suffix: `L = "GBp"`.
    pub units: Option<BTreeMap<String, String>>,
    /// How many symbols fit in one call.
    pub batch: Option<usize>,
    /// What stands between symbols in a call: a separator, or `"json"` for a JSON array of strings.
    pub join: Option<String>,
    /// What one unknown symbol does to a batch.
    pub unknown: Option<Unknown>,
    /// What a 404 says that the filter does not know.
    pub not_found: Option<NotFound>,
    /// What the vendor allows.
    pub limits: Option<Vec<Limit>>,
    /// What a limit counts.
    pub cost: Option<Cost>,
    /// Sources of one account share limits and cooldowns.
    pub account: Option<String>,
    /// What one attempt may take, body and filter included.
    pub timeout: Option<Span>,
    /// Calls in the air at once.
    pub concurrency: Option<usize>,
    /// How often a call that failed in passing is sent again; once, if left out, and not at all where a limit lasts a day.
    pub retries: Option<usize>,
    /// Whether a call may be sent again without changing anything at the vendor; a GET may, if left out, and a POST may not.
    pub idempotent: Option<bool>,
    /// Whether connections are kept for later calls.
    pub reuse: Option<bool>,
    /// The longest reply that is read.
    pub max_body: Option<Bytes>,
    /// A floor under every `refresh_after`: `6h` for a file that is made once a day.
    pub refresh_after: Option<Span>,
    /// How old its quotes may be, instead of the class's `usable_for`.
    pub usable_for: Option<Span>,
    /// How old its quotes are by design; added to `usable_for`.
    pub lag: Option<Span>,
    /// The user's key.
    pub key: Option<SecretString>,
    /// The second half of the key, where a vendor has two.
    pub secret: Option<SecretString>,
    /// The variables that hold the key (and the secret), and switch the source on where no file names sources.
    pub key_from: Option<Vec<String>>,
    /// Whether it answers without a key too, perhaps less often.
    pub key_optional: Option<bool>,
    /// Its quotes are in no free plan.
    pub paid: Option<bool>,
    /// Where to get a key.
    pub get_a_key: Option<String>,
    /// Not meant by its owner for programs: asked only if named, or with `--unofficial`.
    pub unofficial: Option<bool>,
    /// What its replies are written in; JSON, if left out.
    pub reply: Option<Notation>,
    /// What makes rows of a reply.
    pub jq: Option<String>,
    /// Bodies the provider sends, and what they mean.
    pub examples: Option<Vec<Example>>,
}

/// The roles that settings can give.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RoleName {
    /// Independent prices.
    Primary,
    /// Independent but scarce: asked only where the primaries fall short.
    Reserve,
    /// Itself an aggregate of others, or daily by design.
    Reference,
}

/// What one unknown symbol does to a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Unknown {
    /// The others are answered.
    Missing,
    /// The whole call fails; so what the source has never quoted is asked apart from what it has, and hunted if that fails.
    Kills,
}

/// What a 404 says that the filter does not know.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NotFound {
    /// That there is no such page: nothing about a symbol.
    HttpStatus,
    /// That there is no such symbol, since the source replies so to no other call.
    UnknownSymbol,
}

/// The built-in time for one attempt.
const TIMEOUT: Duration = Duration::from_secs(1);

/// Limits that last so long are no place for second tries.
const DAY: Duration = Duration::from_secs(86_400);

impl SourceTable {
    /// This table laid over another: what it says wins, what it leaves out is the other's. Names add up: who adds one does
    /// not mean to take the others away.
    ///
    /// Examples are the other's as far as they hold for this table, too.
    pub fn over(self, base: SourceTable) -> SourceTable {
        let base = SourceTable { examples: self.inherited(&base), ..base };
        macro_rules! overlay {
            ($($field:ident)*; $($names:ident)*) => {
                SourceTable { $($field: self.$field.or(base.$field),)* $($names: added(self.$names, base.$names)),* }
            };
        }
        overlay! {
            about like classes currencies fiat symbols role url base_url ca_file method body headers format batch join unknown
            not_found limits cost account timeout concurrency retries idempotent reuse max_body refresh_after usable_for lag key secret key_from
            key_optional paid get_a_key unofficial reply jq examples;
            rename ids aliases spelled units
        }
    }

    /// The source this table describes, with the built-in values for what it leaves out.
    ///
    /// # Errors
    /// The key that is missing, and why it cannot be.
    pub fn resolve(self, name: &str) -> Result<SourceSettings, (&'static str, String)> {
        let needed = |key: &'static str| move || (key, format!("a source needs `{key}`"));
        let url = self.url.ok_or_else(needed("url"))?;
        let mut urls = self.base_url.map_or(Ok(vec![url.clone()]), |bases| bases.before(&url))?.into_iter();
        let limits = self.limits.unwrap_or_default();
        // a second call that may fail as well is too dear where a day has 25
        let is_scarce = limits.iter().any(|limit| limit.period >= DAY);
        let hidden = self.key.iter().chain(&self.secret).cloned().collect();
        Ok(SourceSettings {
            name: name.to_owned(),
            about: self.about.unwrap_or_default(),
            classes: self.classes.filter(|classes| !classes.is_empty()).ok_or_else(needed("classes"))?,
            currencies: self.currencies.unwrap_or_default().iter().map(|code| in_capitals(code)).collect(),
            fiat: self.fiat.map(|codes| codes.iter().map(|code| in_capitals(code)).collect()),
            symbols: self.symbols.unwrap_or_default(),
            role: match self.role {
                Some(RoleName::Reference) => Role::Reference,
                Some(RoleName::Reserve) => Role::Reserve,
                Some(RoleName::Primary) | None => Role::Primary,
            },
            account: self.account.unwrap_or_else(|| name.to_owned()),
            url: urls.next().unwrap_or(url),
            mirrors: urls.collect(),
            authority: None,
            method: self.method.unwrap_or(if self.body.is_some() { Method::Post } else { Method::Get }),
            body: self.body,
            headers: self.headers.unwrap_or_default(),
            format: self.format.unwrap_or_else(|| Format::One("{symbol}".to_owned())),
            rename: self.rename.unwrap_or_default(),
            ids: self.ids.unwrap_or_default(),
            aliases: self.aliases.unwrap_or_default(),
            spelled: self.spelled.unwrap_or_default(),
            strangers: BTreeSet::new(),
            units: self.units.unwrap_or_default(),
            batch: self.batch.unwrap_or(1),
            join: self.join.unwrap_or_else(|| ",".to_owned()),
            unknown_kills: self.unknown == Some(Unknown::Kills),
            not_found_denies: self.not_found == Some(NotFound::UnknownSymbol),
            limits,
            cost: self.cost.unwrap_or(Cost::Call),
            timeout: self.timeout.map_or(TIMEOUT, |span| span.0),
            concurrency: self.concurrency.unwrap_or(8),
            retries: self.retries.unwrap_or(usize::from(!is_scarce)),
            idempotent: self.idempotent.unwrap_or(self.method.unwrap_or_default() == Method::Get),
            reuse: self.reuse.unwrap_or(true),
            max_body: self.max_body.map_or(256 << 10, |bytes| bytes.0),
            refresh_after: self.refresh_after.map_or(Duration::ZERO, |span| span.0),
            usable_for: self.usable_for.map(|span| span.0),
            lag: self.lag.map_or(Duration::ZERO, |span| span.0),
            key: self.key,
            secret: self.secret,
            key_from: self.key_from.unwrap_or_default(),
            key_optional: self.key_optional.unwrap_or(false),
            paid: self.paid.unwrap_or(false),
            get_a_key: self.get_a_key,
            unofficial: self.unofficial.unwrap_or(false),
            reply: self.reply.unwrap_or_default(),
            jq: self.jq.ok_or_else(needed("jq"))?,
            examples: self.examples.unwrap_or_default(),
            hidden,
        })
    }
}

/// A code in capitals, unless it would then mean something else: `GBp` is pence.
fn in_capitals(code: &str) -> String {
    let capitals = code.to_ascii_uppercase();
    if Currency::of_unit(code) == Currency::of_unit(&capitals) { capitals } else { code.to_owned() }
}

pub(super) type Names = Option<BTreeMap<String, String>>;

fn added(own: Names, base: Names) -> Names {
    match (own, base) {
        (Some(own), Some(base)) => Some(base.into_iter().chain(own).collect()),
        (own, base) => own.or(base),
    }
}

#[cfg(test)]
pub(super) mod tests;
