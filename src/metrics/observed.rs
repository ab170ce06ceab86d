//! How the service stands, as it was observed last.

use std::collections::BTreeSet;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use parking_lot::Mutex;
use rust_decimal::Decimal;

use super::written::{Family, Series};
use crate::decimal::plain;

/// How a service stood at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Observed {
    /// How many outcomes are on the board.
    pub board_entries: usize,
    /// The sources that are on.
    pub sources: Vec<ObservedSource>,
    /// The limits of all accounts.
    pub limits: Vec<ObservedLimit>,
    /// The watched symbols, as the board has them.
    pub watched: Vec<ObservedPrice>,
    /// How the limits that replicas share are kept; `None` if none are shared.
    pub shared: Option<ObservedSharing>,
}

/// How the limits stood that replicas share.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ObservedSharing {
    /// `shared`, `own share` or `waiting`.
    pub limits: &'static str,
    /// How many replicas hear the store.
    pub replicas: usize,
    /// What became of units, and how often.
    pub reservations: Vec<(&'static str, u64)>,
    /// What became of quotes that replicas tell each other, and how often.
    pub quotes: Vec<(&'static str, u64)>,
    /// Who made calls that several replicas wanted, and how often.
    pub leases: Vec<(&'static str, u64)>,
}

/// How a source stood.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ObservedSource {
    /// Its name.
    pub name: String,
    /// The state of its circuit breaker, `closed`, `open` or `half_open`.
    pub breaker: &'static str,
    /// When a call of it last brought a reply that was understood.
    pub last_success: Option<Timestamp>,
    /// How old its newest quote was when it came, by its own time; `None` before the first that states one.
    pub lag: Option<SignedDuration>,
    /// How far its latest quotes are from the prices on average, in basis points; `None` before the first.
    pub deviation_bps: Option<Decimal>,
}

/// How a limit stood.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ObservedLimit {
    /// The account.
    pub account: String,
    /// The limit's period as text.
    pub window: String,
    /// How many units may be spent at once.
    pub left: usize,
    /// How many units the limit allows.
    pub units: usize,
}

/// How a watched symbol stood.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ObservedPrice {
    /// The symbol.
    pub symbol: String,
    /// Whether its status is `ok`.
    pub is_ok: bool,
    /// The price, its currency and its age; `None` without a price.
    pub price: Option<(Decimal, String, Duration)>,
    /// How far the used quotes are apart, in basis points; `None` for fewer than two.
    pub divergence_bps: Option<Decimal>,
}

/// The latest state, and the latest checks of readiness, each with its status.
#[derive(Debug, Default)]
pub(super) struct Latest {
    observed: Mutex<Observed>,
    checks: Mutex<Vec<(String, &'static str)>>,
}

/// The states of a circuit breaker.
const BREAKER_STATES: [&str; 3] = ["closed", "open", "half_open"];

/// How limits can be kept that replicas share.
const SHARING_STATES: [&str; 3] = ["shared", "own share", "waiting"];

/// The states of a check of readiness.
const CHECK_STATES: [&str; 3] = ["pass", "warn", "fail"];

impl Latest {
    pub(super) fn show(&self, observed: Observed) {
        *self.observed.lock() = observed;
    }

    pub(super) fn show_checks(&self, checks: Vec<(String, &'static str)>) {
        *self.checks.lock() = checks;
    }

    /// Writes the latest state.
    pub(super) fn write(&self, page: &mut String) {
        let (observed, checks) = (self.observed.lock(), self.checks.lock());
        let entries = observed.board_entries.to_string();
        BOARD_ENTRIES.write(page, [(Vec::new(), entries)]);
        observed.write_limits(page);
        observed.write_sources(page);
        let checks = checks.iter().flat_map(|(check, status)| states(("check", check), "status", CHECK_STATES, status));
        HEALTH_CHECK.write(page, checks);
        observed.write_watched(page);
        observed.write_sharing(page);
    }
}

impl Observed {
    fn write_limits(&self, page: &mut String) {
        let series = |value: fn(&ObservedLimit) -> usize| {
            // an account may have several limits for one period, of which the tightest decides
            let mut seen = BTreeSet::new();
            let mut limits: Vec<&ObservedLimit> = self.limits.iter().collect();
            limits.sort();
            limits.retain(|limit| seen.insert((&limit.account, &limit.window)));
            limits.into_iter().map(move |limit| {
                let labels = vec![("account", limit.account.as_str()), ("window", limit.window.as_str())];
                (labels, value(limit).to_string())
            })
        };
        LIMIT_REMAINING.write(page, series(|limit| limit.left));
        LIMIT_UNITS.write(page, series(|limit| limit.units));
    }

