//! Reads what the page is asked for. Forms of browsers send fields that are empty, and people leave commas at the end, so
//! this is more lenient than `/prices`.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use crate::question::{BadQuestion, LONGEST_QUERY, split};

/// The parameters that the page reads. It passes over others, such as those that links in mails have.
const PARAMETERS: [&str; 2] = ["symbols", "currency"];

/// What is escaped in a symbol: everything that could mean something in a query, in HTML or in a shell.
const ESCAPED: &AsciiSet =
    &NON_ALPHANUMERIC.remove(b'.').remove(b'-').remove(b'_').remove(b'^').remove(b'=').remove(b':').remove(b'/');

/// What the page is asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Asked {
    /// The symbols as they were typed, without white space around them and without empty ones.
    pub(super) symbols: Vec<String>,
    /// The currency as it was typed; empty if each price stays in its own.
    pub(super) currency: String,
}

impl Asked {
    /// Reads the query of the page. Of a parameter that is repeated, the first counts.
    pub(super) fn read(query: &str) -> Result<Self, BadQuestion> {
        let symbols = parameter(query, PARAMETERS[0])?;
        let symbols = symbols.split(',').map(str::trim).filter(|symbol| !symbol.is_empty());
        let currency = parameter(query, PARAMETERS[1])?;
        Ok(Asked { symbols: symbols.map(str::to_owned).collect(), currency: currency.trim().to_owned() })
    }

    /// The same; or, if it names no symbol, these.
    pub(super) fn or(self, by_default: &[String]) -> Self {
        let symbols = if self.symbols.is_empty() { by_default.to_vec() } else { self.symbols };
        Asked { symbols, ..self }
    }

    /// The query that asks `/prices` for the same.
    pub(super) fn query(&self) -> String {
        let escape = |text: &str| utf8_percent_encode(text, ESCAPED).to_string();
        let symbols: Vec<String> = self.symbols.iter().map(|symbol| escape(symbol)).collect();
        let currency =
            if self.currency.is_empty() { String::new() } else { format!("&currency={}", escape(&self.currency)) };
        format!("symbols={}{currency}", symbols.join(","))
    }
}

/// The value of a parameter, read as `/prices` reads it; empty if there is none.
fn parameter(query: &str, name: &str) -> Result<String, BadQuestion> {
    let Some(pair) = query.split('&').find(|pair| pair.split('=').next() == Some(name)) else {
        return Ok(String::new());
    };
    if pair.len() > LONGEST_QUERY {
        let detail = format!("{name} is {} bytes long; the page reads {LONGEST_QUERY}", pair.len());
        return Err(BadQuestion { field: name.to_owned(), detail });
    }
    // a form escapes every comma and every plus, so at the end of its list a plus is a space that somebody has typed
    let pair = if pair.contains(',') { pair } else { pair.trim_end_matches('+') };
    Ok(split("query", pair, &PARAMETERS)?.remove(name).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(query: &str) -> (Vec<String>, String) {
        let asked = Asked::read(query).unwrap();
        (asked.symbols, asked.currency)
    }

    fn asked(symbols: &[&str], currency: &str) -> (Vec<String>, String) {
        (symbols.iter().map(|symbol| (*symbol).to_owned()).collect(), currency.to_owned())
    }

    #[test]
    fn what_a_form_sends_is_read() {
        assert_eq!(read("symbols=AAPL%2C+BTC-USD%2C+&currency="), asked(&["AAPL", "BTC-USD"], ""));
        assert_eq!(read("symbols=&currency=+EUR+"), asked(&[], "EUR"));
        assert_eq!(read(""), asked(&[], ""));
        assert_eq!(read("utm_source=mail&symbols=AAPL&symbols=MSFT&symbol=X"), asked(&["AAPL"], ""));
        for typed in ["AAPL%2C+MSFT+", "+AAPL+%2C++MSFT", "AAPL++%2CMSFT++", "AAPL%2C+MSFT%2C++"] {
            assert_eq!(read(&format!("symbols={typed}&currency=")), asked(&["AAPL", "MSFT"], ""), "{typed}");
        }
        assert_eq!(read("symbols=AAPL+&currency="), asked(&["AAPL"], ""));
        assert_eq!(read("symbols=CCIV%2B+&currency="), asked(&["CCIV+"], ""));
        assert_eq!(read("symbols=CCIV+,M%26M.NS"), asked(&["CCIV+", "M&M.NS"], ""), "a plus at the end is a warrant's");
        assert_eq!(Asked::read("symbols=%ff").unwrap_err().field, "symbols");
        assert_eq!(Asked::read(&format!("symbols={}", "A,".repeat(5000))).unwrap_err().field, "symbols");
    }

    #[test]
    fn who_names_no_symbol_gets_those_that_are_shown_by_default() {
        let by_default = ["AAPL".to_owned()];
        let or = |query: &str| Asked::read(query).unwrap().or(&by_default).query();
        assert_eq!(or("currency=EUR"), "symbols=AAPL&currency=EUR");
        assert_eq!(or("symbols=^GSPC,EURUSD%3DX,BTC/USD"), "symbols=^GSPC,EURUSD=X,BTC/USD");
    }

    proptest! {
        #[test]
        fn the_query_for_prices_asks_for_what_was_typed(symbols in proptest::collection::vec("[^,\\s]{1,9}", 0..5)) {
            let asked = Asked { symbols, currency: "EUR".to_owned() };
            let query = asked.query();
            prop_assert!(!query.contains(['\'', '"', '<', '>', ' ', '\\', '$', '`']));
            prop_assert_eq!(Asked::read(&query).unwrap(), asked);
        }
    }
}
