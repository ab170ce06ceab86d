//! Callers who ask for junk cost other callers no scarce calls.

use std::time::Duration;

use quotefold::answer::Answer;
use quotefold::caller::Caller;
use quotefold::clock::Clock;
use quotefold::failure::SourceError;
use quotefold::question::Question;
use quotefold::symbol::Symbol;
use tokio::time::advance;

use crate::support::all_quoted;
use crate::vendors::{Replies, ScriptedService, crypto, morning};

/// The scarce source has everything, the others deny everything.
fn vendors(name: &str, symbols: Vec<Symbol>, clock: Clock) -> Replies {
    let is_scarce = name == "scarce";
    Box::pin(async move {
        if is_scarce {
            all_quoted(symbols, &clock)
        } else {
            Err(SourceError::UnknownSymbol("no such symbol".to_owned()))
        }
    })
}

/// A scarce source that is asked for one pair alone, and two that may be asked for anything, a symbol at a time.
fn scripted() -> ScriptedService {
    let settings = crypto("scarce", "limits = [\"25/day\"]\nsymbols = [\"BTC-USD\"]")
        + &crypto("one", "concurrency = 100")
        + &crypto("two", "concurrency = 100");
    ScriptedService::new(&settings, &morning(), vendors)
}

async fn ask(scripted: &ScriptedService, caller: u32, query: &str) -> Answer {
    let question = Question::parse(query, scripted.service.bounds(), scripted.service.clock().now()).unwrap();
    scripted.service.answer(&question.asked_by(Some(Caller::Key(caller)))).await
}

/// Asks for a thousand symbols that do not exist.
async fn flood(scripted: &ScriptedService, caller: u32, round: usize) {
    for number in 0..10 {
        let junk: Vec<String> = (0..100).map(|symbol| format!("J{round}X{number}X{symbol}-USD")).collect();
        ask(scripted, caller, &format!("symbols={}", junk.join(","))).await;
    }
}

#[tokio::test(start_paused = true)]
async fn no_round_of_junk_symbols_costs_a_call_to_a_scarce_source() {
    let scripted = scripted();
    for round in 0..5 {
        ask(&scripted, 1, "symbols=BTC-USD&refresh_after=6h").await;
        flood(&scripted, 2, round).await;
        advance(Duration::from_secs(60)).await;
    }
    assert_eq!(scripted.log("scarce").calls().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn one_callers_unknown_symbols_are_not_asked_again_because_of_anothers_junk() {
    let scripted = scripted();
    ask(&scripted, 1, "symbols=RARE-USD").await;
    let asked = |source: &str| {
        let calls = scripted.log(source).calls();
        calls.iter().filter(|call| call.symbols.iter().any(|symbol| symbol.as_str() == "RARE-USD")).count()
    };
    assert_eq!((asked("one"), asked("two")), (1, 1));
    flood(&scripted, 2, 0).await;
    ask(&scripted, 1, "symbols=RARE-USD").await;
    assert_eq!((asked("one"), asked("two")), (1, 1));
}
