//! Reads which format the caller wants: by the parameter `format` or, without it, by the header `Accept`.

use std::collections::BTreeMap;

use super::{BadQuestion, bad};

/// The parameter that means nothing, and is ignored by all formats but JSON: a spreadsheet changes it so that no cache on the way
/// answers for the service.
pub(super) const IGNORED: &str = "_";

/// How an answer is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Format {
    /// JSON, with the proof.
    #[default]
    Json,
    /// One table row per symbol.
    Csv(Dialect),
    /// One symbol's price alone.
    Text,
    /// One line of JSON per symbol.
    Ndjson,
}

/// How numbers and rows are written in CSV.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Dialect {
    /// What stands before a number's decimals.
    pub decimal: DecimalSign,
    /// What stands between two cells: `,`, `;` or a tab.
    pub separator: u8,
}

/// What stands before a number's decimals.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum DecimalSign {
    /// A point, as in `231.38`.
    Point,
    /// A comma, as in `231,38`.
    Comma,
}

/// A format's name, before it is known how its rows are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Accepted {
    /// `application/json`, and whatever else is asked for.
    #[default]
    Json,
    /// `text/csv`.
    Csv,
    /// `application/x-ndjson`.
    Ndjson,
    /// `text/plain`.
    Text,
}

/// What a query says of the format of its answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct FormatParameters {
    named: Option<Accepted>,
    decimal: Option<DecimalSign>,
    separator: Option<u8>,
    /// Whether it has the parameter that only some formats ignore.
    has_ignored: bool,
}

impl Default for Dialect {
    /// As RFC 4180 has it.
    fn default() -> Self {
        Dialect { decimal: DecimalSign::Point, separator: b',' }
    }
}

impl Accepted {
    /// The formats in the order in which they are preferred if a caller accepts several equally.
    const ALL: [(Accepted, &'static str, &'static str); 4] = [
        (Accepted::Json, "json", "application/json"),
        (Accepted::Csv, "csv", "text/csv"),
        (Accepted::Ndjson, "ndjson", "application/x-ndjson"),
        (Accepted::Text, "text", "text/plain"),
    ];

    /// The format that the values of the header `Accept` prefer (RFC 9110, section 12.5.1). JSON if there is none or it asks for
    /// something else: an answer in JSON is more use than a refusal.
    ///
    /// Of formats with the same weight, one that is named wins over one that a wildcard stands for.
    pub fn of<'a>(values: impl IntoIterator<Item = &'a str>) -> Self {
        let ranges: Vec<Range<'_>> =
            values.into_iter().flat_map(|value| value.split(',')).filter_map(Range::read).collect();
        let mut best: Option<(Accepted, (u16, u8))> = None;
        for (format, _, media_type) in Accepted::ALL {
            // the most precise range that fits a type decides on its weight
            let fitting = ranges.iter().filter_map(|range| Some((range.fits(media_type)?, range.weight)));
            let Some((precision, weight)) = fitting.max_by_key(|(precision, _)| *precision) else { continue };
            if weight > 0 && best.is_none_or(|(_, held)| (weight, precision) > held) {
                best = Some((format, (weight, precision)));
            }
        }
        best.map_or(Accepted::Json, |(format, _)| format)
    }
}

/// One entry of `Accept`.
struct Range<'a> {
    kind: &'a str,
    subtype: &'a str,
    /// Its `q`, in thousandths.
    weight: u16,
}

impl<'a> Range<'a> {
    /// Reads `text/csv;q=0.8`. `None` if it is not a media range; it is then ignored.
    fn read(entry: &'a str) -> Option<Self> {
        let mut parts = entry.split(';').map(str::trim);
        let (kind, subtype) = parts.next()?.split_once('/')?;
        let weight = parts.find_map(|parameter| {
            let (name, value) = parameter.split_once('=')?;
            name.trim().eq_ignore_ascii_case("q").then_some(value.trim())
        });
        Some(Range { kind, subtype, weight: weight.map_or(Some(1_000), thousandths)? })
    }

    /// How precisely it names a media type; `None` if it does not.
    fn fits(&self, media_type: &str) -> Option<u8> {
        let (kind, subtype) = media_type.split_once('/')?;
        match (self.kind, self.subtype) {
            ("*", "*") => Some(0),
            (own, "*") if own.eq_ignore_ascii_case(kind) => Some(1),
            (own, own_subtype) => {
                (own.eq_ignore_ascii_case(kind) && own_subtype.eq_ignore_ascii_case(subtype)).then_some(2)
            }
        }
    }
}

