//! Reads what people paste for a symbol.
//!
//! The grammar is a list of tests in a fixed order, and the first that fits decides. A test either understands the text, or knows
//! what it is instead, which becomes a sentence. Names that the user has defined come before all of them ([`Names`]).
//!
//! A symbol's canonical spelling must be read as that symbol, or a client that sends back what it was told would get another
//! price. No test knows the tests before it, so [`understand`] reads each canonical spelling again and refuses one that is
//! read otherwise.
//!
//! [`Names`]: super::Names

mod colon;
mod derivative;
mod identifier;
mod listing;
mod otherwise;
mod pair;
mod preferred;
mod sign;
mod united_states;

use super::currency::is_stable;
use super::tables::coins::{coin_of_id, is_ticker_of_coin, usual_ticker};
use super::{LONGEST, LONGEST_SHOWN, Symbol, SymbolError};

/// What a text is understood as: a symbol, or a sentence about what it is instead.
type Reading = Result<Symbol, SymbolError>;

/// A text as it is tested.
struct Typed<'t> {
    /// As it was typed, without white space around it.
    text: &'t str,
    /// The same in capitals.
    upper: String,
}

/// The tests, in their order. Each returns `None` if the text is not of the form that it reads.
const TESTS: [fn(&Typed<'_>) -> Option<Reading>; 11] = [
    identifier::read,
    preferred::read_tape,
    pair::read_with_part,
    sign::read,
    colon::read,
    pair::read,
    derivative::read,
    preferred::read,
    listing::read,
    united_states::read,
    listing::read_elsewhere,
];

/// Reads a text by the tests. The canonical spelling of what it returns is read as itself.
pub(super) fn read(text: &str) -> Reading {
    let typed = Typed { text: text.trim(), upper: text.trim().to_ascii_uppercase() };
    check_bounds(&typed)?;
    let symbol = match understand(&typed) {
        Some(reading) => reading?,
        None => return Err(otherwise::explain(&typed)),
    };
    if symbol.as_str().len() > LONGEST {
        return Err(SymbolError::TooLong(symbol.as_str().len()));
    }
    Ok(symbol)
}

/// Reads an ISIN, where nothing else can stand.
pub(super) fn read_isin(text: &str) -> Reading {
    let typed = Typed { text: text.trim(), upper: text.trim().to_ascii_uppercase() };
    check_bounds(&typed)?;
    identifier::read_isin(&typed)
}

/// The reading of the first test that fits, if its canonical spelling is read as the same symbol.
fn understand(typed: &Typed<'_>) -> Option<Reading> {
    let symbol = match first_fit(typed)? {
        Ok(symbol) => symbol,
        sentence => return Some(sentence),
    };
    let canonical = symbol.as_str();
    if canonical == typed.text {
        return Some(Ok(symbol));
    }
    Some(match first_fit(&Typed { text: canonical, upper: canonical.to_owned() }) {
        Some(Ok(same)) if same == symbol => Ok(symbol),
        Some(Err(SymbolError::Other(_, why))) => typed.no_symbol(format!("names {canonical}, which {why}")),
        _ => typed.no_symbol(format!("names {canonical}, which is not spelled like a symbol of its place")),
    })
}

fn first_fit(typed: &Typed<'_>) -> Option<Reading> {
    TESTS.iter().find_map(|test| test(typed))
}

/// The symbol that a suggestion names, if it is one.
fn suggested(text: &str) -> Option<Symbol> {
    let typed = Typed { text, upper: text.to_ascii_uppercase() };
    understand(&typed)?.ok().filter(|symbol| symbol.as_str().len() <= LONGEST)
}

/// The pair that a word was perhaps meant for, if it is a pair without its hyphen, or the name or ticker of a coin.
pub(super) fn pair_meant(word: &str) -> Option<String> {
    let coin = || {
        let ticker = usual_ticker(word);
        coin_of_id(word).or((is_ticker_of_coin(ticker) || is_stable(ticker)).then_some(ticker))
    };
    let joined = || otherwise::concatenation(word).filter(|_| word.len() >= 6);
    let pair = joined().map(|(base, quote)| format!("{base}-{quote}"));
    let pair = pair.or_else(|| coin().map(|ticker| format!("{ticker}-USD")))?;
    suggested(&pair).map(|symbol| symbol.to_string())
}

fn check_bounds(typed: &Typed<'_>) -> Result<(), SymbolError> {
    let text = typed.text;
    if text.is_empty() {
        return Err(SymbolError::Empty);
    }
    if let Some(control) = text.chars().find(|c| c.is_control()) {
        return Err(SymbolError::Character(text.to_owned(), control));
    }
    // a symbol may be longer as it is pasted: its place may be written out
    let length = text.chars().count();
    if length > LONGEST_SHOWN { Err(SymbolError::TooLong(length)) } else { Ok(()) }
}

impl Typed<'_> {
    /// A sentence about the text, which goes on with `why`.
    fn no_symbol(&self, why: impl Into<String>) -> Reading {
        Err(self.because(why))
    }

    fn because(&self, why: impl Into<String>) -> SymbolError {
        SymbolError::Other(self.text.to_owned(), why.into())
    }

    /// A sentence about the text that ends with a suggestion, if that is a symbol.
    fn perhaps(&self, why: &str, suggestion: &str) -> SymbolError {
        match suggested(suggestion) {
            Some(symbol) => self.because(format!("{why}; did you mean {symbol}?")),
            None => self.because(why),
        }
    }
}

/// Whether a text consists of letters, in capitals, and has at most this many.
fn is_letters(text: &str, most: usize) -> bool {
    (1..=most).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_uppercase())
}

/// Whether a text consists of letters, in capitals, and digits.
fn is_word(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit())
}

fn is_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests;
