//! A client's request, and what must be true of the answer.

use std::collections::HashSet;
use std::time::Duration;

use quotefold::symbol::Symbol;

use crate::manner::Manner;

/// How long a client waits that does not say: the service's own `timeout`.
const USUAL: Duration = Duration::from_millis(800);

/// The number of symbols in a large request, and in the largest, which is too long for a URL.
const MANY: usize = 100;
const MOST: usize = 500;

/// One request, and what must be true of its answer.
pub(crate) struct Errand {
    /// The bytes of the request.
    pub(crate) request: String,
    /// The query, for messages.
    pub(crate) question: String,
    pub(crate) asked: Vec<String>,
    /// Whether at least one symbol is invented.
    pub(crate) invented: bool,
    pub(crate) deadline: Duration,
    /// Whether prices are in their own currency, so that they can be checked.
    pub(crate) plain: bool,
}

impl Errand {
    /// The next request of a client of this manner.
    pub(crate) fn new(manner: Manner, symbols: &[Symbol], chance: &mut fastrand::Rng) -> Self {
        match manner {
            Manner::AsksForMany => {
                let asked = padded(some_of(symbols, symbols.len(), chance), MANY, || invented(chance));
                Errand::asking(asked, Terms::default())
            }
            Manner::AsksForJunk => {
                let mut asked = some_of(symbols, chance.usize(0..2), chance);
                asked.extend((0..chance.usize(1..20)).map(|_| invented(chance)));
                Errand::asking(asked, Terms::by_chance(chance))
            }
            // always the same, so that the service has much to send but little to calculate
            Manner::ReadsSlowly | Manner::StopsReading => {
                let mut number = 0;
                let nameless = || {
                    number += 1;
                    format!("ZQX{number}-USD")
                };
                Errand::asking(padded(some_of(symbols, symbols.len(), chance), MOST, nameless), Terms::default())
            }
            Manner::Refreshes => {
                let terms = Terms { more: "refresh_after=0s", ..Terms::by_chance(chance) };
                Errand::asking(a_few(symbols, chance), terms)
            }
            Manner::IsImpatient => {
                let terms = Terms { timeout: Some(50), ..Terms::by_chance(chance) };
                Errand::asking(a_few(symbols, chance), terms)
            }
            Manner::Asks | Manner::LeavesEarly | Manner::ClosesItsSide | Manner::SendsSlowly => {
                let mut asked = a_few(symbols, chance);
                if chance.u8(..) < 8 {
                    asked.push(invented(chance));
                }
                Errand::asking(asked, Terms::by_chance(chance))
            }
        }
    }

    fn asking(mut asked: Vec<String>, terms: Terms) -> Self {
        // two invented names may be the same, which is then answered once
        let mut named = HashSet::new();
        asked.retain(|name| named.insert(name.clone()));
        let timeout = terms.timeout.map(|milliseconds| format!("timeout={milliseconds}ms"));
        let more = Some(terms.more.to_owned()).filter(|more| !more.is_empty());
        let symbols = Some(format!("symbols={}", asked.join(","))).filter(|_| asked.len() > 1);
        let query = [symbols, timeout, more].into_iter().flatten().collect::<Vec<_>>().join("&");
        let question = match asked.as_slice() {
            [only] => format!("/prices/{only}?{query}"),
            _ => format!("/prices?{query}"),
        };
        let request = if asked.len() > MANY {
            let head = "POST /prices HTTP/1.1\r\nHost: soak\r\nContent-Type: application/x-www-form-urlencoded\r\n";
            format!("{head}Content-Length: {}\r\n\r\n{query}", query.len())
        } else {
            format!("GET {question} HTTP/1.1\r\nHost: soak\r\n\r\n")
        };
        let invented = asked.iter().any(|name| name.starts_with("ZQ"));
        let deadline = terms.timeout.map_or(USUAL, Duration::from_millis);
        Errand { request, question, asked, invented, deadline, plain: !terms.more.starts_with("currency") }
    }
}

/// The other parameters of a request.
#[derive(Clone, Copy, Debug, Default)]
struct Terms {
    /// In milliseconds.
    timeout: Option<u64>,
    more: &'static str,
}

impl Terms {
    fn by_chance(chance: &mut fastrand::Rng) -> Self {
        let timeouts = [300, 1000, 2000];
        let timeout = (chance.u8(..) < 100).then(|| timeouts[chance.usize(0..timeouts.len())]);
        let fresh = ["refresh_after=0s", "max_age=3s", "wait=quorum", "wait=20ms", "refresh=background"];
        let others = ["require=all", "require=ok", "quotes=false", "currency=EUR", "", "", ""];
        let more = [fresh.as_slice(), others.as_slice()].concat();
        Terms { timeout, more: more[chance.usize(0..more.len())] }
    }
}

/// Mostly one to five of the market's symbols, now and then up to all of them.
fn a_few(symbols: &[Symbol], chance: &mut fastrand::Rng) -> Vec<String> {
    let most = if chance.u8(..) < 25 { symbols.len() } else { 5 };
    let count = chance.usize(1..=most);
    some_of(symbols, count, chance)
}

/// This many of the market's symbols, in random order.
fn some_of(symbols: &[Symbol], count: usize, chance: &mut fastrand::Rng) -> Vec<String> {
    let mut names: Vec<String> = symbols.iter().map(ToString::to_string).collect();
    chance.shuffle(&mut names);
    names.truncate(count);
    names
}

fn padded(mut asked: Vec<String>, count: usize, name: impl FnMut() -> String) -> Vec<String> {
    let missing = count.saturating_sub(asked.len());
    asked.extend(std::iter::repeat_with(name).take(missing));
    asked
}

/// A new invented symbol.
fn invented(chance: &mut fastrand::Rng) -> String {
    let letters: String = (0..4).map(|_| chance.uppercase()).collect();
    // a ticker has no digit; in a pair, one makes sure that it is neither a currency nor a word
    let ending = ["", "9-USD", "9-USDT", "9-EUR"][chance.usize(0..4)];
    format!("ZQ{letters}{ending}")
}