/// A weight such as `0.8`, in thousandths; `None` if it is not a weight.
fn thousandths(text: &str) -> Option<u16> {
    let (whole, decimals) = text.split_once('.').unwrap_or((text, ""));
    let is_a_weight = decimals.len() <= 3 && decimals.bytes().all(|byte| byte.is_ascii_digit());
    let decimals: u16 = format!("{decimals:0<3}").parse().ok().filter(|_| is_a_weight)?;
    match whole {
        "0" => Some(decimals),
        "1" if decimals == 0 => Some(1_000),
        _ => None,
    }
}

impl FormatParameters {
    /// Reads the parameters of a query.
    pub(super) fn read(parameters: &BTreeMap<String, String>) -> Result<Self, BadQuestion> {
        let get = |name: &str| parameters.get(name).map(String::as_str);
        Ok(FormatParameters {
            named: get("format").map(read_format).transpose()?,
            decimal: get("decimal").map(read_decimal).transpose()?,
            separator: get("separator").map(read_separator).transpose()?,
            has_ignored: parameters.contains_key(IGNORED),
        })
    }

    /// The format of the answer about this many symbols. `accepted` is what the request's header prefers; the parameter wins.
    ///
    /// # Errors
    /// A parameter that the format does not have; or more than one symbol, where there is room for one price.
    pub(super) fn format(self, accepted: Accepted, symbols: usize) -> Result<Format, BadQuestion> {
        let wanted = self.named.unwrap_or(accepted);
        if wanted != Accepted::Csv {
            let given = self.decimal.map(|_| "decimal").or(self.separator.map(|_| "separator"));
            if let Some(name) = given {
                return Err(bad(
                    name,
                    format!("{name} belongs to format=csv; ask for that format, or leave {name} out"),
                ));
            }
        }
        match wanted {
            Accepted::Json if self.has_ignored => Err(bad(
                IGNORED,
                "the parameter _ is ignored for format=csv, text and ndjson, but not for JSON; leave it out".to_owned(),
            )),
            Accepted::Json => Ok(Format::Json),
            Accepted::Csv => Ok(Format::Csv(self.dialect())),
            Accepted::Ndjson => Ok(Format::Ndjson),
            Accepted::Text if symbols == 1 => Ok(Format::Text),
            // a header is never refused
            Accepted::Text if self.named.is_none() && !self.has_ignored => Ok(Format::Json),
            Accepted::Text => Err(bad(
                "format",
                format!(
                    "format=text has room for the price of one symbol, and you ask for {symbols}; use csv or ndjson for several"
                ),
            )),
        }
    }

    /// Where a comma stands before decimals, spreadsheets separate cells by semicolons.
    fn dialect(self) -> Dialect {
        let decimal = self.decimal.unwrap_or(DecimalSign::Point);
        let usual = match decimal {
            DecimalSign::Point => b',',
            DecimalSign::Comma => b';',
        };
        Dialect { decimal, separator: self.separator.unwrap_or(usual) }
    }
}

fn read_format(text: &str) -> Result<Accepted, BadQuestion> {
    let named = Accepted::ALL.into_iter().find(|(_, name, _)| *name == text).map(|(format, ..)| format);
    named.ok_or_else(|| bad("format", format!("format is {text:?}; json, csv, text and ndjson are allowed")))
}

fn read_decimal(text: &str) -> Result<DecimalSign, BadQuestion> {
    match text {
        "point" => Ok(DecimalSign::Point),
        "comma" => Ok(DecimalSign::Comma),
        other => Err(bad("decimal", format!("decimal is {other:?}; point and comma are allowed"))),
    }
}

