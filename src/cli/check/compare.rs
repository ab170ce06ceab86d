//! Compares each source's price with the median of the others' prices.

use rust_decimal::Decimal;

use crate::decimal::{basis_points, is_beyond, percent, plain};
use crate::fold::median;

/// One source's price of a symbol.
#[derive(Clone, Debug)]
pub(super) struct Voice<'a> {
    pub(super) source: &'a str,
    pub(super) price: Decimal,
    /// A reference is compared with the others; they are compared with it only if there are nothing but references.
    pub(super) is_reference: bool,
}

/// How a source's price compares with those of the others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    /// There is nothing to compare it with.
    Alone,
    /// The others agree.
    Measured {
        /// The median of the others' prices.
        median: Decimal,
        /// The names of the others.
        others: Vec<String>,
        /// Whether the price is farther from the median than is allowed.
        is_off: bool,
    },
    /// No majority agrees, so there is no telling which source is wrong.
    Unclear {
        /// The source with the lowest price, and the price.
        lowest: (String, Decimal),
        /// The source with the highest price, and the price.
        highest: (String, Decimal),
        /// How many sources there are.
        of: usize,
    },
}

/// Compares each price with the others. A price may be away from their median by the fraction `beyond` of it.
pub(super) fn compare(voices: &[Voice<'_>], beyond: Decimal) -> Vec<Standing> {
    let independent: Vec<&Voice<'_>> = voices.iter().filter(|voice| !voice.is_reference).collect();
    let mut voters = if independent.is_empty() { voices.iter().collect() } else { independent };
    voters.sort_by_key(|voice| (voice.price, voice.source));
    let trusted = trusted(&voters, beyond);
    let standing = |voice: &Voice<'_>| match (&trusted, &voters[..]) {
        (Some(trusted), _) => measured(voice, trusted, beyond),
        (None, [lowest, .., highest]) => {
            let said = |voice: &Voice<'_>| (voice.source.to_owned(), voice.price);
            Standing::Unclear { lowest: said(lowest), highest: said(highest), of: voters.len() }
        }
        (None, _) => Standing::Alone,
    };
    voices.iter().map(standing).collect()
}

/// The sources that all are measured against: a majority near the median of all. Without a majority, one wrong source
/// would make those compared with it look wrong. Two that disagree have none.
fn trusted<'v>(sorted: &[&'v Voice<'v>], beyond: Decimal) -> Option<Vec<&'v Voice<'v>>> {
    let median = median(sorted, |voice| voice.price);
    let near: Vec<_> = match sorted {
        [one, other] if is_beyond(beyond, other.price, one.price) => Vec::new(),
        [_, _] => sorted.to_vec(),
        _ => sorted.iter().copied().filter(|voice| !is_beyond(beyond, voice.price, median)).collect(),
    };
    (near.len() * 2 > sorted.len()).then_some(near)
}

fn measured(voice: &Voice<'_>, trusted: &[&Voice<'_>], beyond: Decimal) -> Standing {
    let others: Vec<_> = trusted.iter().copied().filter(|other| other.source != voice.source).collect();
    if others.is_empty() {
        return Standing::Alone;
    }
    let median = median(&others, |voice| voice.price);
    let is_off = is_beyond(beyond, voice.price, median);
    let mut others: Vec<String> = others.into_iter().map(|other| other.source.to_owned()).collect();
    others.sort_unstable();
    Standing::Measured { median, others, is_off }
}

impl Standing {
    /// How a price compares with the others, in a few words.
    pub(super) fn words(&self, price: Decimal) -> String {
        match self {
            Standing::Alone => "no other price to compare with".to_owned(),
            Standing::Measured { median, others, is_off } => {
                let distance = distance(price, *median, *is_off);
                match &others[..] {
                    [only] => format!("{distance} {only}'s {}", plain(*median)),
                    many => format!("{distance} the median {} of {} others", plain(*median), many.len()),
                }
            }
            Standing::Unclear { lowest, highest, of: 2 } => {
                format!("the two differ by {}: either may be wrong", apart(lowest.1, highest.1))
            }
            Standing::Unclear { lowest, highest, of } => {
                format!("the {of} are up to {} apart: no majority agrees", apart(lowest.1, highest.1))
            }
        }
    }
}

