//! The query of a request: it is refused with a reason, or stays within every bound.
#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use quotefold::clock::{Clock, Moment};
use quotefold::question::{BadQuestion, Bounds, LONGEST_QUERY, Question, SHORTEST_TIMEOUT, longest_form};
use quotefold::symbol::LONGEST_SHOWN;
use quotefold::units::WaitFor;

static BOUNDS: LazyLock<Bounds> = LazyLock::new(|| Bounds {
    max_symbols: 5,
    sources: ["kraken", "yahoo"].map(str::to_owned).into(),
    ..Bounds::default()
});
static ARRIVED: LazyLock<Moment> = LazyLock::new(|| Clock::system().now());

fuzz_target!(|text: &str| {
    check(text, LONGEST_QUERY, Question::parse(text, &BOUNDS, *ARRIVED));
    check(text, longest_form(BOUNDS.max_symbols), Question::parse_form(text, &BOUNDS, *ARRIVED));
    let (symbol, query) = text.split_once('?').unwrap_or((text, ""));
    let one = Question::parse_one(symbol, query, &BOUNDS, *ARRIVED);
    assert!(one.as_ref().is_ok_and(|one| one.symbols.len() + one.not_symbols.len() == 1) || one.is_err());
    check(query, LONGEST_QUERY, one);
});

fn check(query: &str, longest: usize, question: Result<Question, BadQuestion>) {
    let question = match question {
        Ok(question) => question,
        Err(bad) => return assert!(!bad.detail.is_empty(), "{bad:?}"),
    };
    assert!(query.len() <= longest);
    let (understood, not) = (question.symbols.len(), question.not_symbols.len());
    assert!((1..=BOUNDS.max_symbols).contains(&(understood + not)));
    for said in &question.not_symbols {
        assert!(said.place < understood + not && !said.detail.is_empty(), "{question:?}");
        assert!(!said.text.is_empty() && said.text.chars().count() <= LONGEST_SHOWN, "{question:?}");
        assert!(!said.text.contains(|c: char| c.is_control()), "{question:?}");
    }
    assert!((SHORTEST_TIMEOUT..=BOUNDS.max_timeout).contains(&question.timeout));
    assert!(!matches!(question.wait, WaitFor::Quorum(after) if after > BOUNDS.max_timeout));
    assert!(question.sources.iter().flatten().all(|name| BOUNDS.sources.contains(name)));
    assert!(
        question.renamed.iter().all(|(asked, symbol)| asked != symbol.as_str() && question.symbols.contains(symbol))
    );
    // in its canonical spelling, it is the same question
    if understood == 0 {
        return;
    }
    let names: Vec<String> = question.symbols.iter().map(|symbol| symbol.as_str().replace('&', "%26")).collect();
    let again = Question::parse(&format!("symbols={}", names.join(",")), &BOUNDS, *ARRIVED).unwrap();
    assert_eq!((&again.symbols, again.renamed.len()), (&question.symbols, 0), "{question:?}");
}
