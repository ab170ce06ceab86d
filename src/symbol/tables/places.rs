//! What others call the places where shares are listed, and the suffix that stands for each here; `US` for the United States.

/// The prefixes of Google Finance (<https://www.google.com/googlefinance/disclaimer/>) and of TradingView
/// (<https://www.tradingview.com/data-coverage/>). `TSE` is not here: with digits it is Tokyo, with letters Toronto.
#[rustfmt::skip]
const PREFIXES: &[(&str, &str)] = &[
    ("ADX", "AE"), ("AMEX", "US"), ("AMS", "AS"), ("ARCA", "US"), ("ASX", "AX"), ("ATH", "AT"), ("ATHEX", "AT"), ("BATS", "US"),
    ("BCBA", "BA"), ("BCS", "SN"), ("BER", "BE"), ("BET", "BD"), ("BIST", "IS"), ("BIT", "MI"), ("BKK", "BK"),
    ("BME", "MC"), ("BMFBOVESPA", "SA"), ("BMV", "MX"), ("BOM", "BO"), ("BSE", "BO"), ("BYMA", "BA"),
    ("CNSX", "CN"), ("CPH", "CO"), ("CSE", "CN"), ("CVE", "V"), ("DFM", "AE"), ("DUS", "DU"), ("EBR", "BR"),
    ("EGX", "CA"), ("ELI", "LS"),
    ("EPA", "PA"), ("ETR", "DE"), ("FRA", "F"), ("FWB", "F"), ("GPW", "WA"), ("HAM", "HM"), ("HAN", "HA"), ("HEL", "HE"),
    ("HKEX", "HK"), ("HKG", "HK"), ("HOSE", "VN"), ("ICE", "IC"), ("IDX", "JK"), ("ISE", "IR"), ("IST", "IS"),
    ("JSE", "JO"), ("KLSE", "KL"), ("KOSDAQ", "KQ"), ("KRX", "KS"), ("LON", "L"), ("LSE", "L"), ("LSIN", "IL"),
    ("MIL", "MI"), ("MOEX", "ME"), ("MUN", "MU"), ("MUTF", "US"), ("MYX", "KL"), ("NASDAQ", "US"), ("NEO", "NE"), ("NSE", "NS"),
    ("NYSE", "US"), ("NYSEAMERICAN", "US"), ("NYSEARCA", "US"), ("NYSEMKT", "US"), ("NZE", "NZ"), ("NZX", "NZ"),
    ("OMXCOP", "CO"), ("OMXHEX", "HE"), ("OMXICE", "IC"), ("OMXRSE", "RG"), ("OMXSTO", "ST"), ("OMXTSE", "TL"),
    ("OMXVSE", "VS"), ("OSL", "OL"), ("OTC", "US"), ("OTCBB", "US"), ("OTCMKTS", "US"), ("PINK", "US"),
    ("PSE", "PS"), ("PSECZ", "PR"),
    ("QSE", "QA"), ("RSE", "RG"), ("SET", "BK"), ("SGX", "SI"), ("SHA", "SS"), ("SHE", "SZ"), ("SIX", "SW"), ("SSE", "SS"),
    ("STO", "ST"), ("STU", "SG"), ("SWB", "SG"), ("SWX", "SW"), ("SZSE", "SZ"), ("TADAWUL", "SR"), ("TAL", "TL"),
    ("TASE", "TA"), ("TLV", "TA"), ("TPE", "TW"), ("TPEX", "TWO"), ("TSX", "TO"), ("TSXV", "V"), ("TWSE", "TW"),
    ("TYO", "T"), ("VIE", "VI"), ("VSE", "VS"), ("VTX", "SW"), ("WSE", "WA"), ("XETRA", "DE"),
];

