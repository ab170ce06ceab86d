//! Reads the notations of settings and queries: `600ms`, `2%`, `256KiB`, `25/day`, `ETH-*`, `quorum`.

pub(crate) mod as_text;
mod selection;
mod wait_for;

use std::fmt;
use std::time::Duration;

use rust_decimal::Decimal;
use serde::{Deserialize, Deserializer};

use crate::decimal;
pub use selection::Selection;
pub use wait_for::WaitFor;

/// A duration: `0s`, `600ms`, `2s`, `15m`, `6h`, `5d`. At most 1,000 years of 365 days.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Span(pub Duration);

/// A percentage, kept as a fraction: `2%` is 0.02. Above 0, at most 100%.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Percent(pub Decimal);

/// A number of bytes: `512`, `256KiB`, `1MiB`. At least 1, at most 2^40.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Bytes(pub usize);

/// A vendor's rate limit: at most `calls` in any `period`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Limit {
    /// Calls (or symbols, where the cost is per symbol); at least 1.
    pub calls: u32,
    /// The length of the sliding window; from a second to 366 days.
    pub period: Duration,
}

/// A pattern for symbols, in which `*` matches any number of characters, including none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Glob(String);

impl Span {
    /// Reads a whole number followed by its unit: `ms`, `s`, `m`, `h` or `d`.
    ///
    /// # Errors
    /// The text has another form, or is longer than 1,000 years. The error says what was found and what is allowed.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let wrong =
            || format!("{text:?} is not a duration; write a whole number and ms, s, m, h or d, such as \"600ms\"");
        let digits = text.find(|c: char| !c.is_ascii_digit()).ok_or_else(wrong)?;
        let (number, unit) = text.split_at(digits);
        let milliseconds: u64 = match unit {
            "ms" => 1,
            "s" => 1_000,
            "m" => 60_000,
            "h" => 3_600_000,
            "d" => 86_400_000,
            _ => return Err(wrong()),
        };
        let number: u64 = number.parse().map_err(|_| wrong())?;
        // within a thousand years, no later sum of instants and durations overflows
        let total =
            number.checked_mul(milliseconds).filter(|total| *total <= 86_400_000 * 365_000).ok_or_else(wrong)?;
        Ok(Span(Duration::from_millis(total)))
    }
}

impl Percent {
    fn parse(text: &str) -> Result<Self, String> {
        let number = text.strip_suffix('%').map(str::trim).and_then(decimal::read);
        let fraction = number.filter(|n| *n > Decimal::ZERO && *n <= Decimal::ONE_HUNDRED);
        fraction.and_then(|n| n.checked_div(Decimal::ONE_HUNDRED)).map(Percent).ok_or_else(|| {
            format!(
                "{text:?} is not a percentage; write a number above 0 and up to 100 with a percent sign, such as \"2%\""
            )
        })
    }
}

impl Bytes {
    fn parse(text: &str) -> Result<Self, String> {
        let wrong =
            || format!("{text:?} is not a size; write a whole number, bare or with KiB or MiB, such as \"256KiB\"");
        let (number, factor) = match (text.strip_suffix("KiB"), text.strip_suffix("MiB")) {
            (Some(number), _) => (number, 1 << 10),
            (_, Some(number)) => (number, 1 << 20),
            _ => (text, 1),
        };
        let number: usize = number.trim().parse().map_err(|_| wrong())?;
        number.checked_mul(factor).filter(|bytes| (1..=1 << 40).contains(bytes)).map(Bytes).ok_or_else(wrong)
    }
}

impl Limit {
    fn parse(text: &str) -> Result<Self, String> {
        let wrong = || {
            format!(
                "{text:?} is not a limit; write N/period with s, min, h, day or month, such as \"25/day\" or \"20/2s\""
            )
        };
        let (calls, period) = text.split_once('/').ok_or_else(wrong)?;
        let calls: u32 = calls.trim().parse().ok().filter(|calls| *calls >= 1).ok_or_else(wrong)?;
        let period = period.trim();
        let digits = period.find(|c: char| !c.is_ascii_digit()).ok_or_else(wrong)?;
        let (count, unit) = period.split_at(digits);
        let count: u64 = if count.is_empty() { 1 } else { count.parse().map_err(|_| wrong())? };
        let seconds: u64 = match unit {
            "s" => 1,
            "min" => 60,
            "h" => 3_600,
            "day" => 86_400,
            "month" => 86_400 * 30,
            _ => return Err(wrong()),
        };
        let total = count.checked_mul(seconds).filter(|total| (1..=86_400 * 366).contains(total)).ok_or_else(wrong)?;
        Ok(Limit { calls, period: Duration::from_secs(total) })
    }
}

impl Glob {
    /// The pattern that matches every symbol.
    pub fn any() -> Self {
        Glob("*".to_owned())
    }

    /// Reads a pattern, in any case.
    ///
    /// # Errors
    /// The text is empty, or has a character that no symbol contains. The error says what a pattern looks like.
    pub fn parse(text: &str) -> Result<Self, String> {
        let allowed = |c: char| c.is_ascii_alphanumeric() || ".-^=&_/:+*".contains(c);
        if text.is_empty() || !text.chars().all(allowed) {
            return Err(format!(
                "{text:?} is not a symbol pattern; write one such as \"BTC-USD\", \"ETH-*\" or \"*.L\""
            ));
        }
        Ok(Glob(text.to_ascii_uppercase()))
    }

    /// How many characters it states besides `*`. Of two patterns that match, the one that states more wins.
    pub fn weight(&self) -> usize {
        self.0.bytes().filter(|byte| *byte != b'*').count()
    }

