//! Symbols: each has one canonical spelling, and no source has two symbols under one name.
#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use quotefold::provider::catalogue::catalogue;
use quotefold::provider::spelling::Spelling;
use quotefold::symbol::{LONGEST, Symbol};

static SPELLINGS: LazyLock<Vec<(String, Spelling)>> = LazyLock::new(|| {
    let spelling = |name: &String| {
        let source = catalogue()[name].clone().resolve(name).unwrap();
        (name.clone(), Spelling::new(&source).unwrap())
    };
    catalogue().keys().map(spelling).collect()
});

fuzz_target!(|text: &str| {
    let symbols: Vec<Symbol> = text.split('\n').take(2).filter_map(read).collect();
    let [one, other] = symbols.as_slice() else { return };
    for (name, spelling) in SPELLINGS.iter() {
        let spell = |symbol: &Symbol| {
            let class = symbol.class();
            spelling.covers(symbol, class).then(|| spelling.spell(symbol, class)).flatten()
        };
        if let (Some(first), Some(second)) = (spell(one), spell(other)) {
            assert!(first != second || one == other, "{name} calls both {one} and {other} {first}");
        }
    }
});

fn read(text: &str) -> Option<Symbol> {
    let symbol = Symbol::parse(text).ok()?;
    let spelled = symbol.as_str();
    assert!(spelled.len() <= LONGEST && spelled.is_ascii(), "{spelled}");
    assert_eq!(Symbol::parse(spelled).as_ref(), Ok(&symbol), "{text:?}");
    assert_eq!(Symbol::parse(&spelled.to_ascii_lowercase()).as_ref(), Ok(&symbol), "{text:?}");
    if let Some((base, quote)) = symbol.legs() {
        assert_eq!(Symbol::of_legs(base, quote).as_ref(), Some(&symbol));
    }
    Some(symbol)
}
