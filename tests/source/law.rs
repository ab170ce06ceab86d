//! The law of sharing, under random callers and vendors, for thousands of joins and leaves.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use quotefold::clock::Clock;
use quotefold::failure::SourceError;
use quotefold::source::coalescer::{Ask, Batching};
use quotefold::symbol::Symbol;
use tokio::time::{Instant, sleep, timeout_at};

use crate::support::{BUDGET, FORCED, NEED, all_quoted, bench, most_in_a_window, patient, symbol};

#[tokio::test(start_paused = true)]
async fn random_callers_never_put_a_symbol_in_flight_twice_or_leave_anything_behind() {
    for seed in 0..40 {
        let mut chance = fastrand::Rng::with_seed(seed);
        let (kills, per_symbol) = (seed % 2 == 0, seed % 5 == 0);
        let bench = bench(
            &["20/s"],
            Batching { capacity: 4, cost_per_symbol: per_symbol, unknown_kills: kills, holds_all: false },
            {
                let chance = Arc::new(Mutex::new(chance.fork()));
                move |symbols: Vec<Symbol>, clock: Clock| {
                    let (fate, wait) = {
                        let mut chance = chance.lock().unwrap();
                        (chance.u8(0..12), Duration::from_millis(chance.u64(0..900)))
                    };
                    async move {
                        sleep(wait).await;
                        match fate {
                            0 => panic!("this call panics on purpose"),
                            1 => std::future::pending().await,
                            2 => Err(SourceError::UnknownSymbol("no".to_owned())),
                            3 => Err(SourceError::RateLimited { detail: "no".to_owned(), retry_after: None }),
                            _ => all_quoted(symbols, &clock),
                        }
                    }
                }
            },
        );
        let mut callers = tokio::task::JoinSet::new();
        for _ in 0..500 {
            let names: Vec<String> = (0..chance.usize(1..6)).map(|_| format!("S{}-USD", chance.u8(0..12))).collect();
            let names: BTreeSet<&str> = names.iter().map(String::as_str).collect();
            let need = if chance.bool() { FORCED } else { NEED };
            // some leave before their deadline, and some wait longer than a call alone may take
            let timeout = if chance.u8(0..4) == 0 { BUDGET * 2 } else { BUDGET };
            let patience = if chance.bool() { Duration::from_millis(chance.u64(0..1500)) } else { timeout };
            let optional = vec![symbol(&format!("S{}-USD", chance.u8(0..12)))];
            let due: Vec<_> = names.into_iter().map(|name| (symbol(name), need)).collect();
            let optional = optional.into_iter().filter(|other| due.iter().all(|(symbol, _)| symbol != other)).collect();
            let waits = bench.coalescer.ask(&Ask { until: Instant::now() + timeout, ..patient(due, optional) });
            let coalescer = bench.coalescer.clone();
            callers.spawn(async move {
                let started = Instant::now();
                for wait in waits {
                    let _ = timeout_at(started + patience, coalescer.arrive(wait)).await;
                }
            });
            sleep(Duration::from_millis(chance.u64(0..40))).await;
        }
        while let Some(caller) = callers.join_next().await {
            caller.unwrap();
        }
        assert_eq!(bench.log.ever_twice(), None, "seed {seed}");
        if !per_symbol {
            assert!(most_in_a_window(&bench.log, Duration::from_secs(1)) <= 20, "seed {seed}");
        }
        bench.settle().await;
    }
}