    fn write_sources(&self, page: &mut String) {
        let breakers = self.sources.iter();
        let breakers =
            breakers.flat_map(|source| states(("source", &source.name), "state", BREAKER_STATES, source.breaker));
        SOURCE_BREAKER.write(page, breakers);
        let each = |value| each("source", &self.sources, |source| &source.name, value);
        SOURCE_LAST_SUCCESS
            .write(page, each(|source| Some(source.last_success.map_or(0, Timestamp::as_second).to_string())));
        SOURCE_LAG.write(page, each(|source| source.lag.map(seconds)));
        SOURCE_DEVIATION.write(page, each(|source| source.deviation_bps.map(plain)));
    }

    fn write_sharing(&self, page: &mut String) {
        let sharing = self.shared.as_slice();
        let states = sharing.iter().flat_map(|sharing| {
            SHARING_STATES.map(|state| (vec![("limits", state)], u8::from(state == sharing.limits).to_string()))
        });
        SHARED_LIMITS.write(page, states);
        SHARED_REPLICAS.write(page, sharing.iter().map(|sharing| (Vec::new(), sharing.replicas.to_string())));
        let rows = |counted: fn(&ObservedSharing) -> &Vec<(&'static str, u64)>| {
            let counted = sharing.iter().flat_map(counted);
            counted.map(|(outcome, times)| (vec![("outcome", *outcome)], times.to_string()))
        };
        SHARED_RESERVATIONS.write(page, rows(|sharing| &sharing.reservations));
        SHARED_QUOTES.write(page, rows(|sharing| &sharing.quotes));
        SHARED_LEASES.write(page, rows(|sharing| &sharing.leases));
    }

    fn write_watched(&self, page: &mut String) {
        let prices = self.watched.iter().filter_map(|watched| {
            let (price, currency, _) = watched.price.as_ref()?;
            Some((vec![("symbol", watched.symbol.as_str()), ("currency", currency.as_str())], plain(*price)))
        });
        PRICE.write(page, prices);
        let each = |value| each("symbol", &self.watched, |watched| &watched.symbol, value);
        PRICE_AGE.write(page, each(|watched| watched.price.as_ref().and_then(|(_, _, age)| of_age(*age))));
        PRICE_DIVERGENCE.write(page, each(|watched| watched.divergence_bps.map(plain)));
        PRICE_OK.write(page, each(|watched| Some(u8::from(watched.is_ok).to_string())));
    }
}

/// One series for each state that something can be in: 1 for the one in which it is, else 0.
fn states<'a>(
    of: (&'static str, &'a String),
    label: &'static str,
    all: [&'static str; 3],
    is: &'static str,
) -> impl Iterator<Item = Series<'a>> {
    all.into_iter().map(move |state| (vec![(of.0, of.1.as_str()), (label, state)], u8::from(state == is).to_string()))
}

/// One series for each thing of which there is a value, with its name as the only label.
fn each<'a, T>(
    label: &'static str,
    all: &'a [T],
    name: fn(&T) -> &str,
    value: fn(&T) -> Option<String>,
) -> impl Iterator<Item = Series<'a>> {
    all.iter().filter_map(move |one| Some((vec![(label, name(one))], value(one)?)))
}

fn of_age(age: Duration) -> Option<String> {
    SignedDuration::try_from(age).ok().map(seconds)
}

/// Seconds with milliseconds.
fn seconds(span: SignedDuration) -> String {
    Decimal::from_i128_with_scale(span.as_millis(), 3).normalize().to_string()
}

const BOARD_ENTRIES: Family =
    Family::gauge("quotefold_board_entries", "Outcomes in memory: quotes, and failures without one");
const LIMIT_REMAINING: Family = Family::gauge(
    "quotefold_limit_remaining",
    "Calls, or units of a limit that counts symbols, that an account may spend at once",
);
const LIMIT_UNITS: Family =
    Family::gauge("quotefold_limit_units", "Calls, or units, that an account may spend in the window");
const SOURCE_BREAKER: Family =
    Family::gauge("quotefold_source_breaker", "1 for the state in which a source's circuit breaker is, else 0");
const SOURCE_LAST_SUCCESS: Family = Family::gauge(
    "quotefold_source_last_success_timestamp_seconds",
    "When a call of a source last brought a reply that was understood, as a Unix time; 0 before the first",
);
const SOURCE_LAG: Family = Family::gauge(
    "quotefold_source_lag_seconds",
    "How old the newest quote in a source's last reply was when it came, by the time that it states",
);
const SOURCE_DEVIATION: Family = Family::gauge(
    "quotefold_source_deviation_bps",
    "How far a source's latest quotes are from the prices on average, in basis points; below 0 if they are lower",
);
const HEALTH_CHECK: Family =
    Family::gauge("quotefold_health_check", "1 for the status of a check of readiness, else 0");