    /// Whether the pattern matches a symbol in its canonical spelling.
    pub fn matches(&self, symbol: &str) -> bool {
        let mut parts = self.0.split('*');
        let Some(rest) = symbol.strip_prefix(parts.next().unwrap_or_default()) else { return false };
        let mut parts: Vec<&str> = parts.collect();
        let Some(last) = parts.pop() else { return rest.is_empty() };
        let mut rest = rest;
        for part in parts {
            let Some(at) = rest.find(part) else { return false };
            rest = &rest[at + part.len()..];
        }
        rest.ends_with(last)
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let total = self.0.as_millis();
        let units = [(86_400_000, "d"), (3_600_000, "h"), (60_000, "m"), (1_000, "s"), (1, "ms")];
        let (size, unit) =
            units.into_iter().find(|(size, _)| total > 0 && total.is_multiple_of(*size)).unwrap_or((1_000, "s"));
        write!(f, "{}{unit}", total / size)
    }
}

impl fmt::Display for Percent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}%", decimal::plain(self.0.saturating_mul(Decimal::ONE_HUNDRED)))
    }
}

impl fmt::Display for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            bytes if bytes.is_multiple_of(1 << 20) => write!(f, "{}MiB", bytes >> 20),
            bytes if bytes.is_multiple_of(1 << 10) => write!(f, "{}KiB", bytes >> 10),
            bytes => write!(f, "{bytes}"),
        }
    }
}

impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.period.as_secs();
        let units = [(86_400 * 30, "month"), (86_400, "day"), (3_600, "h"), (60, "min"), (1, "s")];
        let (size, unit) = units.into_iter().find(|(size, _)| seconds.is_multiple_of(*size)).unwrap_or((1, "s"));
        match seconds / size {
            1 => write!(f, "{}/{unit}", self.calls),
            count => write!(f, "{}/{count}{unit}", self.calls),
        }
    }
}

impl fmt::Display for Glob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Lets serde read a notation from text. A number without quotes is refused with what was probably meant.
macro_rules! read_from_text {
    ($($notation:ty: $of_number:expr;)*) => {$(
        impl TryFrom<String> for $notation {
            type Error = String;
            fn try_from(text: String) -> Result<Self, String> {
                Self::parse(&text)
            }
        }

        impl<'de> Deserialize<'de> for $notation {
            fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
                from.deserialize_any(as_text::InQuotes { parse: <$notation>::parse, of_number: $of_number })
            }
        }
    )*};
}
read_from_text! {
    Span: span_of_number;
    Percent: percent_of_number;
    Bytes: |number| format!("{number} is not in quotes; write \"{number}\" for bytes, or a unit too, such as \"256KiB\"");
    Limit: |number| format!("{number} has no period; write text in quotes, such as \"{number}/s\" or \"{number}/min\"");
    Glob: |number| format!("{number} is a number; write text in quotes: \"{number}\"");
    WaitFor: span_of_number;
}

fn percent_of_number(number: &str) -> String {
    let fraction = decimal::read(number).filter(|fraction| *fraction < Decimal::ONE && *fraction > Decimal::ZERO);
    let fraction =
        fraction.map(|fraction| format!(", or \"{}\" if it is a fraction", Percent(fraction))).unwrap_or_default();
    format!("{number} has no percent sign; write text in quotes, such as \"{number}%\"{fraction}")
}

fn span_of_number(number: &str) -> String {
    match number.parse::<u64>() {
        Ok(_) => format!("{number} has no unit; write text in quotes, such as \"{number}s\" or \"{number}ms\""),
        Err(_) => {
            format!("{number} has no unit; write text in quotes, a whole number and its unit, such as \"1500ms\"")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_printed_as_they_are_read() {
        for text in ["600ms", "2s", "15m", "6h", "5d", "0s", "90s"] {
            let span = Span::parse(text).unwrap();
            assert_eq!(Span::parse(&span.to_string()).unwrap(), span, "{text}");
        }
        for wrong in ["", "5", "s", "1.5s", "-1s", "5 s", "1w", "99999999999999999999s", "400000d"] {
            assert!(Span::parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_limit_may_span_several_units() {
        assert_eq!(Limit::parse("20/2s").unwrap(), Limit { calls: 20, period: Duration::from_secs(2) });
        assert_eq!(Limit::parse("25/day").unwrap().to_string(), "25/day");
        assert_eq!(Limit::parse("10000/10min").unwrap().to_string(), "10000/10min");
        for wrong in ["", "5", "0/s", "5/", "5/week", "x/s", "5/0s", "-1/s"] {
            assert!(Limit::parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn percentages_and_sizes_are_read_exactly() {
        assert_eq!(Percent::parse("0.5%").unwrap().0, Decimal::new(5, 3));
        assert_eq!(Percent::parse("2%").unwrap().to_string(), "2%");
        assert!(Percent::parse("2").is_err() && Percent::parse("0%").is_err() && Percent::parse("101%").is_err());
        assert_eq!(Bytes::parse("256KiB").unwrap().0, 262_144);
        assert!(Bytes::parse("0").is_err() && Bytes::parse("1GB").is_err());
    }

    #[test]
    fn a_star_matches_anything() {
        let fits = |glob: &str, symbol| Glob::parse(glob).unwrap().matches(symbol);
        assert!(fits("*", "AAPL") && fits("ETH-*", "ETH-USD") && fits("*.L", "VOD.L") && fits("B*-*D", "BTC-USD"));
        assert!(fits("eth-usd", "ETH-USD") && fits("A*A", "AA"));
        assert!(!fits("ETH-*", "BETH-USD") && !fits("*.L", "VOD.LX") && !fits("AAPL", "AAPLX") && !fits("A*A", "A"));
    }
}
