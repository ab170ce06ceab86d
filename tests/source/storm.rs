//! Three vendors that do anything at any moment, and hundreds of callers: each caller is answered in time, and nothing
//! is left behind.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use quotefold::clock::Clock;
use quotefold::failure::SourceError;
use quotefold::fold::Status;
use quotefold::question::Question;
use quotefold::symbol::Symbol;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};

use crate::shared::settled::assert_settled;
use crate::support::{all_quoted, most_in_a_window};
use crate::vendors::{Replies, ScriptedService, crypto, morning};

const SERVER: &str = "[server]\ntimeout = \"1s\"\nmax_timeout = \"3s\"\n";

/// One of the things that vendors do.
fn fate(chance: &mut fastrand::Rng, symbols: Vec<Symbol>, clock: Clock) -> Replies {
    let after = Duration::from_millis(chance.u64(0..900));
    let (detail, fate) = ("a fate".to_owned(), chance.u8(0..20));
    Box::pin(async move {
        sleep(after).await;
        match fate {
            0 => panic!("this call panics on purpose"),
            1 => std::future::pending().await,
            2 | 3 => Err(SourceError::Connection(detail)),
            4 => Err(SourceError::Unavailable { detail, passing: true, retry_after: None }),
            5 => Err(SourceError::RateLimited { detail, retry_after: None }),
            6 => Err(SourceError::UnknownSymbol(detail)),
            7 => Err(SourceError::Malformed(detail)),
            8 => Err(SourceError::Tls(detail)),
            _ => all_quoted(symbols, &clock),
        }
    })
}

/// A caller's symbols, and its query.
fn query(chance: &mut fastrand::Rng) -> (Vec<String>, String) {
    let mut symbols: Vec<String> = Vec::new();
    for _ in 0..chance.usize(1..7) {
        let symbol = format!("S{}-USD", chance.u8(0..12));
        if !symbols.contains(&symbol) {
            symbols.push(symbol);
        }
    }
    let force = if chance.bool() { "&refresh_after=0s" } else { "" };
    let query = format!("symbols={}&timeout={}ms{force}", symbols.join(","), chance.u64(50..3000));
    (symbols, query)
}

#[tokio::test(start_paused = true)]
async fn every_caller_is_answered_in_time_and_in_full_and_nothing_is_left_behind() {
    for seed in 0..12 {
        let mut chance = fastrand::Rng::with_seed(seed);
        let fates = Arc::new(Mutex::new(chance.fork()));
        let settings = [
            SERVER.to_owned(),
            crypto("alpha", "timeout = \"400ms\"\nlimits = [\"20/s\", \"200/min\"]"),
            crypto("beta", "timeout = \"400ms\"\nbatch = 5\nconcurrency = 2"),
            crypto("gamma", "timeout = \"1s\"\nbatch = 3\nunknown = \"kills\"\nlimits = [\"5/s\"]"),
        ];
        let scripted = ScriptedService::new(&settings.concat(), &morning(), move |_, symbols, clock| {
            fate(&mut fates.lock().unwrap(), symbols, clock)
        });
        let (service, start) = (Arc::clone(&scripted.service), Instant::now());
        let mut callers = JoinSet::new();
        for _ in 0..300 {
            let (symbols, query) = query(&mut chance);
            let patience = chance.bool().then(|| Duration::from_millis(chance.u64(0..3000)));
            let service = Arc::clone(&service);
            callers.spawn(async move {
                let question = Question::parse(&query, service.bounds(), service.clock().now()).unwrap();
                let asked = Instant::now();
                let answering = service.answer(&question);
                let answer = match patience {
                    // this one may leave before its answer is there
                    Some(patience) => timeout(patience, answering).await.ok(),
                    None => Some(answering.await),
                };
                let took = asked.elapsed();
                assert!(took <= question.timeout + Duration::from_millis(50), "{took:?}: {query}");
                let Some(answer) = answer else { return };
                let entries: Vec<String> = answer.prices().iter().map(|price| price.symbol.to_string()).collect();
                assert_eq!(entries, symbols);
                assert!(answer.prices().iter().all(|price| price.quotes.len() == 3), "{query}");
                let all_unknown = answer.prices().iter().all(|price| price.status == Status::Unknown);
                let is_priced = answer.prices().iter().any(|price| price.folded.is_some());
                assert_eq!(
                    answer.code,
                    if is_priced {
                        200
                    } else if all_unknown {
                        404
                    } else {
                        503
                    }
                );
            });
            sleep(Duration::from_millis(chance.u64(0..60))).await;
        }
        while let Some(caller) = callers.join_next().await {
            caller.unwrap();
        }
        sleep(Duration::from_secs(2)).await;
        assert_settled(&service, start.elapsed());
        for source in ["alpha", "beta", "gamma"] {
            let log = scripted.log(source);
            assert_eq!((log.in_flight(), log.ever_twice()), (0, None), "seed {seed}, {source}");
        }
        assert!(most_in_a_window(scripted.log("alpha"), Duration::from_secs(1)) <= 20, "seed {seed}");
        assert!(most_in_a_window(scripted.log("gamma"), Duration::from_secs(1)) <= 5, "seed {seed}");
    }
}
