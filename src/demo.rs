//! A simulated market on loopback that breaks while you watch: no network, no keys.
//!
//! The venues have invented names and speak the formats of built-in providers, so the demo goes through the same catalogue, HTTP
//! and stack as real prices do. Only the prices are invented, and every answer says so.

pub mod market;
mod narration;
pub mod venue;
pub mod wire;

use std::collections::HashMap;
use std::fmt::Write;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Path, State};
use axum::http::HeaderMap;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use tokio::net::TcpListener;

use crate::provider::catalogue::catalogue;
use crate::provider::spelling::Spelling;
use crate::server::browsers::refuse_foreign_page;
use crate::server::drain::Drain;
use crate::server::listen;
use crate::server::problem::Problem;
use crate::server::routes::Routes;
use crate::service::Quotefold;
use crate::settings::Settings;
use crate::symbol::Symbol;
use market::Market;
pub use narration::narrate;
use venue::{Mood, Venue, Venues};
use wire::Wire;

/// The venues: name, format, and the built-in provider whose format it is.
const VENUES: [(&str, Wire, &str); 8] = [
    ("alpha", Wire::Tiingo, "tiingo"),
    ("beta", Wire::Finnhub, "finnhub"),
    ("gamma", Wire::Yahoo, "yahoo"),
    ("epsilon", Wire::Coinbase, "coinbase"),
    ("zeta", Wire::Kraken, "kraken"),
    ("eta", Wire::Bitstamp, "bitstamp"),
    ("theta", Wire::Binance, "binance"),
    ("delta", Wire::Twelvedata, "twelvedata"),
];

/// The seed of the market's random walk: every demo starts the same.
const SEED: u64 = 20_261_120;

/// How often prices move.
const STEP: Duration = Duration::from_millis(250);

