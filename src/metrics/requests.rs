//! What happened to requests, and what became of the prices that they asked for.

use std::sync::OnceLock;
use std::time::Duration;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

use super::{Metrics, NO_REASON, seconds};
use crate::fold::Status;
use crate::symbol::Class;

/// What has no class: a text that is no symbol.
const NO_CLASS: &str = "none";
/// Why such a text has no price.
const NOT_A_SYMBOL: &str = "not_a_symbol";

/// The metrics of requests.
#[derive(Debug)]
pub(super) struct Requests {
    answered: Family<RequestLabels, Counter>,
    seconds: Family<RouteLabels, Histogram>,
    in_flight: Gauge,
    shed: Counter,
    /// For every class, every status.
    prices: Vec<(Class, Vec<(Status, Counter)>)>,
    not_symbols: Counter,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RequestLabels {
    route: String,
    code: u16,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RouteLabels {
    route: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct PriceLabels {
    class: &'static str,
    status: &'static str,
    reason: &'static str,
}

/// The lowest status, and how many there are from it on that a reply of ours can have.
const LOWEST_CODE: usize = 100;
const CODES: usize = 500;

/// The requests of one route. A counter is looked up when its status is first expected or occurs; from then on counting takes no
/// label and no look at other routes.
#[derive(Debug)]
pub struct RouteRequests {
    metrics: Metrics,
    route: String,
    by_code: [OnceLock<Counter>; CODES],
    seconds: Histogram,
}

/// A request that is being answered, until this is dropped.
#[derive(Debug)]
pub struct InFlight(Gauge);

/// Counts prices of one class that have one status, without a lock. Cheap to clone; all clones count together.
#[derive(Clone, Debug)]
pub struct PriceCounter(Counter);

impl Requests {
    pub(super) fn registered(registry: &mut Registry) -> Self {
        let answered = Family::default();
        registry.register("requests", "Requests answered, by route and status code", Family::clone(&answered));
        let times: Family<RouteLabels, Histogram> = Family::new_with_constructor(seconds);
        registry.register(
            "request_seconds",
            "Time from a request's head to the head of its reply, by route",
            times.clone(),
        );
        let (in_flight, shed) = (Gauge::default(), Counter::default());
        registry.register(
            "in_flight",
            "Requests that are being answered; health, metrics and the page's files are not counted",
            in_flight.clone(),
        );
        registry.register(
            "shed",
            "Requests refused with 503 because the server was at one of its limits",
            shed.clone(),
        );
        let prices: Family<PriceLabels, Counter> = Family::default();
        registry.register("prices", "Prices in answers, by class, status and reason", prices.clone());
        let counter = |class, status: Status, reason: Option<&'static str>| {
            let labels = PriceLabels { class, status: status.as_str(), reason: reason.unwrap_or(NO_REASON) };
            prices.get_or_create(&labels).clone()
        };
        let of_class = |class: Class| {
            let counted = |status: Status| (status, counter(class.as_str(), status, status.reason()));
            Status::ALL.into_iter().map(counted).collect()
        };
        Requests {
            answered,
            seconds: times,
            in_flight,
            shed,
            prices: Class::ALL.into_iter().map(|class| (class, of_class(class))).collect(),
            not_symbols: counter(NO_CLASS, Status::Unknown, Some(NOT_A_SYMBOL)),
        }
    }
}

impl Metrics {
    /// Counts a request that was answered.
    pub fn request(&self, route: &str, code: u16) {
        self.requests(route, code).inc();
    }

    fn requests(&self, route: &str, code: u16) -> Counter {
        self.0.requests.answered.get_or_create(&RequestLabels { route: route.to_owned(), code }).clone()
    }

    /// The requests of one route, counted by status. Those with an expected status have a counter from now on.
    pub fn route(&self, route: &str, expected: &[u16]) -> RouteRequests {
        let seconds = self.0.requests.seconds.get_or_create(&RouteLabels { route: route.to_owned() }).clone();
        let by_code = [const { OnceLock::new() }; CODES];
        let requests = RouteRequests { metrics: self.clone(), route: route.to_owned(), by_code, seconds };
        expected.iter().filter_map(|code| requests.counter(*code)).for_each(drop);
        requests
    }

    /// Counts a request as being answered, until what this returns is dropped.
    pub fn in_flight(&self) -> InFlight {
        self.0.requests.in_flight.inc();
        InFlight(self.0.requests.in_flight.clone())
    }

    /// Counts a request that was refused because the server was at one of its limits.
    pub fn shed(&self) {
        self.0.requests.shed.inc();
    }

    /// What counts the prices of a class that have this status.
    pub fn prices(&self, class: Class, status: Status) -> PriceCounter {
        let of_class = self.0.requests.prices.iter().find(|(of, _)| *of == class);
        let found = of_class.and_then(|(_, counters)| counters.iter().find(|(of, _)| *of == status));
        PriceCounter(found.map(|(_, counter)| counter.clone()).unwrap_or_default())
    }

    /// What counts texts that are no symbols.
    pub fn not_symbols(&self) -> PriceCounter {
        PriceCounter(self.0.requests.not_symbols.clone())
    }
}

impl RouteRequests {
    /// Counts a request that was answered after this time.
    pub fn count(&self, code: u16, after: Duration) {
        match self.counter(code) {
            Some(counter) => counter.inc(),
            None => self.metrics.requests(&self.route, code).inc(),
        };
        self.seconds.observe(after.as_secs_f64());
    }

    /// The counter of a status, if a reply of ours can have it.
    fn counter(&self, code: u16) -> Option<&Counter> {
        let place = usize::from(code).checked_sub(LOWEST_CODE)?;
        Some(self.by_code.get(place)?.get_or_init(|| self.metrics.requests(&self.route, code)))
    }
}

impl PriceCounter {
    /// Counts one more.
    pub fn count(&self) {
        self.0.inc();
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.dec();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const AT_ONCE: Duration = Duration::from_micros(100);

    #[test]
    fn a_route_counts_by_status_and_has_every_expected_one_from_the_start() {
        let metrics = Metrics::default();
        assert!(!metrics.render().unwrap().contains("quotefold_requests_total{"));
        let (route, again) = (metrics.route("/prices", &[200, 404]), metrics.route("/prices", &[200, 404]));
        let page = metrics.render().unwrap();
        assert!(page.contains("quotefold_requests_total{route=\"/prices\",code=\"200\"} 0\n"), "{page}");
        assert!(page.contains("quotefold_request_seconds_count{route=\"/prices\"} 0\n"), "{page}");
        assert_eq!(page.matches("quotefold_requests_total{").count(), 2, "{page}");
        // the highest that HTTP allows, and the first that is not looked up in advance
        for code in [100, 200, 200, 599, 600, 999] {
            route.count(code, AT_ONCE);
            again.count(code, AT_ONCE);
        }
        metrics.request("/prices", 200);
        let page = metrics.render().unwrap();
        for (code, count) in [(100, 2), (200, 5), (404, 0), (599, 2), (600, 2), (999, 2)] {
            let line = format!("quotefold_requests_total{{route=\"/prices\",code=\"{code}\"}} {count}\n");
            assert!(page.contains(&line), "{line} is not in {page}");
        }
        assert_eq!(page.matches("quotefold_requests_total{").count(), 6, "{page}");
        assert!(page.contains("quotefold_request_seconds_bucket{le=\"0.001\",route=\"/prices\"} 12\n"), "{page}");
    }

    #[test]
    fn a_request_is_in_flight_until_it_is_dropped() {
        let metrics = Metrics::default();
        let shown = |count: &str| metrics.render().unwrap().contains(&format!("\nquotefold_in_flight {count}\n"));
        assert!(shown("0"));
        let (one, other) = (metrics.in_flight(), metrics.clone().in_flight());
        assert!(shown("2"));
        drop(one);
        assert!(shown("1"));
        drop(other);
        assert!(shown("0"));
    }

    #[test]
    fn every_class_and_status_is_counted_from_the_start() {
        let metrics = Metrics::default();
        let page = metrics.render().unwrap();
        assert_eq!(page.matches("\nquotefold_prices_total{").count(), Class::ALL.len() * Status::ALL.len() + 1);
        metrics.prices(Class::Fund, Status::Ok).count();
        metrics.not_symbols().count();
        let page = metrics.render().unwrap();
        for labels in [
            "class=\"fund\",status=\"ok\",reason=\"none\"",
            "class=\"none\",status=\"unknown\",reason=\"not_a_symbol\"",
        ] {
            assert!(page.contains(&format!("quotefold_prices_total{{{labels}}} 1\n")), "{labels}: {page}");
        }
    }
}
