//! What the fuzz targets share: sources of the catalogue with keys of their own, and what must hold of whatever was read.

use std::sync::LazyLock;

use jiff::Timestamp;
use quotefold::decimal;
use quotefold::failure::SourceError;
use quotefold::provider::description::SourceSettings;
use quotefold::provider::extract::{Extractor, RawReply};
use quotefold::quote::{Quote, Stated};
use quotefold::settings::load::{LoadOptions, load};
use quotefold::symbol::Symbol;
use rust_decimal::Decimal;

/// The key of every source: it may stand in a reply, and must not stand in what is said about one.
pub const SECRET: &str = "s3cr3t-k3y";

/// The most characters of a source's words that are shown: 200, and a sign that there were more.
const LONGEST_WORDS: usize = 201;

/// A source, and the symbols that are asked for.
pub struct Provider {
    pub source: SourceSettings,
    extractor: Extractor,
    asked: Vec<Vec<Symbol>>,
}

/// The sources of a configuration text, each with the symbols of its examples, or with these.
pub fn providers(text: &str, asked: &[&str]) -> Vec<Provider> {
    let options = LoadOptions { text: Some(("fuzz.toml".to_owned(), text.to_owned())), ..LoadOptions::default() };
    let settings = load(&options).unwrap_or_else(|errors| panic!("{errors}"));
    let symbols = |texts: &[String]| texts.iter().map(|text| Symbol::parse(text).unwrap()).collect::<Vec<_>>();
    let provider = |source: SourceSettings| {
        let extractor = Extractor::new(&source).unwrap();
        let own = source.examples.iter().map(|example| symbols(&example.asked));
        let given = asked.iter().map(|list| symbols(&list.split(',').map(str::to_owned).collect::<Vec<_>>()));
        let asked = own.chain(given).filter(|list| !list.is_empty()).collect();
        Provider { source, extractor, asked }
    };
    settings.sources.into_iter().map(provider).collect()
}

/// The sources of the catalogue by name, each with a key.
pub fn catalogue(names: &[&str]) -> Vec<Provider> {
    let section = |name: &&str| format!("[sources.{name}]\nkey = \"{SECRET}\"\nsecret = \"{SECRET}\"\n");
    providers(&names.iter().map(section).collect::<String>(), &[])
}

/// Reads a body as one of these sources does; the first byte says which, what it was asked for, and the status.
pub fn read(providers: &LazyLock<Vec<Provider>>, data: &[u8]) {
    const STATUSES: [u16; 4] = [200, 200, 404, 429];
    let [choice, variant, body @ ..] = data else { return };
    let provider = &providers[usize::from(*choice) % providers.len()];
    let status = STATUSES[usize::from(*variant) % STATUSES.len()];
    let asked = &provider.asked[usize::from(*variant) / STATUSES.len() % provider.asked.len()];
    provider.read(status, body, asked);
}

impl Provider {
    /// Reads a body, and checks what must hold of it whatever the body is.
    fn read(&self, status: u16, body: &[u8], asked: &[Symbol]) {
        let received_at = Timestamp::UNIX_EPOCH;
        let reply = RawReply::bare(status, body.to_vec(), received_at);
        let extracted = match self.extractor.read(&reply, asked) {
            Ok(extracted) => extracted,
            Err(error) => return check_error(&error),
        };
        let answered: Vec<&Symbol> = extracted.outcomes.iter().map(|(symbol, _)| symbol).collect();
        assert_eq!(answered, asked.iter().collect::<Vec<_>>(), "one outcome for each symbol, in their order");
        for (symbol, outcome) in &extracted.outcomes {
            match outcome {
                Ok(quote) => {
                    assert!((200..300).contains(&status), "{symbol} has a quote with status {status}");
                    assert_eq!(quote.received_at, received_at);
                    check_quote(quote, body);
                }
                Err(error) => check_error(error),
            }
        }
        // the same reply says the same
        let again = self.extractor.read(&reply, asked).expect("it could be read before");
        assert_eq!(again.outcomes, extracted.outcomes);
    }
}

/// What is said of a failure is short, holds no key, and is no fault of ours.
fn check_error(error: &SourceError) {
    assert!(!matches!(error, SourceError::Internal(_)), "{error}");
    check_words(&error.to_string());
}

fn check_words(words: &str) {
    assert!(!words.contains(SECRET), "a key is shown: {words}");
    assert!(words.chars().count() <= LONGEST_WORDS, "{} characters are shown: {words:?}", words.chars().count());
    assert!(!words.contains(char::is_control), "{words:?}");
}

/// Every number of a quote stands in the body, as it is or turned over, and in whole units, hundredths or thousandths.
fn check_quote(quote: &Quote, body: &[u8]) {
    let price = match &quote.price {
        Stated::Number(price) => Some(*price),
        Stated::NotANumber(words) => {
            check_words(words);
            None
        }
        Stated::Absent => None,
    };
    let numbers: Vec<Decimal> = [price, quote.bid, quote.ask, quote.volume].into_iter().flatten().collect();
    if numbers.is_empty() {
        return;
    }
    let stated = numbers_of(&String::from_utf8_lossy(body));
    let one =
        |number: Decimal| Some(decimal::significant(Decimal::ONE.checked_div(number)?, decimal::CALCULATED_DIGITS));
    // pence are hundredths of a pound, fils thousandths of a Kuwaiti dinar
    let parts = |number: Decimal| [0, 2, 3].map(|places| number.checked_mul(Decimal::new(1, places)));
    for number in numbers {
        let is = |other: Option<Decimal>| other == Some(number);
        let stands = stated.iter().any(|stated| {
            let turned = one(*stated).or(Some(Decimal::ZERO));
            [Some(*stated), turned].into_iter().flatten().flat_map(parts).any(is)
        });
        // a part of a number with as many decimals as there can be is rounded
        assert!(stands || number.scale() > 16 || number.is_zero(), "{number} stands nowhere in the body");
    }
}

/// Every number that could be read in a text as a whole: no part of a longer one.
fn numbers_of(text: &str) -> Vec<Decimal> {
    let is_part = |byte: &u8| byte.is_ascii_digit() || b"+-.eE,".contains(byte);
    let mut numbers = Vec::new();
    for run in text.as_bytes().split(|byte| !is_part(byte)).filter(|run| run.iter().any(u8::is_ascii_digit)) {
        let run = str::from_utf8(run).unwrap();
        let byte = |at: usize| run.as_bytes().get(at).copied().unwrap_or(b' ');
        let begins = |at: &usize| *at == 0 || !matches!(byte(*at - 1), b'0'..=b'9' | b'.');
        for from in (0..run.len()).filter(begins) {
            for to in (from + 1..=run.len().min(from + 400)).filter(|to| !byte(*to).is_ascii_digit()) {
                let part = &run[from..to];
                numbers.extend(decimal::read(part).or_else(|| decimal::read(&decimal::undecorated(part)?)));
            }
        }
    }
    numbers
}
