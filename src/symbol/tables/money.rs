//! The codes of money: the currencies of ISO 4217, and those that are used without being in it.

/// The active codes of ISO 4217, list one, with the precious metals (dealers treat gold against dollars as foreign exchange) and
/// without funds codes: <https://www.six-group.com/en/products-services/financial-information/data-standards.html>.
#[rustfmt::skip]
pub(in crate::symbol) const CURRENCIES: &[&str] = &[
    "AED", "AFN", "ALL", "AMD", "AOA", "ARS", "AUD", "AWG", "AZN", "BAM", "BBD", "BDT", "BHD", "BIF", "BMD", "BND", "BOB", "BRL", "BSD", "BTN", "BWP", "BYN", "BZD", "CAD", "CDF", "CHF",
    "CLF", "CLP", "CNY", "COP", "CRC", "CUP", "CVE", "CZK", "DJF", "DKK", "DOP", "DZD", "EGP", "ERN",
    "ETB", "EUR", "FJD", "FKP", "GBP", "GEL", "GHS", "GIP", "GMD", "GNF", "GTQ", "GYD", "HKD", "HNL",
    "HTG", "HUF", "IDR", "ILS", "INR", "IQD", "IRR", "ISK", "JMD", "JOD", "JPY", "KES", "KGS", "KHR",
    "KMF", "KPW", "KRW", "KWD", "KYD", "KZT", "LAK", "LBP", "LKR", "LRD", "LSL", "LYD", "MAD", "MDL",
    "MGA", "MKD", "MMK", "MNT", "MOP", "MRU", "MUR", "MVR", "MWK", "MXN", "MYR", "MZN", "NAD", "NGN",
    "NIO", "NOK", "NPR", "NZD", "OMR", "PAB", "PEN", "PGK", "PHP", "PKR", "PLN", "PYG", "QAR", "RON",
    "RSD", "RUB", "RWF", "SAR", "SBD", "SCR", "SDG", "SEK", "SGD", "SHP", "SLE", "SOS", "SRD", "SSP",
    "STN", "SVC", "SYP", "SZL", "THB", "TJS", "TMT", "TND", "TOP", "TRY", "TTD", "TWD", "TZS", "UAH",
    "UGX", "USD", "UYU", "UZS", "VED", "VES", "VND", "VUV", "WST", "XAF", "XAG", "XAU", "XCD", "XCG",
    "XDR", "XOF", "XPD", "XPF", "XPT", "YER", "ZAR", "ZMW", "ZWG",
];

/// Codes that are used like those of ISO 4217, which does not have them: the renminbi outside of China (Hong Kong Monetary
/// Authority, CNH), and the pounds of Guernsey, Jersey and Man, each worth a pound sterling (their governments).
const NOT_IN_ISO: &[&str] = &["CNH", "GGP", "IMP", "JEP"];

/// Coins in which exchanges quote other coins, besides the stable ones that are known to be pegged: the quote currencies in the
/// lists of markets of Binance (`/api/v3/exchangeInfo`), KuCoin (`/api/v2/symbols`), OKX, Gate, HTX, MEXC and Poloniex.
const QUOTING_COINS: &[&str] = &[
    "AEUR", "BCH", "BNB", "BTC", "DOGE", "DOT", "ETH", "EURC", "EURI", "EURQ", "EURR", "EURT", "GUSD", "HT", "HTX",
    "KCS", "LTC", "OKB", "PAXG", "RLUSD", "SOL", "TRX", "USD1", "USDD", "USDE", "USDG", "USDP", "USDQ", "USDR", "UST",
    "USTC", "WBTC", "WETH", "XAUT", "XMR", "XRP", "XUSD",
];

/// Whether the code, in capitals, is a currency of ISO 4217 today.
pub(in crate::symbol) fn is_current(code: &str) -> bool {
    CURRENCIES.binary_search(&code).is_ok()
}

/// Whether the code, in capitals, is money: a currency of ISO 4217, one that used to be, or one that is used like them.
pub(in crate::symbol) fn is_money(code: &str) -> bool {
    is_current(code) || NOT_IN_ISO.contains(&code) || super::gone::gone_money(code).is_some()
}

/// Whether the code, in capitals, is one of the precious metals in ISO 4217.
pub(in crate::symbol) fn is_metal(code: &str) -> bool {
    matches!(code, "XAG" | "XAU" | "XPD" | "XPT")
}

/// Whether exchanges quote other coins in this coin.
pub(in crate::symbol) fn quotes_coins(code: &str) -> bool {
    QUOTING_COINS.binary_search(&code).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_codes_are_sorted_so_that_they_can_be_searched() {
        assert!(CURRENCIES.is_sorted_by(|a, b| a < b) && QUOTING_COINS.is_sorted_by(|a, b| a < b));
    }

    #[test]
    fn a_code_is_in_one_list_only() {
        assert!(NOT_IN_ISO.iter().chain(QUOTING_COINS).all(|code| !is_current(code)));
        assert!(!QUOTING_COINS.iter().any(|code| is_money(code)));
    }
}