const PRICE: Family =
    Family::gauge("quotefold_price", "The price of a watched symbol, as it would be answered without a call");
const PRICE_AGE: Family = Family::gauge("quotefold_price_age_seconds", "How old that price is");
const PRICE_DIVERGENCE: Family = Family::gauge(
    "quotefold_price_divergence_bps",
    "How far the quotes of that price are apart, in basis points of it",
);
const SHARED_LIMITS: Family =
    Family::gauge("quotefold_shared_limits", "1 for how the limits are kept that replicas share, else 0");
const SHARED_REPLICAS: Family = Family::gauge(
    "quotefold_shared_replicas",
    "Replicas that hear the shared store, 0 if it does not reply to this one",
);
const SHARED_RESERVATIONS: Family = Family::counter(
    "quotefold_shared_reservations",
    "Reservations of units in the shared store, and units that were settled there, by what became of them",
);
const SHARED_QUOTES: Family = Family::counter(
    "quotefold_shared_quotes",
    "Quotes that other replicas were told, and quotes of theirs by whether they were newer than what was here",
);
const SHARED_LEASES: Family = Family::counter(
    "quotefold_shared_leases",
    "Symbols that this replica asked for, and how often a call was left to another one",
);
const PRICE_OK: Family = Family::gauge("quotefold_price_ok", "1 if the status of a watched symbol is ok, else 0");

#[cfg(test)]
mod tests {
    use super::*;

    fn page(observed: Observed) -> String {
        let (latest, mut page) = (Latest::default(), String::new());
        latest.show(observed);
        latest.show_checks(vec![("clock".to_owned(), "warn")]);
        latest.write(&mut page);
        page
    }

    #[test]
    fn a_price_is_written_digit_by_digit_as_it_is() {
        let price = "97000.123456789012345678".parse().unwrap();
        let price = Some((price, "USD".to_owned(), Duration::from_millis(1_250)));
        let watched = ObservedPrice { symbol: "BTC-USD".to_owned(), is_ok: true, price, divergence_bps: None };
        let none = ObservedPrice { symbol: "X".to_owned(), is_ok: false, price: None, divergence_bps: None };
        let page = page(Observed { watched: vec![watched, none], ..Observed::default() });
        for line in [
            "quotefold_price{symbol=\"BTC-USD\",currency=\"USD\"} 97000.123456789012345678\n",
            "quotefold_price_age_seconds{symbol=\"BTC-USD\"} 1.25\n",
            "quotefold_price_ok{symbol=\"BTC-USD\"} 1\n",
            "quotefold_price_ok{symbol=\"X\"} 0\n",
        ] {
            assert!(page.contains(line), "{line} is not in {page}");
        }
        assert!(!page.contains("quotefold_price{symbol=\"X\""), "{page}");
    }

    #[test]
    fn of_several_limits_for_one_period_the_tightest_is_shown() {
        let limit = |window: &str, left, units| ObservedLimit {
            account: "a".to_owned(),
            window: window.to_owned(),
            left,
            units,
        };
        let page = page(Observed {
            limits: vec![limit("1s", 5, 10), limit("1s", 2, 3), limit("1d", 7, 9)],
            ..Observed::default()
        });
        for line in [
            "quotefold_limit_remaining{account=\"a\",window=\"1s\"} 2\n",
            "quotefold_limit_units{account=\"a\",window=\"1s\"} 3\n",
            "quotefold_limit_remaining{account=\"a\",window=\"1d\"} 7\n",
        ] {
            assert!(page.contains(line), "{line} is not in {page}");
        }
        assert_eq!(page.matches("quotefold_limit_units{").count(), 2, "{page}");
    }

    #[test]
    fn a_source_is_in_one_state_and_says_nothing_that_is_not_known_of_it() {
        let source = ObservedSource {
            name: "alpha".to_owned(),
            breaker: "open",
            last_success: None,
            lag: Some(SignedDuration::from_millis(-40)),
            deviation_bps: None,
        };
        let page = page(Observed { sources: vec![source], ..Observed::default() });
        for line in [
            "quotefold_source_breaker{source=\"alpha\",state=\"closed\"} 0\n",
            "quotefold_source_breaker{source=\"alpha\",state=\"open\"} 1\n",
            "quotefold_source_last_success_timestamp_seconds{source=\"alpha\"} 0\n",
            "quotefold_source_lag_seconds{source=\"alpha\"} -0.04\n",
            "quotefold_health_check{check=\"clock\",status=\"warn\"} 1\n",
            "quotefold_health_check{check=\"clock\",status=\"pass\"} 0\n",
        ] {
            assert!(page.contains(line), "{line} is not in {page}");
        }
        assert!(!page.contains("quotefold_source_deviation_bps{"), "{page}");
    }
}
