//! Writes one row per symbol, for spreadsheets and data frames: CSV as RFC 4180 has it, in UTF-8.

use csv::{Terminator, WriterBuilder};

use super::json::{Entry, Plain};
use crate::decimal;
use crate::question::{DecimalSign, Dialect};

/// The names of the columns. New ones are added at the end.
const COLUMNS: [&str; 10] =
    ["symbol", "status", "reason", "price", "currency", "plus_minus", "observed_at", "age_ms", "used", "required"];

/// What a spreadsheet takes for the beginning of a formula. In East Asian languages, some take the full-width signs for it, too.
const FORMULAS: [char; 11] = ['=', '+', '-', '@', '\t', '\r', '\n', '＝', '＋', '－', '＠'];

/// The row of names.
pub(super) fn head(dialect: Dialect) -> Vec<u8> {
    line(COLUMNS, dialect)
}

/// The row of a symbol. A cell without a value is empty.
pub(super) fn row(entry: &Entry<'_>, dialect: Dialect) -> Vec<u8> {
    let number = |number: &Plain| in_dialect(&decimal::plain(number.0), dialect);
    line(
        [
            inert(entry.symbol),
            inert(entry.status),
            entry.reason.map(inert).unwrap_or_default(),
            entry.price.as_ref().map(number).unwrap_or_default(),
            entry.currency.map(inert).unwrap_or_default(),
            entry.plus_minus.as_ref().map(number).unwrap_or_default(),
            entry.observed_at.as_ref().map(ToString::to_string).unwrap_or_default(),
            entry.age_ms.map(|age| age.to_string()).unwrap_or_default(),
            entry.sources.used.to_string(),
            entry.sources.required.to_string(),
        ],
        dialect,
    )
}

fn in_dialect(number: &str, dialect: Dialect) -> String {
    match dialect.decimal {
        DecimalSign::Point => number.to_owned(),
        DecimalSign::Comma => number.replace('.', ","),
    }
}

/// A text that no spreadsheet runs: one that looks like a formula begins with an apostrophe (OWASP, "CSV Injection").
fn inert(text: &str) -> String {
    let is_a_number = decimal::read(text).is_some();
    if text.starts_with(FORMULAS) && !is_a_number { format!("'{text}") } else { text.to_owned() }
}

/// The cells with what separates and quotes them.
fn line<Cell: AsRef<[u8]>>(cells: impl IntoIterator<Item = Cell>, dialect: Dialect) -> Vec<u8> {
    let mut writing = WriterBuilder::new();
    let mut line = writing.delimiter(dialect.separator).terminator(Terminator::CRLF).from_writer(Vec::new());
    // writing into memory never fails
    let _ = line.write_record(cells);
    line.into_inner().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn written(cells: &[&str], dialect: Dialect) -> String {
        String::from_utf8(line(cells, dialect)).unwrap()
    }

    #[test]
    fn cells_are_quoted_where_they_must_be() {
        assert_eq!(written(&["a", "", "1.5"], Dialect::default()), "a,,1.5\r\n");
        assert_eq!(
            written(&["a,b", "say \"hi\"", "x\ny"], Dialect::default()),
            "\"a,b\",\"say \"\"hi\"\"\",\"x\ny\"\r\n"
        );
        let semicolon = Dialect { decimal: DecimalSign::Comma, separator: b';' };
        assert_eq!(written(&["a,b", "a;b"], semicolon), "a,b;\"a;b\"\r\n");
        assert_eq!(in_dialect("231.385", semicolon), "231,385");
        let comma = Dialect { separator: b',', ..semicolon };
        assert_eq!(written(&[&in_dialect("231.385", comma)], comma), "\"231,385\"\r\n");
    }

    #[test]
    fn a_cell_that_looks_like_a_formula_is_marked_as_text() {
        for formula in
            ["=1+1", "+cmd|'/c calc'!A1", "-2+3", "@SUM(A1)", "\t=1", "\r=1", "-", "=HYPERLINK(\"x\")", "＝1+1", "＠x"]
        {
            assert_eq!(inert(formula), format!("'{formula}"));
        }
        for harmless in ["AAPL", "^GSPC", "-5", "+1.25", "-0.001", "1e-7", "CCIV+", ""] {
            assert_eq!(inert(harmless), harmless);
        }
    }

    proptest! {
        #[test]
        fn whatever_is_written_is_read_back(cells in proptest::collection::vec(".{0,12}|[,;\t\"\r\n ]{1,4}", 10), which in 0_usize..3) {
            let dialect = Dialect { separator: [b',', b';', b'\t'][which], ..Dialect::default() };
            // below the row of names, as in an answer
            let line = [head(dialect), line(&cells, dialect)].concat();
            let mut reader = csv::ReaderBuilder::new();
            let mut reader = reader.delimiter(dialect.separator).from_reader(&line[..]);
            let rows: Vec<csv::StringRecord> = reader.records().collect::<Result<_, _>>().unwrap();
            prop_assert_eq!(rows.len(), 1);
            prop_assert_eq!(rows[0].iter().collect::<Vec<_>>(), cells);
        }
    }
}
