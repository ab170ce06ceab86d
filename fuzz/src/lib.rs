//! What the fuzz targets share: sources of the catalogue with keys, seeds from their examples, and what must hold of every
//! reply that is read.

use std::sync::LazyLock;
use std::{env, fs};

use jiff::Timestamp;
use quotefold::clock::cpu;
use quotefold::decimal;
use quotefold::failure::SourceError;
use quotefold::provider::catalogue;
use quotefold::provider::description::{Example, Notation, SourceSettings};
use quotefold::provider::extract::{Extractor, RawReply};
use quotefold::quote::{Quote, Stated};
use quotefold::settings::load::{LoadOptions, load};
use quotefold::symbol::Symbol;
use rust_decimal::Decimal;

/// The key of every source. It may be part of a reply, but must not appear in what is said about it.
pub const SECRET: &str = "s3cr3t-k3y";

/// The most characters of a source's words that are shown: 200, and a sign that there are more.
const LONGEST_WORDS: usize = 201;

/// The statuses that a reply may have; the second byte of the input selects one.
const STATUSES: [u16; 4] = [200, 200, 404, 429];

/// A source, and the lists of symbols that it may be asked for. Those of its examples come first, in their order.
pub struct Provider {
    pub source: SourceSettings,
    extractor: Extractor,
    asked: Vec<Vec<Symbol>>,
}

/// The sources of a configuration text, each with the symbols of its examples and with these.
pub fn providers(text: &str, asked: &[&str]) -> Vec<Provider> {
    let options = LoadOptions { text: Some(("fuzz.toml".to_owned(), text.to_owned())), ..LoadOptions::default() };
    let settings = load(&options).unwrap_or_else(|errors| panic!("{errors}"));
    let symbols = |texts: &[String]| texts.iter().map(|text| Symbol::parse(text).unwrap()).collect::<Vec<_>>();
    let provider = |mut source: SourceSettings| {
        // also where no call carries a key, so that the secret of every reply is one of the source's
        source.hidden.push(SECRET.into());
        let extractor = Extractor::new(&source).unwrap();
        let own = source.examples.iter().map(|example| symbols(&example.asked));
        let given = asked.iter().map(|list| symbols(&list.split(',').map(str::to_owned).collect::<Vec<_>>()));
        let asked = own.chain(given).filter(|list| !list.is_empty()).collect();
        Provider { source, extractor, asked }
    };
    settings.sources.into_iter().map(provider).collect()
}

/// All sources of the catalogue whose replies are in a notation, each with the keys that its calls carry.
pub fn catalogue_of(notation: Notation) -> Vec<Provider> {
    let mut text = String::new();
    for (name, table) in catalogue::catalogue() {
        let SourceSettings { url, headers, body, .. } = table.settings();
        text += &format!("[sources.{name}]\n");
        for key in ["key", "secret"] {
            let mark = format!("{{{key}}}");
            if [url].into_iter().chain(headers.values()).chain(body).any(|part| part.contains(&mark)) {
                text += &format!("{key} = \"{SECRET}\"\n");
            }
        }
    }
    let mut all = providers(&text, &[]);
    all.retain(|provider| provider.source.reply == notation);
    all
}

/// Writes every example of these providers as a seed into the folder that `QUOTEFOLD_SEEDS` names. `fuzz/run` sets it: the
/// corpus then always fits the catalogue, and nothing of the catalogue is committed twice.
#[allow(clippy::disallowed_methods, reason = "it runs once, before the fuzzer starts")]
pub fn write_seeds(providers: &[Provider]) {
    let Some(folder) = env::var_os("QUOTEFOLD_SEEDS") else { return };
    for (choice, provider) in (0..=u8::MAX).zip(providers) {
        for (number, example) in provider.source.examples.iter().filter(|example| !example.asked.is_empty()).enumerate()
        {
            let path = std::path::Path::new(&folder).join(format!("{}-{number}", provider.source.name));
            fs::write(path, seed(choice, number, example)).unwrap();
        }
    }
}

