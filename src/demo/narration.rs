//! Narrates what a caller sees while the market breaks: a line every few seconds, from real answers to its own requests.

use std::fmt::Write;
use std::sync::Arc;
use std::time::Duration;

use rust_decimal::{Decimal, RoundingStrategy};
use tokio::time::{Instant, sleep};

use super::venue::{Mood, Venues};
use crate::decimal::plain;
use crate::fold::{Folded, Judged, Price, Verdict};
use crate::logging;
use crate::question::Question;
use crate::service::Quotefold;

/// One scene of the narration.
struct Scene {
    /// What is broken.
    title: &'static str,
    /// The venues that misbehave, and how; all others are honest.
    moods: &'static [(&'static str, Mood)],
    /// The symbol that is asked for.
    symbol: &'static str,
    /// How long it takes for answers to show it.
    shows_after: Duration,
    /// The line about the price.
    describe: fn(&Price) -> String,
}

/// How long each line stands before the next scene.
const PAUSE: Duration = Duration::from_secs(3);

/// How long healed venues are asked before the next scene.
const SETTLE: Duration = Duration::from_secs(2);

const EVERY_VENUE_OF_AAPL: &[(&str, Mood)] =
    &[("alpha", Mood::Dead), ("beta", Mood::Dead), ("gamma", Mood::Dead), ("delta", Mood::Dead)];

const OLD_TRADES: &[(&str, Mood)] = &[("zeta", Mood::OldTrade), ("eta", Mood::OldTrade)];

const SCENES: [Scene; 11] = [
    scene("all is well", &[], "AAPL", 2, well),
    scene("delta hangs", &[("delta", Mood::Hang)], "AAPL", 2, without_delta),
    scene("gamma lies by 8 %", &[("gamma", Mood::Lie)], "AAPL", 3, one_liar),
    scene("gamma states euros", &[("gamma", Mood::Label)], "AAPL", 3, wrong_label),
    scene("beta answers 429", &[("beta", Mood::Limited)], "AAPL", 3, rate_limited),
    scene("gamma quotes pence, delta pounds", &[], "VOD.L", 7, pence),
    scene("zeta and eta have old trades", OLD_TRADES, "BTC-USD", 3, old_trades),
    scene("two camps", &[("alpha", Mood::Lie), ("beta", Mood::Lie)], "AAPL", 3, two_camps),
    scene("every venue is down", EVERY_VENUE_OF_AAPL, "AAPL", 7, all_down),
    // after some seconds of failures, a source is paused for up to ten
    scene("the venues are back", &[], "AAPL", 10, well),
    scene("and from the start", &[], "BTC-USD", 2, well),
];

const fn scene(
    title: &'static str,
    moods: &'static [(&'static str, Mood)],
    symbol: &'static str,
    seconds: u64,
    describe: fn(&Price) -> String,
) -> Scene {
    Scene { title, moods, symbol, shows_after: Duration::from_secs(seconds), describe }
}

/// Plays all scenes over and over, on stderr.
pub async fn narrate(service: Arc<Quotefold>, venues: Arc<Venues>) {
    loop {
        for scene in &SCENES {
            for (name, mood) in scene.moods {
                venues.get(name).into_iter().for_each(|venue| venue.set(*mood));
            }
            let line = play(&service, scene).await;
            logging::say(&line);
            sleep(PAUSE).await;
            // heal only what the scene broke: a venue that a user broke stays broken
            for (name, _) in scene.moods {
                venues.get(name).into_iter().for_each(|venue| venue.set(Mood::Honest));
            }
            // replaces the quotes of the broken venues before the next scene
            ask_for(&service, scene.symbol, SETTLE).await;
        }
    }
}

/// Asks repeatedly, as a client would, until a scene shows, and describes the last answer.
async fn play(service: &Quotefold, scene: &Scene) -> String {
    ask_for(service, scene.symbol, scene.shows_after).await;
    match ask(service, scene.symbol).await {
        Some(price) => format!("[simulated] {:<33} {}", scene.title, (scene.describe)(&price)),
        None => format!("[simulated] {:<33} no answer", scene.title),
    }
}

/// Asks about once a second for this long.
async fn ask_for(service: &Quotefold, symbol: &str, span: Duration) {
    let until = Instant::now() + span;
    while Instant::now() < until {
        ask(service, symbol).await;
        sleep(Duration::from_millis(1100)).await;
    }
}

async fn ask(service: &Quotefold, symbol: &str) -> Option<Price> {
    let query = format!("symbols={symbol}");
    let question = Question::parse(&query, service.bounds(), service.clock().now()).ok()?;
    service.answer(&question).await.prices().first().copied().cloned()
}

/// "AAPL 231.44 USD ok", or the status and reason.
fn headline(price: &Price) -> String {
    let mut text = format!("{} ", price.symbol);
    if let Some(Folded { price: value, .. }) = &price.folded {
        let currency = price.currency.as_ref().map_or("", |currency| currency.as_str());
        let _ = write!(text, "{} {currency} ", plain(*value));
    }
    text += price.status.as_str();
    if let Some(reason) = price.status.reason() {
        let _ = write!(text, " / {reason}");
    }
    text
}

