//! A service that is killed again and again still knows how many calls it has spent.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime};

use crate::support::{Folder, PATIENCE, Program, Upstream, get, left, rows};

/// A state with enough quotes that writing it takes a while.
fn full_board() -> String {
    let now = jiff::Timestamp::now();
    let quote = |number| {
        let price = r#""price":"100.000000000001","bid":"99.9","ask":"100.1""#;
        format!(r#"{{"source":"a","symbol":"S{number}-USD",{price},"received_at":"{now}","latency_ms":9}}"#)
    };
    let quotes: Vec<String> = (0..4_000).map(quote).collect();
    format!(r#"{{"version":1,"saved_at":"{now}","accounts":{{}},"quotes":[{}]}}"#, quotes.join(","))
}

fn half_written(folder: &Folder) -> usize {
    folder.names().iter().filter(|name| name.contains(".tmp-")).count()
}

#[test]
fn a_kill_at_any_moment_loses_no_more_than_the_last_second() {
    // the vendor's own count
    let calls: Arc<Mutex<Vec<SystemTime>>> = Arc::default();
    let upstream = {
        let calls = Arc::clone(&calls);
        Upstream::new(move |call| {
            calls.lock().unwrap().push(SystemTime::now());
            let asked = call.asked();
            let quotes: Vec<_> = asked.iter().map(|symbol| (symbol.as_str(), "100")).collect();
            call.json(&rows(&quotes))
        })
    };
    let folder = Folder::new();
    let configuration = folder.configuration(&upstream.source("a", "limits = [\"100000/day\"]"));
    let count = || calls.lock().unwrap().len() as u64;
    std::fs::write(folder.file(), full_board()).unwrap();
    let (mut known, mut before) = (0, 0);
    for round in 0..20 {
        let (program, address) = Program::serve(&configuration, &[]);
        assert_eq!(100_000 - left(address), known, "round {round}: the state is restored as it stands in the file");
        // every other round ends at a random moment, some before the first write; the others in the middle of a write
        let (started, lasts) = (Instant::now(), Duration::from_millis(fastrand::u64(50..2_400)));
        // a fast disk is hard to catch in the middle of a write
        let is_caught = || half_written(&folder) > 0 || started.elapsed() > PATIENCE / 6;
        let is_over = || if round % 2 == 0 { started.elapsed() >= lasts } else { is_caught() };
        let mut asked = started;
        while !is_over() {
            if asked.elapsed() >= Duration::from_millis(10) {
                assert_eq!(get(address, "/prices?symbols=BTC-USD&refresh_after=0s").status, 200);
                asked = Instant::now();
            }
            assert!(started.elapsed() < PATIENCE, "nothing is ever written");
        }
        program.signal("KILL");
        assert_eq!(program.ended().code, None);
        let killed = SystemTime::now();
        let state = folder.state();
        let (written, made) = (folder.spent() - known, count() - before);
        // the state has every call that the vendor had seen in this round when it was taken
        let saved_at: jiff::Timestamp = state["saved_at"].as_str().unwrap().parse().unwrap();
        let saved_at = SystemTime::from(saved_at);
        let seen = calls.lock().unwrap().iter().skip(before as usize).filter(|at| **at < saved_at).count() as u64;
        assert!(written >= seen, "round {round}: {written} of {seen} calls seen by {saved_at:?} are in the file");
        // one unit may belong to a call that was never sent
        assert!(written <= made + 1, "round {round}: {written} of {made}");
        // a second, plus the time that this machine may need to write
        let age = killed.duration_since(saved_at).unwrap_or_default();
        assert!(
            round == 0 || started.elapsed() < Duration::from_secs(2) || age < Duration::from_secs(10),
            "{age:?} old"
        );
        assert!(half_written(&folder) <= 1, "half-written files pile up: {:?}", folder.names());
        (known, before) = (known + written, count());
    }
    assert!(known > 0, "no round was written");
    let (program, _) = Program::serve(&configuration, &[]);
    assert_eq!(folder.names(), ["state.json", "state.json.lock"]);
    drop(program);
}