/// The input that [`read`] reads as this example: the provider's place, the list of symbols and the status, and the body.
fn seed(choice: u8, number: usize, example: &Example) -> Vec<u8> {
    let status = STATUSES.iter().position(|status| *status == example.status).unwrap_or(0);
    let variant = u8::try_from(number * STATUSES.len() + status).unwrap();
    [&[choice, variant], example.body.as_bytes()].concat()
}

/// Reads a body as one of these sources would. The first byte selects the source, the second the symbols and the status.
pub fn read(providers: &LazyLock<Vec<Provider>>, data: &[u8]) {
    let [choice, variant, body @ ..] = data else { return };
    let provider = &providers[usize::from(*choice) % providers.len()];
    let status = STATUSES[usize::from(*variant) % STATUSES.len()];
    let asked = &provider.asked[usize::from(*variant) / STATUSES.len() % provider.asked.len()];
    provider.read(status, body, asked);
}

impl Provider {
    /// Whether its filter takes factors of the figures out of the body, so that a price need not stand there.
    fn states_factors(&self) -> bool {
        ["scale:", "per:"].iter().any(|factor| self.source.jq.contains(factor))
    }

    /// Reads a body, and checks what must hold whatever the body is.
    fn read(&self, status: u16, body: &[u8], asked: &[Symbol]) {
        let received_at = Timestamp::UNIX_EPOCH;
        let reply = RawReply::bare(status, body.to_vec(), received_at);
        let extracted = match self.extractor.read(&reply, asked, cpu::timer) {
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
                    check_quote(quote, body, self.states_factors());
                }
                Err(error) => check_error(error),
            }
        }
        // reading the same reply again gives the same
        let again = self.extractor.read(&reply, asked, cpu::timer).expect("it could be read before");
        assert_eq!(again.outcomes, extracted.outcomes);
    }
}

/// Checks that the message of a failure is short and contains no key, and that the failure is not a bug of ours.
fn check_error(error: &SourceError) {
    assert!(!matches!(error, SourceError::Internal(_)), "{error}");
    check_words(&error.to_string());
}

fn check_words(words: &str) {
    assert!(!words.contains(SECRET), "a key is shown: {words}");
    assert!(words.chars().count() <= LONGEST_WORDS, "{} characters are shown: {words:?}", words.chars().count());
    assert!(!words.contains(char::is_control), "{words:?}");
}

/// Checks that every number of a quote is in the body: as it is or inverted, and in whole units, hundredths or thousandths.
fn check_quote(quote: &Quote, body: &[u8], states_factors: bool) {
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
    let text = String::from_utf8_lossy(body);
    // the columns of a table may be called so, and then they are factors of its figures
    if states_factors || ["scale", "per"].iter().any(|factor| text.contains(factor)) {
        return;
    }
    let stated = numbers_of(&text);
    let one =
        |number: Decimal| Some(decimal::significant(Decimal::ONE.checked_div(number)?, decimal::CALCULATED_DIGITS));
    // pence are hundredths of a pound, fils thousandths of a Kuwaiti dinar
    let parts = |number: Decimal| [0, 2, 3].map(|places| number.checked_mul(Decimal::new(1, places)));
    for number in numbers {
        let is = |other: Option<Decimal>| other == Some(number);
        let stands = stated.iter().any(|stated| {
            let inverted = one(*stated).or(Some(Decimal::ZERO));
            [Some(*stated), inverted].into_iter().flatten().flat_map(parts).any(is)
        });
        // spaces and apostrophes may group the digits of a thousand or more
        let is_grouped =
            || number.abs() >= Decimal::ONE_THOUSAND && digits_of(&text).contains(&digits_of(&number.to_string()));
        // a fraction of a number with the most decimals possible is rounded
        assert!(stands || number.scale() > 16 || number.is_zero() || is_grouped(), "{number} is not in the body");
    }
}

/// The digits of a text, without those of escapes.
fn digits_of(text: &str) -> String {
    let mut parts = text.split("\\u");
    let first = parts.next().into_iter();
    let rest = parts.map(|part| part.char_indices().nth(4).map_or("", |(end, _)| &part[end..]));
    first.chain(rest).flat_map(str::chars).filter(char::is_ascii_digit).collect()
}

/// Every number that can be read in a text, but no part of a longer one.
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