/// Market identifier codes, ISO 10383: <https://www.iso20022.org/market-identifier-codes>.
#[rustfmt::skip]
const MARKETS: &[(&str, &str)] = &[
    ("ARCX", "US"), ("ASEX", "AT"), ("BMEX", "MC"), ("BVMF", "SA"), ("DSMD", "QA"), ("IEXG", "US"), ("MISX", "ME"),
    ("MTAA", "MI"), ("NEOE", "NE"),
    ("OTCM", "US"), ("ROCO", "TWO"), ("XADS", "AE"), ("XAMS", "AS"), ("XASE", "US"), ("XASX", "AX"),
    ("XATH", "AT"), ("XBER", "BE"),
    ("XBKK", "BK"), ("XBOM", "BO"), ("XBRU", "BR"), ("XBUD", "BD"), ("XBUE", "BA"), ("XCAI", "CA"), ("XCNQ", "CN"),
    ("XCSE", "CO"), ("XDFM", "AE"), ("XDUB", "IR"), ("XDUS", "DU"), ("XETR", "DE"), ("XFRA", "F"), ("XHAM", "HM"),
    ("XHAN", "HA"), ("XHEL", "HE"),
    ("XHKG", "HK"), ("XICE", "IC"), ("XIDX", "JK"), ("XIST", "IS"), ("XJSE", "JO"), ("XKLS", "KL"), ("XKOS", "KQ"),
    ("XKRX", "KS"), ("XKUW", "KW"), ("XLIS", "LS"), ("XLIT", "VS"), ("XLON", "L"), ("XMAD", "MC"), ("XMEX", "MX"),
    ("XMIL", "MI"), ("XMSM", "IR"), ("XMUN", "MU"), ("XNAS", "US"), ("XNCM", "US"), ("XNGS", "US"), ("XNMS", "US"),
    ("XNSE", "NS"), ("XNYS", "US"), ("XNZE", "NZ"), ("XOSL", "OL"), ("XPAR", "PA"), ("XPHS", "PS"),
    ("XPRA", "PR"), ("XRIS", "RG"),
    ("XSAU", "SR"), ("XSES", "SI"), ("XSGO", "SN"), ("XSHE", "SZ"), ("XSHG", "SS"), ("XSTC", "VN"), ("XSTO", "ST"),
    ("XSTU", "SG"), ("XSWX", "SW"), ("XTAE", "TA"), ("XTAI", "TW"), ("XTAL", "TL"), ("XTKS", "T"), ("XTSE", "TO"),
    ("XTSX", "V"), ("XVTX", "SW"), ("XWAR", "WA"), ("XWBO", "VI"),
];

/// Suffixes of Alpha Vantage (`.LON`, `.DEX`, `.TRT`: its `SYMBOL_SEARCH`), EODHD (`.XETRA`, `.STO`, `.LSE`:
/// <https://eodhd.com/list-of-stock-markets>), Stooq (`.UK`, `.JP`), Tushare (`.SH`: <https://tushare.pro/document/2?doc_id=25>) and Refinitiv (`.OQ`). None of them is a suffix itself.
#[rustfmt::skip]
const DIALECTS: &[(&str, &str)] = &[
    ("AMS", "AS"), ("ASX", "AX"), ("AU", "AX"), ("BOM", "BO"), ("BSE", "BO"), ("BUD", "BD"), ("DEX", "DE"), ("EPA", "PA"),
    ("ETR", "DE"), ("FRA", "F"), ("FRK", "F"), ("FWB", "F"), ("HKEX", "HK"), ("HKG", "HK"), ("JP", "T"), ("JSE", "JO"),
    ("KLSE", "KL"), ("KO", "KS"), ("KRX", "KS"), ("LON", "L"), ("LSE", "L"), ("NEO", "NE"), ("NSE", "NS"), ("OQ", "US"),
    ("PAR", "PA"), ("SAO", "SA"), ("SH", "SS"), ("SHE", "SZ"), ("SHG", "SS"), ("SHH", "SS"), ("SHZ", "SZ"), ("STO", "ST"), ("STU", "SG"),
    ("TRT", "TO"), ("TRV", "V"), ("TSX", "TO"), ("TYO", "T"), ("UK", "L"), ("US", "US"), ("WAR", "WA"),
    ("WSE", "WA"), ("XETRA", "DE"),
];

/// The exchanges that Bloomberg writes after a space (`VOD LN`), by its composite codes.
#[rustfmt::skip]
const AFTER_SPACE: &[(&str, &str)] = &[
    ("AU", "AX"), ("BB", "BR"), ("BZ", "SA"), ("CN", "TO"), ("DC", "CO"), ("FH", "HE"), ("FP", "PA"), ("GR", "DE"), ("GY", "DE"),
    ("HK", "HK"), ("ID", "IR"), ("IJ", "JK"), ("IM", "MI"), ("IN", "NS"), ("IT", "TA"), ("JP", "T"), ("JT", "T"), ("KS", "KS"),
    ("LN", "L"), ("MK", "KL"), ("MM", "MX"), ("NA", "AS"), ("NO", "OL"), ("NZ", "NZ"), ("PL", "LS"), ("PW", "WA"), ("SJ", "JO"),
    ("SM", "MC"), ("SP", "SI"), ("SS", "ST"), ("SW", "SW"), ("TB", "BK"), ("TI", "IS"), ("TT", "TW"), ("US", "US"), ("UW", "US"),
    ("VX", "SW"),
];

