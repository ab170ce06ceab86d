//! A service whose board holds a fresh quote of every source for every symbol: nothing has to be fetched.

use std::fmt::Write;

use jiff::Timestamp;
use quotefold::Quotefold;
use quotefold::board::Update;
use quotefold::clock::Clock;
use quotefold::failure::SourceError;
use quotefold::provider::extract::{Extracted, Extractor, RawReply};
use quotefold::quote::Quote;
use quotefold::settings::Settings;
use quotefold::settings::load::{LoadOptions, load};
use quotefold::symbol::Symbol;

/// Settings with this many sources like a built-in one, whose quotes stay fresh longer than any bench takes. Requests have all the
/// time that they may have: in valgrind, a large one takes seconds.
pub(crate) fn settings(sources: usize) -> Settings {
    let mut text = String::from(
        "[server]\ntimeout = \"10s\"\n[freshness]\nhours = false\n[class.equity]\nrefresh_after = \"1d\"\n\
         usable_for = \"1d\"\nfallback_for = \"2d\"\n",
    );
    for number in 0..sources {
        let _ = write!(
            text,
            "[sources.s{number:02}]\nlike = \"tiingo\"\nbase_url = \"http://127.0.0.1:1\"\nkey = \"0123456789abcdef\"\n\
             limits = []\nbatch = 100\n"
        );
    }
    load(&LoadOptions { text: Some(("the bench".to_owned(), text)), ..LoadOptions::default() }).unwrap()
}

/// AAPL, MSFT and tickers of five letters.
pub(crate) fn symbols(count: usize) -> Vec<Symbol> {
    let ticker = |number: usize| match number {
        0 => "AAPL".to_owned(),
        1 => "MSFT".to_owned(),
        number => {
            let letter = |place: u32| char::from(b'A' + u8::try_from(number / 26_usize.pow(place) % 26).unwrap());
            format!("QA{}{}{}", letter(2), letter(1), letter(0))
        }
    };
    (0..count).map(|number| Symbol::parse(&ticker(number)).unwrap()).collect()
}

/// A reply that quotes these symbols.
pub(crate) fn reply(symbols: &[Symbol], now: Timestamp) -> RawReply {
    let row = |symbol: &Symbol| {
        format!(
            "{{\"ticker\":\"{symbol}\",\"timestamp\":\"{now}\",\"quoteTimestamp\":\"{now}\",\"lastSaleTimestamp\":\"{now}\",\
             \"last\":231.44,\"lastSize\":100,\"tngoLast\":231.44,\"prevClose\":230.11,\"open\":230.2,\"high\":232.95,\
             \"low\":229.05,\"mid\":null,\"volume\":1048576,\"bidSize\":100,\"bidPrice\":231.43,\"askSize\":300,\
             \"askPrice\":231.45}}"
        )
    };
    let rows: Vec<String> = symbols.iter().map(row).collect();
    RawReply::bare(200, format!("[{}]", rows.join(",")), now)
}

/// Reads a reply. Its filter may take any time: measuring that time does not work in valgrind.
pub(crate) fn read(extractor: &Extractor, reply: &RawReply, symbols: &[Symbol]) -> Result<Extracted, SourceError> {
    extractor.read(reply, symbols, || Box::new(|_| false))
}

/// What one reply says of each of these symbols.
pub(crate) fn quotes(settings: &Settings, symbols: &[Symbol], now: Timestamp) -> Vec<(Symbol, Quote)> {
    let extractor = Extractor::new(&settings.sources[0]).unwrap();
    let outcomes = read(&extractor, &reply(symbols, now), symbols).unwrap().outcomes;
    outcomes.into_iter().map(|(symbol, quote)| (symbol, quote.unwrap())).collect()
}

/// The service with all of it on its board.
pub(crate) fn service(sources: usize, symbols: &[Symbol]) -> Quotefold {
    let settings = settings(sources);
    let clock = Clock::system();
    let quotes = quotes(&settings, symbols, clock.now().wall);
    let service = Quotefold::new(settings, &clock).unwrap();
    for source in service.sources() {
        for (symbol, quote) in &quotes {
            let update = Update::Quote(quote.clone());
            service.board().land(source.profile.plain_origin(), symbol, update, clock.now());
        }
    }
    service
}
