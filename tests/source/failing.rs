//! Vendors that fail: what tests of retries and of the breaker have in common.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use quotefold::Quotefold;
use quotefold::failure::SourceError;
use tokio::task::JoinSet;
use tokio::time::{advance, sleep};

use crate::scripted::{ask, quotes, service_with};
use crate::support::{Log, all_quoted, reason};

/// What a vendor does from now on; a test can change it at any time.
#[derive(Clone)]
pub(crate) struct Mood(Arc<Mutex<Result<(), SourceError>>>);

impl Mood {
    pub(crate) fn of(error: SourceError) -> Self {
        Mood(Arc::new(Mutex::new(Err(error))))
    }

    pub(crate) fn becomes(&self, mood: Result<(), SourceError>) {
        *self.0.lock().unwrap() = mood;
    }

    /// A service whose only source, asked for one symbol at a time, replies in this mood after 20 ms.
    pub(crate) fn service(&self, more: &str) -> (Arc<Quotefold>, Log) {
        let mood = self.clone();
        service_with(&format!("batch = 1\nconcurrency = 100\n{more}"), move |symbols, clock| {
            let mood = mood.clone();
            async move {
                sleep(Duration::from_millis(20)).await;
                let mood = mood.0.lock().unwrap().clone();
                mood.and_then(|()| all_quoted(symbols, &clock))
            }
        })
    }
}

pub(crate) fn broken() -> SourceError {
    SourceError::Connection("it broke".to_owned())
}

pub(crate) fn gateway(passing: bool) -> SourceError {
    SourceError::Unavailable { detail: "the source replied with status 503".to_owned(), passing, retry_after: None }
}

pub(crate) fn slow_down() -> SourceError {
    SourceError::RateLimited { detail: "slow down".to_owned(), retry_after: Some(Duration::from_millis(1)) }
}

/// Asks for one symbol, fetched anew; the reason of its failure, or `ok`.
pub(crate) async fn outcome(service: &Quotefold, symbol: &str) -> &'static str {
    // a quote that landed in the very instant of the question would be fresh enough for it
    advance(Duration::from_millis(1)).await;
    let answer = ask(service, &format!("symbols={symbol}&refresh_after=0s")).await;
    reason(&quotes(&answer)[0].outcome)
}

/// Asks for this many symbols at once, each by a caller of its own.
pub(crate) async fn burst(service: &Arc<Quotefold>, callers: usize) -> Vec<&'static str> {
    let mut asking = JoinSet::new();
    for number in 0..callers {
        let service = Arc::clone(service);
        asking.spawn(async move { outcome(&service, &format!("S{number}-USD")).await });
    }
    asking.join_all().await
}