/// Serves the venues on a listener, and lets the market move.
pub fn open_venues(listener: TcpListener, settings: &Settings) -> Arc<Venues> {
    let market = Market::new(SEED);
    let symbols = market.symbols();
    let venue = |(name, wire, _): (&'static str, Wire, &str)| Venue::new(name, wire, names(name, settings, &symbols));
    let venues = Arc::new(Venues::new(market, VENUES.into_iter().map(venue).collect()));
    tokio::spawn(listen::run(listener, venues.router(), listen::Limits::default(), Drain::new()));
    let walking = Arc::clone(&venues);
    tokio::spawn(async move {
        let mut steps = tokio::time::interval(STEP);
        loop {
            steps.tick().await;
            walking.market().step();
        }
    });
    venues
}

/// The names under which a venue knows symbols: those that its source asks for.
fn names(name: &str, settings: &Settings, symbols: &[Symbol]) -> HashMap<String, Symbol> {
    let source = settings.sources.iter().find(|source| source.name == name);
    let Some(spelling) = source.and_then(|source| Spelling::new(source).ok()) else { return HashMap::new() };
    let has = |symbol: &&Symbol| spelling.covers(symbol, symbol.class());
    let named = |symbol: &Symbol| Some((spelling.spell(symbol, symbol.class())?, symbol.clone()));
    symbols.iter().filter(has).filter_map(named).collect()
}

/// What the demo watches, so that its metrics have prices. It is no part of what describes the venues to other services.
pub(crate) const WATCHED: &str = "\n[watch]\nsymbols = [\"ETH-USD\", \"EUR-USD\", \"MSFT\"]\nevery = \"2s\"\n";

/// The demo's settings: the venues as sources, ages so short that all rungs of the fold are seen, and a quiet log, because the
/// narration goes to the same terminal. The simulated market never closes.
pub fn settings_text(venues: SocketAddr) -> String {
    let mut text = String::from(
        "[server]\ntimeout = \"800ms\"\ndrain_delay = \"0s\"\n\n[freshness]\nrefresh_after = \"1s\"\nusable_for = \"5s\"\nfallback_for = \"15m\"\nhours = false\n\n[log]\nlevel = \"error\"\nrequests = \"none\"\n",
    );
    for class in crate::symbol::Class::ALL {
        // writing to a string cannot fail
        let _ =
            write!(text, "\n[class.{class}]\nrefresh_after = \"1s\"\nusable_for = \"5s\"\nfallback_for = \"15m\"\n");
    }
    for (name, _, like) in VENUES {
        let asks_for_one = catalogue().get(like).is_some_and(|provider| !provider.settings().key_from.is_empty());
        let key = if asks_for_one { "key = \"simulated\"\n" } else { "" };
        let _ = write!(
            text,
            "\n[sources.{name}]\nlike = \"{like}\"\nabout = \"a simulated venue that speaks the format of {like}\"\n\
             base_url = \"http://{venues}/{name}\"\n{key}limits = [\"50/s\"]\ntimeout = \"600ms\"\n"
        );
    }
    // every listing has at least two venues, so that one wrong venue is always noticed
    text += "format = { suffix = { DE = \":XETR\", L = \":LSE\", NS = \":NSE\", PA = \":EPA\", SW = \":SIX\", T = \":TSE\" }, fx = \"{base}/{quote}\" }\n";
    text
}

/// Commands to paste into another terminal.
pub(crate) fn what_to_try(address: &str) -> String {
    format!(
        "Look at http://{address}/ in a browser.\n\
         Try, in another terminal:\n\
         \x20 curl 'http://{address}/prices?symbols=AAPL,MSFT'\n\
         \x20 curl 'http://{address}/prices/BTC-USD?refresh_after=0s'\n\
         \x20 curl -N 'http://{address}/prices/stream?symbols=BTC-USD,AAPL'   prices as they change\n\
         \x20 curl -X POST 'http://{address}/demo/alpha/lie'     break a venue: lie, hang, 429, die; heal repairs it\n\
         \x20 curl -X POST 'http://{address}/demo/gamma/label'   state the wrong currency (gamma, delta)\n\
         \x20 curl -X POST 'http://{address}/demo/eta/old-trade' an old last trade beside a live book\n\
         \x20 curl 'http://{address}/sources'\n\
         \x20 curl 'http://{address}/demo/configuration' > demo.toml && quotefold check --live --config demo.toml\n\
         Every price here is simulated. Ctrl-C ends the demo.\n"
    )
}

/// The service over the venues.
///
/// # Errors
/// As [`Quotefold::new`].
pub fn service(settings: Settings) -> Result<Quotefold, crate::source::SetupError> {
    // a simulated market has no other providers, so none is offered
    let settings = Settings { off: Vec::new(), ..settings };
    let service = Quotefold::new(settings, &crate::clock::Clock::system())?;
    Ok(service.simulated())
}

/// `POST /demo/{venue}/{mood}` breaks a venue, or heals it; `GET /demo/venues` says how they are, and what each of them can do;
/// `GET /demo/configuration` returns settings with which other commands can ask the venues while the demo runs.
pub(crate) fn controls(venues: &Arc<Venues>, market: SocketAddr) -> Routes {
    let text = format!("# The simulated venues of a running demo; every price is invented.\n{}", settings_text(market));
    let configuration = get(move || std::future::ready(([(CONTENT_TYPE, "application/toml")], text.clone())));
    let moods = Routes::new().route("/demo/{venue}/{mood}", post(change)).route("/demo/venues", get(moods_of_all));
    moods.with_state(Arc::clone(venues)).route("/demo/configuration", configuration)
}

async fn moods_of_all(State(venues): State<Arc<Venues>>) -> Response {
    let venue = |venue: &Venue| {
        let can: Vec<_> = venue.moods().collect();
        serde_json::json!({ "venue": venue.name, "mood": venue.mood().word(), "can": can })
    };
    let all: Vec<_> = venues.all().map(venue).collect();
    json(&serde_json::json!({ "simulated": true, "venues": all }))
}

fn json(body: &serde_json::Value) -> Response {
    ([(CONTENT_TYPE, "application/json"), (CACHE_CONTROL, "no-store")], body.to_string()).into_response()
}

async fn change(
    State(venues): State<Arc<Venues>>,
    headers: HeaderMap,
    Path((name, word)): Path<(String, String)>,
) -> Result<Response, Problem> {
    refuse_foreign_page(&headers)?;
    let names = || VENUES.map(|(name, ..)| name).join(", ");
    let Some(venue) = venues.get(&name) else {
        return Err(Problem::bad_query("venue", format!("unknown venue {name:?}; expected one of {}", names())));
    };
    let Some(mood) = Mood::from_word(&word) else {
        return Err(Problem::bad_query(
            "mood",
            format!("unknown word {word:?}; expected one of {}", Mood::words().collect::<Vec<_>>().join(", ")),
        ));
    };
    if !venue.can(mood) {
        let able: Vec<_> = venues.all().filter(|venue| venue.can(mood)).map(|venue| venue.name).collect();
        let why = format!("the format of {name} cannot show that; these venues can {word}: {}", able.join(", "));
        return Err(Problem::bad_query("mood", why));
    }
    venue.set(mood);
    Ok(json(&serde_json::json!({ "venue": name, "mood": word, "simulated": true })))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::server::page;

    #[test]
    fn the_market_quotes_what_the_page_shows_to_a_visitor_who_asks_for_nothing() {
        let symbols = Market::new(SEED).symbols();
        for symbol in page::OF_THE_DEMO {
            assert!(symbols.iter().any(|own| own.as_str() == symbol), "{symbol}");
        }
    }

    #[test]
    fn every_venue_says_what_its_format_can_show() {
        let venues = VENUES.map(|(name, wire, _)| Venue::new(name, wire, HashMap::new()));
        let can =
            |name: &str| venues.iter().find(|venue| venue.name == name).map(|venue| venue.moods().collect::<Vec<_>>());
        assert_eq!(can("beta"), Some(vec!["heal", "lie", "hang", "429", "die"]));
        assert_eq!(can("gamma"), Some(vec!["heal", "lie", "label", "hang", "429", "die"]));
        assert_eq!(can("zeta"), Some(vec!["heal", "lie", "old-trade", "hang", "429", "die"]));
        let [venue, ..] = &venues;
        venue.set(Mood::Hang);
        assert_eq!(venue.mood().word(), "hang");
    }
}
