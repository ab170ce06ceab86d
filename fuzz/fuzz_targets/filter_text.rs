//! The text of a filter: it is refused with a position, or it terminates soon, whatever its input.
#![no_main]

use std::panic;
use std::time::{Duration, Instant};

use libfuzzer_sys::fuzz_target;
use quotefold::clock::cpu;
use quotefold::provider::description::Notation;
use quotefold::provider::filter::{Filter, Fuel, MOST_ROWS};

const BODIES: [&str; 3] = [
    r#"{"a":[1,2,3],"b":{"a":"1.50","b":null},"c":"x"}"#,
    r#"[{"a":1.5,"b":[]},{"a":"2","b":[[3]]},[],"",0,-1e400]"#,
    r#"[[[[[1]]]],[0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0],{"":{"":""}}]"#,
];

fuzz_target!(
    // a panic in jq is caught, and fails only one call
    init: {
        let abort = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            if !info.location().is_some_and(|place| place.file().contains("jaq-")) {
                abort(info);
            }
        }));
    },
    |code: &str| {
        let filter = match Filter::compile(code) {
            Ok(filter) => filter,
            Err(error) => {
                assert!((1..=code.split('\n').count()).contains(&error.line), "{error}");
                let line = code.split('\n').nth(error.line - 1).unwrap();
                assert!((1..=line.chars().count() + 1).contains(&error.column), "{error} of {}", line.chars().count());
                return;
            }
        };
        for body in BODIES {
            let begun = Instant::now();
            let run = |filter: &Filter| filter.run(body.as_bytes(), Notation::Json, 200, &["AAPL"], Fuel::most(cpu::timer));
            let rows = run(&filter);
            assert!(rows.rows.len() <= MOST_ROWS && (!rows.cut || rows.rows.len() == MOST_ROWS));
            assert!(begun.elapsed() < Duration::from_secs(5), "it took {:?}", begun.elapsed());
        }
    }
);
