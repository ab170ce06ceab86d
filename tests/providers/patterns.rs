//! Every shape that was seen in providers' replies, each with an example or a test that has it.
//!
//! A place is a catalogue file with what the example is about, or a source file with the test's name. A new shape gets a row
//! here, and an example or a test.
//!
//! ## A. Where the price is
//!
//! | no. | shape | met in |
//! |---|---|---|
//! | A1 | a field of a flat object | `bitstamp`: "a price" |
//! | | | `coinbase`: "a price" |
//! | | | `finnhub`: "a price" |
//! | A2 | at the end of a path through an envelope | `bybit`: "a price" |
//! | | | `okx`: "a price, last sold at the bid" |
//! | | | `yahoo`: "a price" |
//! | A3 | in a list of objects, one field of which names the symbol | `binance`: "two prices" |
//! | | | `coinmarketcap`: "two prices, as lists, and a number that is left out" |
//! | | | `gate`: "a price" |
//! | | | `marketstack`: "two prices, one of them without a currency" |
//! | A4 | in an object whose keys are the symbols | `kraken`: "three prices, two of them under older names" |
//! | | | `alpaca`: "several: one with a book and no sale, and one it does not know" |
//! | A5 | in a map by base of maps by quote | `cryptocompare`: "two coins in two currencies, and one it leaves out" |
//! | | | `coingecko`: "two coins in several currencies: it answers every one with every other" |
//! | | | `coinmarketcap`: "a price" |
//! | A6 | in a column, in rows of two layouts | `bitfinex`: "a price, beside a row about funding, which has other columns" |
//! | A7 | in another column where one symbol is asked for alone | `bitfinex`: "a price without a name, as /v2/ticker/{symbol} gives it" |
//! | A8 | first in a list of price and size | `kraken`: "one price, under an older name" |
//! | | | `htx`: "a price, with more digits than a float has" |
//! | A9 | in a list within a row of a list | `tiingo-crypto`: "a price with a bid above its ask, ten days older" |
//! | A10 | under a key that is made of currencies | `exchangerate_host`: "a rate" |
//! | | | `gemini`: "a pair whose base comes last in the alphabet, and begins like its quote" |
//! | A11 | under a key with digits, dots, spaces or slashes | `alphavantage`: "a price, dated by its trading day" |
//! | | | `alpaca-crypto`: "a book" |
//! | A12 | under keys that differ by case only | `polygon`: "a price" |
//! | A13 | nowhere: there is a book, with its middle or without | `polygon-fx`: "a book" |
//! | | | `alpaca-crypto`: "a book" |
//! | | | `tiingo-fx`: "a price" |
//! | A14 | in a CSV table with a header line | `src/provider/extract/tests/wire.rs`: `in_a_table_by_days_the_last_day_of_each_currency_counts` |
//! | A15 | in an attribute of XML with namespaces | `ecb`: "a fixing" |
//! | | | `src/provider/filter/body/xml.rs`: `an_element_becomes_its_name_attributes_text_and_children` |
//! | A16 | in an object, beside its display form | `src/provider/extract/tests/wire.rs`: `a_number_may_be_wrapped_together_with_its_display_form` |
//! | A17 | in one of several books, of one of several platforms | `swissquote`: "an ounce of gold: the tightest of three books" |
//! | | | `swissquote`: "two platforms, of which the newer one counts; its numbers are invented" |
//!
//! ## B. Symbols
//!
//! | no. | shape | met in |
//! |---|---|---|
//! | B1 | answered under another name than was asked for | `kraken`: "one price, under an older name" |
//! | | | `yahoo`: "dollars on the left, answered under a shorter name" |
//! | B2 | not named in the reply | `gemini`: "a price" |
//! | | | `finnhub`: "a price" |
//! | | | `bitfinex`: "a price without a name, as /v2/ticker/{symbol} gives it" |
//! | B3 | named in two fields | `alphavantage-fx`: "a price" |
//! | B4 | not the only one of its name | `coinpaprika`: "the other coin that is called BTC: not the one that was asked for" |
//! | | | `tests/providers/main.rs`: `aggregates_are_asked_for_coins_by_id_and_for_no_coin_without_one` |
//! | B5 | spelled in as many ways as there are providers | `src/provider/spelling/tests.rs`: `every_kind_of_symbol_follows_its_template` |
//! | | | `src/provider/spelling/tests.rs`: `parts_are_renamed_and_whole_symbols_spelled` |
//! | | | `tests/providers/main.rs`: `symbols_travel_as_each_provider_spells_them` |
//! | B6 | several at once, joined by any separator, in two places or as JSON | `src/provider/spelling/tests.rs`: `values_in_a_url_are_escaped` |
//! | | | `tests/providers/main.rs`: `a_call_is_written_as_its_provider_reads_it` |
//! | | | `tests/providers/main.rs`: `an_exchange_of_tethers_is_not_asked_for_dollars` |
//! | B7 | with characters that a URL must escape | `src/provider/spelling/tests.rs`: `values_in_a_url_are_escaped` |
//! | | | `tests/providers/main.rs`: `cnbc_is_asked_only_for_indices_and_pairs_whose_names_are_known` |
//! | B8 | one at a time, or all markets in one long reply | `tests/providers/patterns.rs`: `no_provider_is_asked_for_all_of_its_markets` |
//! | | | `src/provider/extract/tests/wire.rs`: `from_a_list_of_all_markets_only_the_symbols_asked_for_are_taken` |
//! | B9 | an object for one symbol, a list or a map for several | `twelvedata`: "several: a listing in pence, a pair, and one it does not know" |
//! | | | `eodhd`: "a price: one symbol is an object" |
//! | | | `cnbc`: "a pair, as a row without a list" |
//! | | | `binance`: "one price is a list of one" |
//! | B10 | unknown, which fails the call, or is an error of its own, or is left out | `kraken`: "a pair it does not know fails the call" |
//! | | | `twelvedata`: "several: a listing in pence, a pair, and one it does not know" |
//! | | | `coincap`: "two prices, and a coin it leaves out" |
//! | | | `tests/source/coalescer.rs`: `where_one_unknown_kills_a_batch_each_symbol_is_answered_for_itself` |
//! | B11 | contracts on a chain | `defillama`: "two prices, and a contract that it leaves out; the numbers are invented" |
//! | | | `geckoterminal`: "two prices, and a contract that it leaves out; the numbers are invented" |
//!
//! ## C. Numbers
//!
//! | no. | shape | met in |
//! |---|---|---|
//! | C1 | decimals as texts | `binance`: "two prices" |
//! | | | `twelvedata`: "a price" |
//! | C2 | numbers of JSON | `finnhub`: "a price" |
//! | | | `coingecko`: "a price" |
//! | C3 | more digits than a float has | `htx`: "a price, with more digits than a float has" |
//! | | | `coincap`: "a price with sixteen decimals" |
//! | | | `tests/providers/hostile.rs`: `numbers_of_forty_digits_and_wrong_currencies_are_read_as_said` |
//! | C4 | exponents | `bitfinex`: "several: two names of theirs, a small price with an exponent, one that is left out, one that cannot be spelled" |
//! | | | `htx`: "a small price with an exponent" |
//! | | | `blockchain_info`: "a price in scientific notation, two others, and a currency it does not list" |
//! | C5 | decorations: currency signs, commas, percent signs | `nasdaq`: "a price of more than a thousand dollars while the market is open, without a book" |
//! | | | `cnbc`: "an index, as the only row of the list" |
//! | | | `src/provider/extract/tests/wire.rs`: `a_number_is_read_in_every_notation_in_use` |
//! | C6 | words, zeros and nulls that say "none" | `mexc`: "a market without orders" |
//! | | | `tiingo`: "one price is a list of one" |
//! | | | `yadio`: "two prices, a currency without a rate, and one it does not list" |
//! | | | `src/provider/extract/tests/wire.rs`: `a_number_is_read_in_every_notation_in_use` |
//! | C7 | the inverse rate | `ecb`: "a fixing" |
//! | | | `openexchangerates`: "a rate" |
//! | | | `tests/pricing/derived.rs`: `a_pair_quoted_the_other_way_round_is_inverted` |
//! | C8 | a rate that only a third currency gives | `tests/pricing/derived.rs`: `money_is_crossed_through_a_sources_only_base` |
//! | C9 | pence, agorot, cents | `yahoo`: "a listing in pence" |
//! | | | `tests/pricing/units.rs`: `pence_and_pounds_agree` |
//! | | | `src/provider/extract/tests/wire.rs`: `a_part_of_a_currency_is_recognised_by_its_name` |
//! | C10 | the volume of either leg, of the day or of 24 hours | `kraken`: "one price, under an older name" |
//! | | | `gemini`: "a price" |
//! | | | `okx`: "a pair against another coin" |
//! | C11 | a bid above the ask | `tiingo-crypto`: "a price with a bid above its ask, ten days older" |
//! | | | `src/fold/book/tests.rs`: `a_book_that_does_not_count_says_why_and_leaves_the_price_alone` |
//! | C12 | decimal commas | `src/provider/extract/tests/figures.rs`: `a_source_states_whether_a_comma_stands_before_decimals` |
//! | C13 | a whole number and an exponent, a price for several units | `src/provider/extract/tests/figures.rs`: `a_row_states_a_power_of_ten_and_the_units_that_its_price_is_for` |
//! | C14 | a coin as a multiple | `src/provider/extract/tests/figures.rs`: `a_base_that_is_listed_as_a_multiple_is_asked_for_and_answered_as_one` |
//! | C15 | in another charset than UTF-8, or between semicolons | `tests/process/cases/numbers.rs`: `a_table_in_another_charset_is_read_if_it_is_stated_or_declared` |
//!
//! ## D. Times
//!
//! | no. | shape | met in |
//! |---|---|---|
//! | D1 | none | `gate`: "a price" |
//! | | | `kraken`: "one price, under an older name" |
//! | | | `src/fold/age.rs`: `a_quote_without_a_time_is_judged_by_its_arrival` |
//! | D2 | seconds | `finnhub`: "a price" |
//! | | | `eodhd`: "a price: one symbol is an object" |
//! | D3 | seconds as a text, or with decimals | `bitstamp`: "a price" |
//! | | | `src/provider/extract/tests/wire.rs`: `a_number_of_seconds_or_smaller_units_is_a_time_be_it_text_or_not` |
//! | D4 | milliseconds, as a number or a text | `binance`: "two prices" |
//! | | | `okx`: "a price, last sold at the bid" |
//! | D5 | text with microseconds | `coinbase`: "a price" |
//! | D6 | nanoseconds, as a number or in a text | `polygon`: "several: one with the last digits of its time, one from a plan without trades, one it does not know" |
//! | | | `alpaca`: "a price" |
//! | D7 | text with an offset, of any spelling | `tiingo`: "one price is a list of one" |
//! | | | `cnbc`: "an index, as the only row of the list" |
//! | D8 | local time whose zone is given elsewhere, or nowhere | `alphavantage-fx`: "a price with the time of another zone" |
//! | | | `cboe`: "a price, in summer time" |
//! | D9 | a date | `ecb`: "a fixing" |
//! | | | `alphavantage`: "a price, dated by its trading day" |
//! | D10 | on the envelope, while the price is in a row | `bybit`: "a price" |
//! | | | `coincap`: "two prices, and a coin it leaves out" |
//! | | | `openexchangerates`: "a rate" |
//! | D11 | beside the data of another field | `gemini`: "a price" |
//! | D12 | two, in different units | `polygon-fx`: "two books, one older than its row, and a pair it does not know" |
//! | D13 | a day of its own in each row | `frankfurter-v2`: "two rates, one of an earlier day, and a currency that is not among them" |
//!
//! ## E. Errors
//!
//! | no. | shape | met in |
//! |---|---|---|
//! | E1 | a status that fits, with JSON | `coinbase`: "an unknown product" |
//! | | | `gate`: "a coin it does not know" |
//! | | | `marketstack`: "a wrong key" |
//! | E2 | status 200 | `kraken`: "too many calls" |
//! | | | `exchangerate_host`: "no key, or a wrong one" |
//! | | | `coinmarketcap`: "an error that comes with status 200" |
//! | E3 | a success that is a word or a code, as a text | `okx`: "a price, last sold at the bid" |
//! | | | `kucoin`: "a price" |
//! | | | `htx`: "a price, with more digits than a float has" |
//! | | | `polygon`: "a price" |
//! | E4 | a list where success is an object, or the other way round | `bitfinex`: "too many calls" |
//! | | | `fmp`: "a wrong key, repeated in the text and said with status 200" |
//! | E5 | nothing at all, or zeros, for an unknown symbol | `coingecko`: "nothing it knows: an empty reply" |
//! | | | `finnhub`: "a symbol it does not know" |
//! | | | `fmp`: "an empty list: a symbol it does not know" |
//! | E6 | plain text or an HTML page | `yahoo`: "too many calls, or a client it does not like" |
//! | | | `eodhd`: "the day's calls are used up" |
//! | | | `bitstamp`: "a page where there is no such market" |
//! | E7 | a server error's status for a mistake of the caller | `bitfinex`: "a symbol it does not know, with the status of a server's fault" |
//! | E8 | limits with any status, and one that looks like a limit | `bybit`: "too many calls from this address, with the status of a wrong key" |
//! | | | `binance`: "shut out for a while, after too many calls" |
//! | | | `coinpaprika`: "the month's calls are used up" |
//! | | | `finnhub`: "a symbol that is not in the plan" |
//! | | | `htx`: "too many calls, said of a parameter" |
//! | E9 | the caller's key, repeated | `fmp`: "a wrong key, repeated in the text and said with status 200" |
//! | | | `src/provider/extract/tests/wire.rs`: `a_key_that_a_vendor_repeats_is_hidden_everywhere` |
//! | E10 | an error beside good rows | `kraken`: "a pair it does not know, beside one that it does" |
//! | E11 | a refusal of the address that called | `binance`: "not available where the call came from" |
//! | | | `bybit`: "a country it does not serve, as its network says it" |
//! | E12 | a page of a proxy or a firewall | `bitstamp`: "a page that is not its own" |
//! | | | `finnhub`: "a page of the firewall in front of it" |
//! | E13 | a refusal of access, for an unknown symbol | `cboe`: "a symbol it does not know, with the status of a firewall" |

