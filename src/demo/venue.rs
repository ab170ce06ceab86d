//! The demo's venues: each speaks a provider's format on loopback, and can be broken while you watch.

use std::collections::{BTreeMap, HashMap};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::task::{Context, Poll};

use axum::Router;
use axum::body::{Body, Bytes, HttpBody};
use axum::extract::{Path, RawQuery, State};
use axum::http::StatusCode;
use axum::http::header::{CONTENT_TYPE, RETRY_AFTER};
use axum::response::{IntoResponse, Response};
use axum::routing::any;
use hyper::body::Frame;
use jiff::Timestamp;

use super::market::Market;
use super::wire::Wire;
use crate::symbol::Symbol;

/// The `Retry-After` of a venue that rate-limits, in seconds.
const RETRY_AFTER_SECONDS: u64 = 6;

/// How a venue behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mood {
    /// It quotes the market's price.
    Honest,
    /// It is off by 8 %.
    Lie,
    /// It states the wrong currency.
    Label,
    /// Its last trade is ten minutes old and 1.5 % off, while its book is current.
    OldTrade,
    /// It never replies.
    Hang,
    /// It answers 429 with a `Retry-After`.
    Limited,
    /// It drops the connection.
    Dead,
}

/// One venue.
#[derive(Debug)]
pub struct Venue {
    /// Its name, as a source.
    pub name: &'static str,
    /// The format it speaks.
    pub wire: Wire,
    /// Its symbols, by its own names for them.
    names: HashMap<String, Symbol>,
    mood: AtomicU8,
}

/// All venues of the demo and the market they quote.
#[derive(Debug)]
pub struct Venues {
    market: Market,
    venues: BTreeMap<&'static str, Venue>,
}

/// Every mood with the word that sets it; venues start with the first.
const MOODS: [(Mood, &str); 7] = [
    (Mood::Honest, "heal"),
    (Mood::Lie, "lie"),
    (Mood::Label, "label"),
    (Mood::OldTrade, "old-trade"),
    (Mood::Hang, "hang"),
    (Mood::Limited, "429"),
    (Mood::Dead, "die"),
];

impl Mood {
    /// The mood that a word sets: `heal`, `lie`, `label`, `old-trade`, `hang`, `429`, `die`.
    pub(crate) fn from_word(word: &str) -> Option<Self> {
        MOODS.iter().find(|(_, name)| *name == word).map(|(mood, _)| *mood)
    }

    /// The words that set moods.
    pub fn words() -> impl Iterator<Item = &'static str> {
        MOODS.iter().map(|(_, word)| *word)
    }

    /// The word that sets it.
    pub(crate) fn word(self) -> &'static str {
        MOODS.iter().find(|(mood, _)| *mood == self).map_or("heal", |(_, word)| word)
    }

    fn number(self) -> u8 {
        u8::try_from(MOODS.iter().position(|(mood, _)| *mood == self).unwrap_or(0)).unwrap_or(0)
    }
}

impl Venue {
    /// An honest venue that knows these symbols, by its own names for them.
    pub fn new(name: &'static str, wire: Wire, names: HashMap<String, Symbol>) -> Self {
        Venue { name, wire, names, mood: AtomicU8::new(0) }
    }

    /// Whether its format can show a mood: not every format states a currency, or a book.
    pub fn can(&self, mood: Mood) -> bool {
        match mood {
            Mood::Label => self.wire.states_currencies(),
            Mood::OldTrade => self.wire.has_a_book(),
            _ => true,
        }
    }

    /// The words for everything that its format can show.
    pub(crate) fn moods(&self) -> impl Iterator<Item = &'static str> {
        MOODS.iter().filter(|(mood, _)| self.can(*mood)).map(|(_, word)| *word)
    }

    /// How it behaves now.
    pub fn mood(&self) -> Mood {
        MOODS.get(usize::from(self.mood.load(Ordering::Relaxed))).map_or(Mood::Honest, |(mood, _)| *mood)
    }

    /// Sets how it behaves from now on.
    pub fn set(&self, mood: Mood) {
        self.mood.store(mood.number(), Ordering::Relaxed);
    }
}

impl Venues {
    /// Venues that quote a market.
    pub fn new(market: Market, venues: Vec<Venue>) -> Self {
        Venues { market, venues: venues.into_iter().map(|venue| (venue.name, venue)).collect() }
    }

    /// The market they quote.
    pub fn market(&self) -> &Market {
        &self.market
    }

    /// A venue by its name.
    pub fn get(&self, name: &str) -> Option<&Venue> {
        self.venues.get(name)
    }

    /// Every venue.
    pub fn all(&self) -> impl Iterator<Item = &Venue> {
        self.venues.values()
    }

    /// The venues as a web service: each under its name, with its provider's paths below.
    pub fn router(self: &Arc<Self>) -> Router {
        Router::new().route("/{venue}/{*path}", any(ask)).with_state(Arc::clone(self))
    }
}

async fn ask(
    State(venues): State<Arc<Venues>>,
    Path((venue, path)): Path<(String, String)>,
    RawQuery(query): RawQuery,
) -> Response {
    let Some(venue) = venues.get(&venue) else { return StatusCode::NOT_FOUND.into_response() };
    let mood = venue.mood();
    match mood {
        Mood::Hang => std::future::pending().await,
        Mood::Dead => Body::new(Broken).into_response(),
        Mood::Limited => {
            let (code, kind, body) = venue.wire.too_often();
            (code, [(CONTENT_TYPE, kind.to_owned()), (RETRY_AFTER, RETRY_AFTER_SECONDS.to_string())], body)
                .into_response()
        }
        Mood::Honest | Mood::Lie | Mood::Label | Mood::OldTrade => {
            let names = venue.wire.names(&path, &query.unwrap_or_default());
            let ticker = |name: &String| {
                let ticker = venues.market.ticker(venue.names.get(name)?)?;
                Some(match mood {
                    Mood::Lie => ticker.lie(),
                    Mood::Label => ticker.mislabelled(),
                    Mood::OldTrade => ticker.with_an_old_trade(),
                    _ => ticker,
                })
            };
            let asked: Vec<_> = names.into_iter().map(|name| (name.clone(), ticker(&name))).collect();
            let (code, kind, body) = venue.wire.reply(&asked, Timestamp::now());
            (code, [(CONTENT_TYPE, kind)], body).into_response()
        }
    }
}

/// A body that breaks off, so that the connection is closed in the middle of the reply.
struct Broken;

impl HttpBody for Broken {
    type Data = Bytes;
    type Error = std::io::Error;

    fn poll_frame(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, std::io::Error>>> {
        Poll::Ready(Some(Err(std::io::ErrorKind::ConnectionReset.into())))
    }
}