fn read_separator(text: &str) -> Result<u8, BadQuestion> {
    match text {
        "comma" => Ok(b','),
        "semicolon" => Ok(b';'),
        "tab" => Ok(b'\t'),
        other => Err(bad("separator", format!("separator is {other:?}; comma, semicolon and tab are allowed"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parameters_of(parameters: &[(&str, &str)]) -> Result<FormatParameters, BadQuestion> {
        FormatParameters::read(
            &parameters.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect(),
        )
    }

    fn format(parameters: &[(&str, &str)], accepted: Accepted) -> Result<Format, String> {
        parameters_of(parameters).and_then(|read| read.format(accepted, 1)).map_err(|refused| refused.field)
    }

    #[test]
    fn the_header_chooses_by_weight() {
        let cases = [
            ("", Accepted::Json),
            ("*/*", Accepted::Json),
            ("text/csv", Accepted::Csv),
            ("TEXT/CSV; header=present", Accepted::Csv),
            ("text/plain", Accepted::Text),
            ("application/x-ndjson", Accepted::Ndjson),
            ("application/json;q=0.5, text/csv;q=0.6", Accepted::Csv),
            ("text/csv;q=0.5, application/json", Accepted::Json),
            ("application/json, text/plain, */*", Accepted::Json),
            ("text/csv, */*", Accepted::Csv),
            ("*/*, text/plain;q=0.9", Accepted::Json),
            ("text/*", Accepted::Csv),
            ("text/csv;q=0, text/*", Accepted::Text),
            ("application/json;q=0, */*;q=0.1", Accepted::Csv),
            ("text/csv;q=0", Accepted::Json),
            ("application/json;q=0", Accepted::Json),
            ("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", Accepted::Json),
            ("image/png", Accepted::Json),
            ("text/csv;q=2, text/plain;q=0.1", Accepted::Text),
            ("csv, ;;, /, text/plain;q=0.001", Accepted::Text),
            ("text/csv;q=1.65000, text/csv;q=+1, text/csv;q=0.9999, text/plain;q=0.1", Accepted::Text),
            ("text/csv;q=1.000, text/plain;q=0.999", Accepted::Csv),
        ];
        for (header, expected) in cases {
            assert_eq!(Accepted::of([header]), expected, "{header}");
        }
        assert_eq!(Accepted::of([]), Accepted::Json);
        assert_eq!(Accepted::of(["text/html", "text/csv"]), Accepted::Csv);
    }

    #[test]
    fn the_parameter_wins_over_the_header() {
        assert_eq!(format(&[("format", "json")], Accepted::Csv), Ok(Format::Json));
        assert_eq!(format(&[("format", "ndjson")], Accepted::Csv), Ok(Format::Ndjson));
        assert_eq!(format(&[], Accepted::Text), Ok(Format::Text));
        assert_eq!(format(&[], Accepted::Csv), Ok(Format::Csv(Dialect::default())));
        assert_eq!(format(&[("format", "xml")], Accepted::Csv), Err("format".to_owned()));
    }

    #[test]
    fn a_decimal_comma_separates_cells_by_semicolons_unless_something_else_is_said() {
        let dialect = |parameters: &[(&str, &str)]| match format(parameters, Accepted::Csv) {
            Ok(Format::Csv(Dialect { decimal, separator })) => (decimal, separator),
            other => panic!("{other:?}"),
        };
        assert_eq!(dialect(&[]), (DecimalSign::Point, b','));
        assert_eq!(dialect(&[("decimal", "point")]), (DecimalSign::Point, b','));
        assert_eq!(dialect(&[("decimal", "comma")]), (DecimalSign::Comma, b';'));
        assert_eq!(dialect(&[("decimal", "comma"), ("separator", "tab")]), (DecimalSign::Comma, b'\t'));
        assert_eq!(dialect(&[("separator", "semicolon")]), (DecimalSign::Point, b';'));
    }

    #[test]
    fn a_parameter_of_another_format_is_refused_by_its_name() {
        let refused = |parameters: &[(&str, &str)], accepted| format(parameters, accepted).unwrap_err();
        assert_eq!(refused(&[("decimal", "comma")], Accepted::Json), "decimal");
        assert_eq!(refused(&[("format", "text"), ("separator", "tab")], Accepted::Csv), "separator");
        assert_eq!(refused(&[("decimal", ",")], Accepted::Csv), "decimal");
        assert_eq!(refused(&[("separator", "|")], Accepted::Csv), "separator");
        assert_eq!(refused(&[("_", "1")], Accepted::Json), "_");
        for name in ["csv", "text", "ndjson"] {
            assert!(format(&[("_", "1"), ("format", name)], Accepted::Json).is_ok(), "{name}");
        }
    }

    #[test]
    fn a_bare_price_is_that_of_one_symbol() {
        let text = parameters_of(&[("format", "text")]).unwrap();
        assert_eq!(text.format(Accepted::Json, 1), Ok(Format::Text));
        assert_eq!(text.format(Accepted::Json, 2).unwrap_err().field, "format");
        assert_eq!(parameters_of(&[]).unwrap().format(Accepted::Text, 2), Ok(Format::Json));
    }
}