/// Places that trade coins, currencies and contracts, as TradingView and others write them before a colon. What they list is not
/// a share, and a price here is never that of one place alone.
#[rustfmt::skip]
pub(in crate::symbol) const VENUES: &[&str] = &[
    "BINANCE", "BINANCEUS", "BITFINEX", "BITGET", "BITSTAMP", "BYBIT", "C", "CAPITALCOM", "CBOT", "CBOT_MINI", "CME", "CME_MINI",
    "COINBASE", "COMEX", "COMEX_MINI", "CRYPTO", "CRYPTOCOM", "DERIBIT", "EIGHTCAP", "EUREX", "FOREXCOM", "FX", "FX_IDC",
    "FXCM", "GATEIO", "GEMINI", "HTX", "HUOBI", "ICEEUR", "ICEUS", "ICMARKETS", "KRAKEN", "KUCOIN", "MCX", "MEXC", "NYMEX",
    "NYMEX_MINI", "OANDA", "OKX", "PEPPERSTONE", "PYTH", "SAXO", "UNISWAP", "X",
];

/// Exchanges of shares that TradingView writes before a colon, and that have no suffix here. Some of their tickers are the names of
/// places: `BVB:TLV` is a bank in Bucharest, and nothing in Tel Aviv.
#[rustfmt::skip]
pub(in crate::symbol) const OTHER_EXCHANGES: &[&str] = &[
    "BAHRAIN", "BELEX", "BVB", "BVC", "BVL", "BVMT", "BX", "CSECY", "CSELK", "CSEMA", "DSEBD", "EUROTLX", "GETTEX",
    "HNX", "KSE", "LS", "LSX", "LUXSE", "NAG", "NEWCONNECT", "NGM", "NSEKE", "NSENG", "PSX", "RUS",
    "TRADEGATE", "UPCOM",
];

/// What Google Finance and TradingView write before the name of an index or a rate.
#[rustfmt::skip]
pub(in crate::symbol) const INDEX_PREFIXES: &[&str] = &[
    "CBOE", "CBOEINDEX", "DJ", "FTSE", "I", "INDEXBOM", "INDEXCBOE", "INDEXDB", "INDEXDJX", "INDEXEURO", "INDEXFTSE",
    "INDEXHANGSENG", "INDEXNASDAQ", "INDEXNIKKEI", "INDEXNYSEGIS", "INDEXSP", "INDEXSTOXX", "SP", "TVC",
];

fn find(table: &[(&str, &'static str)], name: &str) -> Option<&'static str> {
    table.iter().find(|(known, _)| *known == name).map(|(_, suffix)| *suffix)
}

/// The suffix of a place that stands before or after a colon.
pub(in crate::symbol) fn beside_colon(name: &str) -> Option<&'static str> {
    find(PREFIXES, name).or_else(|| find(MARKETS, name))
}

/// Whether the name of a place is certainly not a ticker: a market identifier code, or a name of five characters or more. Shorter
/// names are both: ICE is Iceland and a share in New York, BATS an exchange and a share in London.
pub(in crate::symbol) fn is_no_ticker(place: &str) -> bool {
    place.len() >= 5 || place == "NYSE" || place.starts_with('X') && find(MARKETS, place).is_some()
}

/// The suffix of a place that another dialect writes after a dot.
pub(in crate::symbol) fn in_dialect(suffix: &str) -> Option<&'static str> {
    find(DIALECTS, suffix).or_else(|| find(MARKETS, suffix))
}

/// The suffix of a place that Bloomberg writes after a space.
pub(in crate::symbol) fn after_space(code: &str) -> Option<&'static str> {
    find(AFTER_SPACE, code)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::symbol::tables::exchanges::exchange;

    #[test]
    fn every_place_is_one_that_has_a_suffix_here() {
        let all = [PREFIXES, MARKETS, DIALECTS, AFTER_SPACE];
        for (name, suffix) in all.into_iter().flatten() {
            assert!(*suffix == "US" || exchange(suffix).is_some(), "{name} {suffix}");
        }
    }

    #[test]
    fn a_dialect_is_no_suffix_itself_and_no_name_is_there_twice() {
        for (name, _) in DIALECTS.iter().chain(MARKETS) {
            assert!(exchange(name).is_none(), "{name}");
        }
        for table in [PREFIXES, MARKETS, DIALECTS, AFTER_SPACE] {
            assert!(table.is_sorted_by(|(a, _), (b, _)| a < b));
        }
        let beside: Vec<&str> = PREFIXES.iter().map(|(name, _)| *name).chain(["TSE", "CURRENCY"]).collect();
        let others = [VENUES, INDEX_PREFIXES, OTHER_EXCHANGES].concat();
        assert!(beside.iter().all(|name| !others.contains(name)));
    }
}
