//! Reads the query of `GET /prices/stream`: what a reader looks at, and how often it wants to hear of it.

use std::time::Duration;

use super::parameters::split;
use super::{
    BadQuestion, Bounds, LONGEST_QUERY, NotASymbol, Read, bad, read_currency, read_quotes, read_span, too_long,
};
use crate::symbol::{Currency, Symbol};
use crate::units::Span;

/// The parameters of a stream.
const PARAMETERS: [&str; 5] = ["symbols", "currency", "quotes", "on", "every"];

/// How often a reader hears of one symbol at most, unless it says otherwise or the server allows only less.
const USUAL: Duration = Duration::from_millis(250);

/// The longest time between two events of a symbol that a reader may ask for.
const LONGEST: Duration = Duration::from_secs(3_600);

/// A query of `GET /prices/stream`, read and checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StreamQuestion {
    /// The symbols, each once, in the order in which they are first mentioned.
    pub symbols: Vec<Symbol>,
    /// What is not understood as a symbol.
    pub not_symbols: Vec<NotASymbol>,
    /// The currency to convert prices into; `None` leaves each in its own.
    pub currency: Option<Currency>,
    /// Whether the reader wants the proof; not unless it says so.
    pub quotes: bool,
    /// Which changes the reader wants to hear of.
    pub on: Changes,
    /// The least time between two events of one symbol: from `server.stream_floor` to an hour.
    pub every: Duration,
}

/// Which changes of a symbol a reader hears of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Changes {
    /// Those of its price or the price's currency.
    Price,
    /// Those of its status or the status's reason.
    Status,
    /// Both.
    #[default]
    Any,
}

impl StreamQuestion {
    /// Reads the query. `floor` is the least time between two events of one symbol that the server allows.
    ///
    /// # Errors
    /// As [`Question::parse`](super::Question::parse).
    pub fn parse(query: &str, bounds: &Bounds, floor: Duration) -> Result<Self, BadQuestion> {
        if query.len() > LONGEST_QUERY {
            return Err(too_long("query", query, LONGEST_QUERY));
        }
        let parameters = split("query", query, &PARAMETERS)?;
        let get = |name: &str| parameters.get(name).map(String::as_str);
        let Some(symbols) = get("symbols") else {
            let detail = "symbols is missing; look at one or more, such as ?symbols=AAPL,BTC-USD";
            return Err(bad("symbols", detail.to_owned()));
        };
        let texts: Vec<&str> = symbols.split(',').collect();
        let Read { symbols, not_symbols, .. } = Read::all(&texts, bounds)?;
        let every = get("every").map(|text| read_span("every", text)).transpose()?.unwrap_or(USUAL.max(floor));
        if !(floor..=LONGEST.max(floor)).contains(&every) {
            let (least, most) = (Span(floor), Span(LONGEST.max(floor)));
            return Err(bad("every", format!("every is {}; {least} to {most} are allowed", Span(every))));
        }
        Ok(StreamQuestion {
            symbols,
            not_symbols,
            currency: get("currency").map(read_currency).transpose()?,
            quotes: get("quotes").map(read_quotes).transpose()?.unwrap_or(false),
            on: get("on").map(read_changes).transpose()?.unwrap_or_default(),
            every,
        })
    }
}

fn read_changes(text: &str) -> Result<Changes, BadQuestion> {
    match text {
        "price" => Ok(Changes::Price),
        "status" => Ok(Changes::Status),
        "any" => Ok(Changes::Any),
        other => Err(bad("on", format!("on is {other:?}; price, status and any are allowed"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FLOOR: Duration = Duration::from_millis(100);

    fn read(query: &str) -> Result<StreamQuestion, BadQuestion> {
        StreamQuestion::parse(query, &Bounds::default(), FLOOR)
    }

    #[test]
    fn what_is_left_out_has_its_default() {
        let stream = read("symbols=AAPL,btc-usd,AAPL").unwrap();
        let symbols: Vec<&str> = stream.symbols.iter().map(Symbol::as_str).collect();
        assert_eq!(symbols, ["AAPL", "BTC-USD"]);
        assert_eq!((stream.every, stream.on, stream.quotes), (USUAL, Changes::Any, false));
        let slow = StreamQuestion::parse("symbols=AAPL", &Bounds::default(), Duration::from_secs(1)).unwrap();
        assert_eq!(slow.every, Duration::from_secs(1), "the server allows no shorter time");
    }

    #[test]
    fn a_wrong_parameter_is_refused_by_name() {
        for (query, field) in [
            ("", "symbols"),
            ("symbols=", "symbols"),
            ("symbols=AAPL&every=99ms", "every"),
            ("symbols=AAPL&every=2h", "every"),
            ("symbols=AAPL&every=often", "every"),
            ("symbols=AAPL&on=volume", "on"),
            ("symbols=AAPL&quotes=yes", "quotes"),
            ("symbols=AAPL&currency=1", "currency"),
            ("symbols=AAPL&timeout=1s", "timeout"),
            ("symbols=AAPL&on=any&on=any", "on"),
        ] {
            assert_eq!(read(query).map_err(|bad| bad.field), Err(field.to_owned()), "{query}");
        }
        assert_eq!(read(&format!("symbols={}", "A".repeat(LONGEST_QUERY))).unwrap_err().field, "query");
    }

    #[test]
    fn a_text_that_is_no_symbol_costs_the_others_nothing() {
        let stream = read("symbols=AAPL,not a symbol&on=status&every=1s&quotes=true&currency=eur").unwrap();
        assert_eq!((stream.symbols.len(), stream.not_symbols[0].text.as_str()), (1, "not a symbol"));
        assert_eq!((stream.on, stream.every, stream.quotes), (Changes::Status, Duration::from_secs(1), true));
        assert_eq!(stream.currency, Some(Currency::new("EUR")));
    }
}