fn used(price: &Price) -> usize {
    price.quotes.iter().filter(|quote| quote.verdict == Verdict::Used).count()
}

fn quote<'a>(price: &'a Price, source: &str) -> Option<&'a Judged> {
    price.quotes.iter().find(|quote| quote.outcome.origin.source == source)
}

/// "beta failed / rate_limited", "gamma excluded / outlier at 249.95", "delta used, refresh failed: timeout".
fn verdict(price: &Price, source: &str) -> String {
    let Some(judged) = quote(price, source) else { return format!("{source} not asked") };
    let mut text = format!("{source} {}", judged.verdict.as_str());
    if let Some(reason) = judged.reason() {
        let _ = write!(text, " / {reason}");
    }
    if let (Verdict::Excluded(_), Some(value)) = (judged.verdict, judged.price) {
        let _ = write!(text, " at {}", plain(value));
    }
    if let (Verdict::Used | Verdict::Excluded(_), Some(failure)) = (judged.verdict, &judged.outcome.failure) {
        let _ = write!(text, ", its refresh failed: {}", failure.error.reason());
    }
    text
}

/// The price that an average would give.
fn mean(price: &Price) -> Option<Decimal> {
    let values: Vec<Decimal> = price.quotes.iter().filter_map(|quote| quote.price).collect();
    let sum = values.iter().try_fold(Decimal::ZERO, |sum, value| sum.checked_add(*value))?;
    let mean = sum.checked_div(Decimal::from(values.len()))?;
    Some(mean.round_dp_with_strategy(2, RoundingStrategy::MidpointNearestEven))
}

fn well(price: &Price) -> String {
    let spread = price.folded.as_ref().and_then(|folded| folded.divergence_bps);
    let spread = spread.map_or_else(String::new, |points| format!(" within {points} bp"));
    format!("{} · {} of {} sources used{spread}", headline(price), used(price), price.quotes.len())
}

fn without_delta(price: &Price) -> String {
    format!("{} · price and deadline kept; {}", headline(price), verdict(price, "delta"))
}

fn one_liar(price: &Price) -> String {
    let mean = mean(price).map_or_else(String::new, |mean| format!("; a mean would have said {}", plain(mean)));
    format!("{} · {}{mean}", headline(price), verdict(price, "gamma"))
}

fn wrong_label(price: &Price) -> String {
    format!("{} · {}: a label does not overrule the currency of a US listing", headline(price), verdict(price, "gamma"))
}

fn old_trades(price: &Price) -> String {
    let read = quote(price, "eta").and_then(|eta| Some((last(eta)?, eta.price?)));
    let read = read.map_or_else(String::new, |(last, price)| {
        format!(" · eta's last trade was at {}, but its live book stands around {}", plain(last), plain(price))
    });
    let middle = middle_of_trades(price).map_or_else(String::new, |middle| {
        format!("; the median of the last trades would have been {}", plain(middle))
    });
    format!("{}{read}{middle}", headline(price))
}

/// The last trade of a quote.
fn last(judged: &Judged) -> Option<Decimal> {
    judged.outcome.quote.as_ref()?.last()
}

/// The price that the median of all last trades would give.
fn middle_of_trades(price: &Price) -> Option<Decimal> {
    let mut trades: Vec<Decimal> = price.quotes.iter().filter_map(last).collect();
    trades.sort();
    let middle =
        crate::decimal::middle(*trades.get((trades.len().checked_sub(1)?) / 2)?, *trades.get(trades.len() / 2)?);
    Some(middle.round_dp_with_strategy(2, RoundingStrategy::MidpointNearestEven))
}

fn rate_limited(price: &Price) -> String {
    let until = quote(price, "beta").and_then(|quote| quote.outcome.failure.as_ref()?.retry_at);
    let until = until.map_or_else(String::new, |at| format!("; paused until {}, as it asked", at.strftime("%H:%M:%S")));
    format!("{} · {}{until}", headline(price), verdict(price, "beta"))
}

fn pence(price: &Price) -> String {
    format!("{} · {} sources agree once pence are converted to pounds", headline(price), used(price))
}

fn two_camps(price: &Price) -> String {
    let middle = mean(price).map_or_else(String::new, |mean| format!("; an average would have said {}", plain(mean)));
    format!("{} · two venues say one price, two another: no price{middle}", headline(price))
}

fn all_down(price: &Price) -> String {
    let age = price.folded.as_ref().map(|folded| crate::clock::age(price.as_of, folded.aged_from).as_secs());
    let age = age.map_or_else(|| "no price".to_owned(), |seconds| format!("the price says it is {seconds} s old"));
    format!("{} · {age}", headline(price))
}

#[cfg(test)]
mod tests;
