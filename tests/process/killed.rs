//! A service that is killed again and again, and what it still knows.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime};

use crate::support::{Folder, Program, Upstream, get, left, rows};

#[test]
fn a_kill_at_any_moment_loses_no_more_than_the_last_second() {
    // what the vendor itself has counted
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
    let (mut known, mut before) = (0, 0);
    for round in 0..20 {
        let (program, address) = Program::serve(&configuration, &[]);
        assert_eq!(100_000 - left(address), known, "round {round}: the state is restored as it stands in the file");
        // most rounds end within a second or two, some before anything could be written
        let (started, lasts) = (Instant::now(), Duration::from_millis(fastrand::u64(50..2_400)));
        while started.elapsed() < lasts {
            assert_eq!(get(address, "/prices?symbols=BTC-USD&refresh_after=0s").status, 200);
            std::thread::sleep(Duration::from_millis(10));
        }
        program.signal("KILL");
        assert_eq!(program.ended().code, None);
        let killed = SystemTime::now();
        if !folder.file().exists() {
            assert!(lasts < Duration::from_secs(10), "nothing was ever written");
            before = count();
            continue;
        }
        let state = folder.state();
        let (written, made) = (folder.spent() - known, count() - before);
        // all that the vendor had seen in this round when the state was taken is in it
        let saved_at: jiff::Timestamp = state["saved_at"].as_str().unwrap().parse().unwrap();
        let saved_at = SystemTime::from(saved_at);
        let seen = calls.lock().unwrap().iter().skip(before as usize).filter(|at| **at < saved_at).count() as u64;
        assert!(written >= seen, "round {round}: {written} of {seen} calls seen by {saved_at:?} are in the file");
        // one may have been counted whose call never left
        assert!(written <= made + 1, "round {round}: {written} of {made}");
        // a second, and as much as this machine may need to write
        let age = killed.duration_since(saved_at).unwrap_or_default();
        assert!(lasts < Duration::from_secs(2) || age < Duration::from_secs(10), "round {round}: {age:?} old");
        assert!(folder.names().len() <= 2, "half-written files pile up: {:?}", folder.names());
        (known, before) = (known + written, count());
    }
    assert!(known > 0, "no round was written");
    let (program, _) = Program::serve(&configuration, &[]);
    assert_eq!(folder.names(), ["state.json"]);
    drop(program);
}
