//! Makes one real call, and shows it: the request, the reply's head, what the filter made of it, the verdict.

use std::fmt::Write;
use std::io;
use std::sync::Arc;

use tokio::sync::Semaphore;
use tokio::time::timeout;

use crate::cli::print::print;
use crate::clock::Clock;
use crate::decimal::plain;
use crate::quote::{Quote, Stated};
use crate::settings::Settings;
use crate::settings::source::SourceSettings;
use crate::source::error::SourceError;
use crate::source::extract::{Extractor, RawReply};
use crate::source::fetch::{Fetch, client};
use crate::source::profile::Profile;
use crate::source::set_classes;
use crate::symbol::Symbol;

/// How much of a reply is shown, in characters.
const HEAD: usize = 600;

/// Asks a source for symbols, prints what comes of it, and says whether every symbol got a price.
pub(super) fn look(settings: &Settings, source: &SourceSettings, symbols: &[Symbol]) -> io::Result<bool> {
    if let Some(off) = settings.off.iter().find(|off| off.source.name == source.name && !source.key_from.is_empty()) {
        print(&format!("  off: {}; no call is made without a key\n", off.switch_on))?;
        return Ok(false);
    }
    let extractor = Extractor::new(source).map_err(io::Error::other)?.with_classes(set_classes(settings));
    let request = extractor.spelling().request(symbols);
    print(&format!("  request: {} {}\n", request.method.as_str(), extractor.scrub().hide(&request.url)))?;
    let profile = Arc::new(Profile::new(source.clone(), extractor, settings));
    let (text, priced) = match exchange(&profile, symbols)? {
        Ok(reply) => (head(&profile.extractor, &reply), understood(&profile.extractor, &reply, symbols)),
        Err(error) => (String::new(), Err(error)),
    };
    print(&text)?;
    match priced {
        Ok((rows, priced)) => {
            print(&format!("{rows}  verdict: {priced} of {} symbols priced\n", symbols.len()))?;
            Ok(priced == symbols.len())
        }
        Err(error) => {
            print(&format!("  verdict: failed / {}: {error}\n", error.reason()))?;
            Ok(false)
        }
    }
}

fn exchange(profile: &Arc<Profile>, symbols: &[Symbol]) -> io::Result<Result<RawReply, SourceError>> {
    let client = client().map_err(io::Error::other)?;
    let fetch = Fetch::new(client, Arc::clone(profile), Clock::system(), Arc::new(Semaphore::new(1)));
    let attempt = profile.settings.timeout;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let ended = runtime.block_on(async { timeout(attempt, fetch.exchange(symbols)).await });
    Ok(ended.unwrap_or(Err(SourceError::Timeout(attempt))))
}

fn head(extractor: &Extractor, reply: &RawReply) -> String {
    let body = extractor.scrub().hide(&String::from_utf8_lossy(&reply.body));
    let head: String = body.chars().take(HEAD).collect();
    let more = if head.len() < body.len() { " …" } else { "" };
    format!(
        "  status: {}, {} bytes in {} ms\n  body: {head}{more}\n",
        reply.status,
        reply.body.len(),
        reply.latency.as_millis()
    )
}

/// What the filter made of a reply: a line per symbol, and how many got a price.
fn understood(extractor: &Extractor, reply: &RawReply, symbols: &[Symbol]) -> Result<(String, usize), SourceError> {
    let extracted = extractor.read(reply, symbols)?;
    let (mut lines, mut priced) = (String::new(), 0);
    for (symbol, outcome) in &extracted.outcomes {
        // writing to a string cannot fail
        let _ = match outcome {
            Ok(quote) => writeln!(lines, "  {symbol}: {}", row(quote)),
            Err(error) => writeln!(lines, "  {symbol}: failed / {}: {error}", error.reason()),
        };
        priced += usize::from(outcome.is_ok());
    }
    if extracted.ignored > 0 {
        let _ = writeln!(lines, "  {} rows were about something nobody asked for", extracted.ignored);
    }
    Ok((lines, priced))
}

/// A quote in one line: what it states, and nothing it does not.
fn row(quote: &Quote) -> String {
    let price = match &quote.price {
        Stated::Number(number) => Some(plain(*number)),
        Stated::NotANumber(text) => Some(format!("{text:?} (no number)")),
        Stated::Absent => None,
    };
    let fields = [
        ("price", price),
        ("bid", quote.bid.map(plain)),
        ("ask", quote.ask.map(plain)),
        ("volume", quote.volume.map(plain)),
        ("currency", quote.currency.as_ref().map(ToString::to_string)),
        ("session", quote.session.map(|session| session.as_str().to_owned())),
        ("at", quote.observed_at.map(|at| at.to_string())),
    ];
    let stated = fields.into_iter().filter_map(|(name, value)| Some(format!("{name} {}", value?)));
    stated.collect::<Vec<_>>().join(", ")
}
