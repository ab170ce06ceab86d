//! `quotefold verify`: recomputes the prices of a saved answer, and says where it differs from its own quotes.

use std::fs;
use std::io::{self, Read};
use std::path::Path;

use super::print::{complain, print};
use super::{Exit, Verify};
use crate::text::in_one_line;
use crate::verify::{Verified, verify};

/// The most bytes that are read: several answers of the largest kind. Hostile JSON takes a hundred times as much memory.
const LONGEST: u64 = 8 * 1024 * 1024;

pub(super) fn run(arguments: &Verify) -> io::Result<Exit> {
    let text = match read(&arguments.file) {
        Ok(text) => text,
        Err(why) => {
            complain(&format!("cannot read {}: {why}", arguments.file.display()));
            return Ok(Exit::Usage);
        }
    };
    match verify(&text) {
        Ok(verified) => {
            verified.iter().try_for_each(|entry| print(&told(entry)))?;
            let all_match = verified.iter().all(|entry| entry.differences.is_empty());
            Ok(if all_match { Exit::Done } else { Exit::NotWhole })
        }
        Err(why) => {
            complain(&in_one_line(&why.to_string()));
            Ok(Exit::Usage)
        }
    }
}

/// The text of a file, or of stdin for `-`.
fn read(file: &Path) -> io::Result<String> {
    let mut bytes = Vec::new();
    let mut source: Box<dyn Read> =
        if file == Path::new("-") { Box::new(io::stdin().lock()) } else { Box::new(fs::File::open(file)?) };
    source.by_ref().take(LONGEST).read_to_end(&mut bytes)?;
    if source.read(&mut [0])? > 0 {
        return Err(io::Error::other(format!("it is longer than {LONGEST} bytes")));
    }
    // some shells and editors write UTF-16, or a mark before UTF-8; either begins with bytes that say so
    let (text, _, is_broken) = encoding_rs::UTF_8.decode(&bytes);
    if is_broken { Err(io::Error::other("it is not text in UTF-8 or UTF-16")) } else { Ok(text.into_owned()) }
}

/// What is said of one entry: one line if it matches, or else one more for each field that does not.
fn told(entry: &Verified) -> String {
    let symbol = in_one_line(&entry.symbol);
    let price = in_one_line(entry.price.as_deref().unwrap_or("no price"));
    let quotes = match entry.quotes {
        1 => "1 quote".to_owned(),
        several => format!("{several} quotes"),
    };
    let rates = match entry.rates.as_slice() {
        [] => String::new(),
        rates => format!("; rates taken as stated: {}", in_one_line(&rates.join(", "))),
    };
    if entry.differences.is_empty() {
        return format!("{symbol}  matches: {price} from {quotes}{rates}\n");
    }
    let differences = entry.differences.iter().map(|difference| {
        let (field, stated) = (in_one_line(&difference.field), in_one_line(&difference.stated));
        format!("  {field}: stated {stated}, recomputed {}\n", in_one_line(&difference.recomputed))
    });
    format!("{symbol}  DIFFERS from what its {quotes} give{rates}\n{}", differences.collect::<String>())
}
