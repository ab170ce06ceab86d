//! The exchanges outside the United States, by the suffixes of Yahoo Finance, which most portfolio trackers write:
//! <https://help.yahoo.com/kb/SLN2310.html>.

/// An exchange outside the United States, by the suffix that portfolio trackers write.
#[derive(Debug, PartialEq, Eq)]
pub struct Exchange {
    /// What follows the dot: `L` in `VOD.L`.
    pub suffix: &'static str,
    /// The exchange's or its city's name.
    pub name: &'static str,
    /// The currency most of its listings trade in, as a major unit (London: pounds, though many prices are in pence). `None` if
    /// they trade in several.
    pub currency: Option<&'static str>,
}

/// The exchanges where some or all prices are stated in a part of the currency: pence, cents, agorot, fils. If no source says
/// which it is, it cannot be known.
const QUOTES_IN_PARTS: [&str; 4] = ["JO", "KW", "L", "TA"];

/// Of the exchanges that share a currency, the one where most listings trade.
const HOMES: [&str; 8] = ["DE", "KS", "L", "NS", "SS", "T", "TO", "TW"];

impl Exchange {
    /// Whether prices there may be stated in a part of the currency.
    pub(crate) fn quotes_in_parts(&self) -> bool {
        QUOTES_IN_PARTS.contains(&self.suffix)
    }

    /// The exchange where most listings in a currency trade.
    pub(in crate::symbol) fn of_currency(currency: &str) -> Option<&'static Exchange> {
        let mut trading = EXCHANGES.iter().filter(|exchange| exchange.currency == Some(currency));
        trading.clone().find(|exchange| HOMES.contains(&exchange.suffix)).or_else(|| trading.next())
    }
}

const fn exchange_row(suffix: &'static str, name: &'static str, currency: &'static str) -> Exchange {
    Exchange { suffix, name, currency: Some(currency) }
}

/// The exchanges, in the order of their suffixes.
#[rustfmt::skip]
pub(in crate::symbol) const EXCHANGES: &[Exchange] = &[
    exchange_row("AE", "Abu Dhabi and Dubai", "AED"),
    exchange_row("AS", "Euronext Amsterdam", "EUR"),
    exchange_row("AT", "Athens", "EUR"),
    exchange_row("AX", "Australia", "AUD"),
    exchange_row("BA", "Buenos Aires", "ARS"),
    exchange_row("BD", "Budapest", "HUF"),
    exchange_row("BE", "Berlin", "EUR"),
    exchange_row("BK", "Bangkok", "THB"),
    exchange_row("BO", "Bombay", "INR"),
    exchange_row("BR", "Euronext Brussels", "EUR"),
    exchange_row("CA", "Cairo", "EGP"),
    exchange_row("CN", "Canadian Securities Exchange", "CAD"),
    exchange_row("CO", "Copenhagen", "DKK"),
    exchange_row("DE", "Xetra", "EUR"),
    exchange_row("DU", "Düsseldorf", "EUR"),
    exchange_row("F", "Frankfurt", "EUR"),
    exchange_row("HA", "Hanover", "EUR"),
    exchange_row("HE", "Helsinki", "EUR"),
    exchange_row("HK", "Hong Kong", "HKD"),
    exchange_row("HM", "Hamburg", "EUR"),
    exchange_row("IC", "Iceland", "ISK"),
    // the international order book: most of it in dollars, some in euros
    Exchange { suffix: "IL", name: "London, international", currency: None },
    exchange_row("IR", "Euronext Dublin", "EUR"),
    exchange_row("IS", "Istanbul", "TRY"),
    exchange_row("JK", "Jakarta", "IDR"),
    exchange_row("JO", "Johannesburg", "ZAR"),
    exchange_row("KL", "Kuala Lumpur", "MYR"),
    exchange_row("KQ", "KOSDAQ", "KRW"),
    exchange_row("KS", "Korea", "KRW"),
    exchange_row("KW", "Kuwait", "KWD"),
    exchange_row("L", "London", "GBP"),
    exchange_row("LS", "Euronext Lisbon", "EUR"),
    exchange_row("MC", "Madrid", "EUR"),
    exchange_row("ME", "Moscow", "RUB"),
    exchange_row("MI", "Milan", "EUR"),
    exchange_row("MU", "Munich", "EUR"),
    exchange_row("MX", "Mexico", "MXN"),
    exchange_row("NE", "Cboe Canada", "CAD"),
    exchange_row("NS", "National Stock Exchange of India", "INR"),
    exchange_row("NZ", "New Zealand", "NZD"),
    exchange_row("OL", "Oslo", "NOK"),
    exchange_row("PA", "Euronext Paris", "EUR"),
    exchange_row("PR", "Prague", "CZK"),
    exchange_row("PS", "Philippines", "PHP"),
    exchange_row("QA", "Qatar", "QAR"),
    exchange_row("RG", "Riga", "EUR"),
    exchange_row("SA", "São Paulo", "BRL"),
    exchange_row("SG", "Stuttgart", "EUR"),
    exchange_row("SI", "Singapore", "SGD"),
    exchange_row("SN", "Santiago", "CLP"),
    exchange_row("SR", "Saudi Arabia", "SAR"),
    exchange_row("SS", "Shanghai", "CNY"),
    exchange_row("ST", "Stockholm", "SEK"),
    exchange_row("SW", "Switzerland", "CHF"),
    exchange_row("SZ", "Shenzhen", "CNY"),
    exchange_row("T", "Tokyo", "JPY"),
    exchange_row("TA", "Tel Aviv", "ILS"),
    exchange_row("TL", "Tallinn", "EUR"),
    exchange_row("TO", "Toronto", "CAD"),
    exchange_row("TW", "Taiwan", "TWD"),
    exchange_row("TWO", "Taipei Exchange", "TWD"),
    exchange_row("V", "TSX Venture", "CAD"),
    exchange_row("VI", "Vienna", "EUR"),
    exchange_row("VN", "Vietnam", "VND"),
    exchange_row("VS", "Vilnius", "EUR"),
    exchange_row("WA", "Warsaw", "PLN"),
];

/// The index of a suffix in [`EXCHANGES`].
pub(in crate::symbol) fn exchange(suffix: &str) -> Option<usize> {
    EXCHANGES.binary_search_by(|exchange| exchange.suffix.cmp(suffix)).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::symbol::tables::money::is_current;

    #[test]
    fn the_exchanges_are_sorted_so_that_they_can_be_searched() {
        assert!(EXCHANGES.is_sorted_by(|a, b| a.suffix < b.suffix));
    }

    #[test]
    fn every_exchange_trades_in_a_currency_of_iso_4217() {
        assert!(EXCHANGES.iter().filter_map(|exchange| exchange.currency).all(is_current));
    }
}