/// How far one price is from another: in percent if it is off, else in basis points.
pub(super) fn distance(price: Decimal, from: Decimal, is_off: bool) -> String {
    let (difference, side) = (price.saturating_sub(from).abs(), if price > from { "above" } else { "below" });
    match basis_points(difference, from) {
        Some(points) if points.is_zero() => "at".to_owned(),
        Some(points) if !is_off => format!("{points} bps {side}"),
        _ => format!("{} {side}", percent(difference, from)),
    }
}

/// How far two prices are apart, as a share of the lower one.
pub(super) fn apart(lowest: Decimal, highest: Decimal) -> String {
    percent(highest.saturating_sub(lowest), lowest)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn voices<'a>(said: &[(&'a str, &str)]) -> Vec<Voice<'a>> {
        let voice = |(source, price): &(&'a str, &str)| Voice {
            source,
            price: crate::decimal::read(price).unwrap(),
            is_reference: source.starts_with("reference"),
        };
        said.iter().map(voice).collect()
    }

    /// The words about each source if 2 % are allowed.
    fn said(said: &[(&str, &str)]) -> Vec<String> {
        let voices = voices(said);
        let standings = compare(&voices, Decimal::new(2, 2));
        voices.iter().zip(standings).map(|(voice, standing)| standing.words(voice.price)).collect()
    }

    #[test]
    fn a_source_that_is_off_is_named_and_measures_no_other() {
        let four = said(&[("alpha", "249.90"), ("beta", "231.39"), ("gamma", "231.40"), ("delta", "231.38")]);
        assert_eq!(four[0], "8.0 % above the median 231.39 of 3 others");
        assert_eq!(
            four[1..],
            [
                "at the median 231.39 of 2 others",
                "0.6 bps above the median 231.385 of 2 others",
                "0.6 bps below the median 231.395 of 2 others"
            ]
        );
        let three = said(&[("alpha", "213.00"), ("beta", "231.40"), ("gamma", "231.38")]);
        assert_eq!(
            three,
            ["7.9 % below the median 231.39 of 2 others", "0.9 bps above gamma's 231.38", "0.9 bps below beta's 231.4"]
        );
    }

    #[test]
    fn the_median_of_an_even_number_is_the_mean_of_the_middle_two() {
        let five = said(&[("a", "100"), ("b", "101"), ("c", "100.5"), ("d", "100.9"), ("e", "100.2")]);
        assert_eq!(five[0], "69.5 bps below the median 100.7 of 4 others");
        assert_eq!(five[2], "5.0 bps below the median 100.55 of 4 others");
    }

    #[test]
    fn one_source_alone_has_nothing_to_be_compared_with() {
        assert_eq!(said(&[("alpha", "231.40")]), ["no other price to compare with"]);
        assert!(said(&[]).is_empty());
    }

    #[test]
    fn if_two_differ_either_may_be_wrong() {
        let words = "the two differ by 8.0 %: either may be wrong";
        assert_eq!(said(&[("alpha", "249.90"), ("beta", "231.39")]), [words, words]);
        assert_eq!(said(&[("alpha", "100.5"), ("beta", "100")])[0], "50.0 bps above beta's 100");
    }

    #[test]
    fn two_camps_have_no_majority() {
        let camps = said(&[("alpha", "108"), ("beta", "108"), ("gamma", "100"), ("delta", "100")]);
        assert_eq!(camps[3], "the 4 are up to 8.0 % apart: no majority agrees");
        assert_eq!(said(&[("a", "1"), ("b", "2"), ("c", "3")])[0], "the 3 are up to 200.0 % apart: no majority agrees");
        // three of five are a majority
        let five = said(&[("a", "108"), ("b", "108"), ("c", "100"), ("d", "100"), ("e", "100")]);
        assert_eq!(five[0], "8.0 % above the median 100 of 3 others");
        assert_eq!(five[4], "at the median 100 of 2 others");
    }

    #[test]
    fn a_reference_is_compared_with_the_others_but_not_they_with_it() {
        let fx = said(&[("kraken", "1.16"), ("reference-1", "1.10"), ("reference-2", "1.10")]);
        assert_eq!(fx, ["no other price to compare with", "5.2 % below kraken's 1.16", "5.2 % below kraken's 1.16"]);
        assert_eq!(said(&[("reference-1", "1.1"), ("reference-2", "1.1")])[0], "at reference-2's 1.1");
    }
}
