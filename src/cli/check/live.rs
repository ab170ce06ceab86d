//! Makes one real call, and shows the request, the start of the reply, what the filter made of it, and the verdict.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio::time::{Instant, timeout};

use super::explain::{explain, head, readings};
use super::trouble::Trouble;
use crate::cli::print::print;
use crate::clock::{Clock, cpu};
use crate::decimal::plain;
use crate::failure::SourceError;
use crate::fold::fold;
use crate::profile::Profile;
use crate::provider::description::SourceSettings;
use crate::provider::extract::{Extracted, Extractor, RawReply};
use crate::quote::{Outcome, Quote, Stated};
use crate::settings::Settings;
use crate::source::fetch::Fetch;
use crate::source::fetch::connector::Connectors;
use crate::source::fetch::resolver::Resolver;
use crate::symbol::Symbol;

/// One call to a source.
struct Exchange {
    replied: Result<RawReply, SourceError>,
    took: Duration,
    /// The host that was reached. With several mirrors, this is not always the first.
    reached: String,
}

/// Asks a source for symbols, prints the exchange, and returns whether every symbol got a price.
pub(super) fn look(settings: &Settings, source: &SourceSettings, symbols: &[Symbol]) -> io::Result<bool> {
    if let Some(off) = settings.off.iter().find(|off| off.source.name == source.name && !source.key_from.is_empty()) {
        print(&format!("  off: {}; no call is made without a key\n", off.switch_on))?;
        return Ok(false);
    }
    let extractor = Extractor::new(source).map_err(io::Error::other)?.with_classes(settings.symbols.classes());
    let request = extractor.spelling().request(symbols);
    print(&format!("  request: {} {}\n", request.method.as_str(), extractor.scrub().hide(&request.url)))?;
    for mirror in &request.mirrors {
        print(&format!("  or, if that cannot be reached: {}\n", extractor.scrub().hide(mirror)))?;
    }
    if let Some(proxy) = source.proxy_in_use() {
        print(&format!("  through: the proxy {proxy}\n"))?;
    }
    let profile = Arc::new(Profile::new(source.clone(), extractor, settings));
    let Exchange { replied, took, reached } = exchange(&profile, symbols)?;
    let trouble = Trouble { source, settings, now: Clock::system().now().wall };
    let read = match &replied {
        Ok(reply) => {
            let read = profile.extractor.read(reply, symbols, cpu::timer);
            if !request.mirrors.is_empty() {
                print(&format!("  reached: {reached}\n"))?;
            }
            print(&seen(&profile.extractor, reply, symbols, &read))?;
            read
        }
        Err(error) => Err(error.clone()),
    };
    let (verdict, priced) = verdict(read, symbols, &profile, &trouble);
    print(&format!("  took: {} ms\n{verdict}\n{}", took.as_millis(), next_step(source)))?;
    Ok(priced == symbols.len())
}

/// Makes one exchange with the vendor, and measures how long it takes.
fn exchange(profile: &Arc<Profile>, symbols: &[Symbol]) -> io::Result<Exchange> {
    let connector = Connectors::new(Resolver::of_the_system()).of(&profile.settings).map_err(io::Error::other)?;
    let fetch = Fetch::new(connector, Arc::clone(profile), Clock::system(), Arc::new(Semaphore::new(1)));
    let attempt = profile.settings.timeout;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let sent = Instant::now();
    let ended = runtime.block_on(async { timeout(attempt, fetch.exchange(symbols)).await });
    let took = sent.elapsed();
    // do not wait for a lookup that no name server answers
    runtime.shutdown_background();
    let reached = fetch.mirrors().hosts(profile).into_iter().next().unwrap_or_default();
    Ok(Exchange { replied: ended.unwrap_or(Err(SourceError::Timeout(attempt))), took, reached })
}

/// The start of the reply and, if the filter could not read it, what is wrong.
fn seen(extractor: &Extractor, reply: &RawReply, symbols: &[Symbol], read: &Result<Extracted, SourceError>) -> String {
    let mut lines = vec![format!("status: {}, {} bytes", reply.status, reply.body.len())];
    lines.push(head(extractor, reply, "        "));
    lines.extend(readings(extractor, reply, symbols));
    let failures: Vec<&SourceError> = match read {
        Ok(extracted) => extracted.outcomes.iter().filter_map(|(_, outcome)| outcome.as_ref().err()).collect(),
        Err(error) => vec![error],
    };
    if failures.iter().any(|error| matches!(error, SourceError::Malformed(_) | SourceError::Missing(_))) {
        let said: String = failures.iter().map(ToString::to_string).collect();
        lines.extend(explain(extractor, reply, symbols, &said));
    }
    lines.iter().map(|line| format!("  {line}\n")).collect()
}

/// A line for each symbol, and the verdict; and how many symbols got a price that the fold accepts.
fn verdict(
    read: Result<Extracted, SourceError>,
    symbols: &[Symbol],
    profile: &Profile,
    trouble: &Trouble<'_>,
) -> (String, usize) {
    let Extracted { outcomes, ignored } = match read {
        Ok(extracted) => extracted,
        Err(error) => {
            let named = symbols.first().map_or("symbol".to_owned(), ToString::to_string);
            return (format!("  verdict: failed / {}", trouble.words(&error, &named)), 0);
        }
    };
    let (mut lines, mut priced) = (String::new(), 0);
    for (symbol, outcome) in outcomes {
        match outcome {
            Ok(quote) => {
                let row = row(&quote);
                let fault = fault(&symbol, quote, profile, trouble);
                priced += usize::from(fault.is_none());
                let fault = fault.map(|fault| format!(" ({fault})")).unwrap_or_default();
                lines += &format!("  {symbol}: {row}{fault}\n");
            }
            Err(error) => lines += &format!("  {symbol}: failed / {}\n", trouble.words(&error, symbol.as_str())),
        }
    }
    if ignored > 0 {
        lines += &format!("  {ignored} rows were about other symbols\n");
    }
    (format!("{lines}  verdict: {priced} of {} symbols priced", symbols.len()), priced)
}

/// Why the fold would find no price in a quote; `None` if it finds one.
fn fault(symbol: &Symbol, quote: Quote, profile: &Profile, trouble: &Trouble<'_>) -> Option<String> {
    let origin = profile.origin(trouble.settings.class(symbol));
    let outcome = Outcome { origin, symbol: symbol.clone(), quote: Some(quote), failure: None };
    let folded = fold(symbol, vec![outcome], &trouble.settings.rule(symbol, None), trouble.now);
    let judged = folded.quotes.into_iter().next().filter(|judged| judged.price.is_none())?;
    Some(format!("{}: {}", judged.reason().unwrap_or_default(), judged.detail.unwrap_or_default()))
}

/// What to do with the shown reply if the source has no examples.
fn next_step(source: &SourceSettings) -> String {
    let name = &source.name;
    let next = format!("  no example tests its filter yet: write one from this reply ([[sources.{name}.examples]])\n");
    if source.examples.is_empty() { next } else { String::new() }
}

/// A quote in one line, with only the fields that it states.
fn row(quote: &Quote) -> String {
    let price = match &quote.price {
        Stated::Number(number) => Some(plain(*number)),
        Stated::NotANumber(text) => Some(format!("{text:?} (not a number)")),
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
        ("book_at", quote.book_at.map(|at| at.to_string())),
        ("market", quote.no_market.map(|why| why.as_str().to_owned())),
    ];
    let stated = fields.into_iter().filter_map(|(name, value)| Some(format!("{name} {}", value?)));
    stated.collect::<Vec<_>>().join(", ")
}