use std::path::Path;

use crate::providers;

/// How many shapes there are under each letter.
const SHAPES: [(char, usize); 5] = [('A', 17), ('B', 11), ('C', 15), ('D', 13), ('E', 13)];

/// The rows of the tables above: number and place. A further place has no number of its own.
fn rows() -> Vec<[&'static str; 2]> {
    let rows = include_str!("patterns.rs").lines().filter_map(|line| line.strip_prefix("//! | ")?.strip_suffix(" |"));
    let cells = rows.map(|row| row.split("| ").map(str::trim_end).collect::<Vec<_>>());
    cells.map(|cells| [cells[0], cells[2]]).filter(|[number, _]| *number != "no.").collect()
}

/// Whether a source has a test of that name.
fn has_test(path: &str, name: &str) -> bool {
    let source = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap_or_default();
    source.split_once(&format!("fn {name}(")).is_some_and(|(before, _)| {
        let attribute = before.trim_end_matches("async ").trim_end();
        ["#[test]", "#[tokio::test]", "#[tokio::test(start_paused = true)]"]
            .iter()
            .any(|test| attribute.ends_with(test))
    })
}

#[test]
fn every_pattern_is_met_where_the_table_says() {
    let numbers = rows().into_iter().map(|[number, _]| number).filter(|number| !number.is_empty());
    let shapes = SHAPES.iter().flat_map(|(letter, most)| (1..=*most).map(move |number| format!("{letter}{number}")));
    assert_eq!(numbers.collect::<Vec<_>>(), shapes.collect::<Vec<_>>());
    let providers = providers();
    let has_example = |file: &str, about: &str| {
        let examples =
            providers.iter().filter(|(source, _)| source.name == file).flat_map(|(source, _)| &source.examples);
        examples.into_iter().any(|example| example.about == about)
    };
    for [_, place] in rows() {
        let (file, what) = place.strip_prefix('`').and_then(|place| place.split_once("`: ")).unwrap();
        let within = |mark: char| what.strip_prefix(mark).and_then(|what| what.strip_suffix(mark));
        let is_met = match (within('"'), within('`')) {
            (Some(about), None) => has_example(file, about),
            (None, Some(name)) => has_test(file, name),
            _ => false,
        };
        assert!(is_met, "{place}: there is no such example or test");
    }
}

#[test]
fn no_provider_is_asked_for_all_of_its_markets() {
    // a list of all markets is a megabyte or more, one of all currencies a few kilobytes
    let placeholders = ["{symbol", "{id", "{isin", "{base", "{quote", "{first"];
    let providers = providers();
    let asked_for_all = providers.iter().map(|(source, _)| source).filter(|source| {
        let names = |placeholder: &&str| source.url.contains(*placeholder);
        !placeholders.iter().any(names)
    });
    let of_currencies = [
        "bank-of-canada",
        "blockchain_info",
        "cnb",
        "coinbase-rates",
        "currency-api",
        "currencyapi",
        "ecb",
        "exchangerate_host",
        "frankfurter-v2",
        "nbp",
        "open-er-api",
        "openexchangerates",
        "yadio",
    ];
    assert_eq!(asked_for_all.map(|source| source.name.as_str()).collect::<Vec<_>>(), of_currencies);
}
