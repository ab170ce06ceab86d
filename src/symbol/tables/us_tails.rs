//! What follows the ticker of a US listing that is no common share: units, warrants, rights and the like.
//!
//! From the table of suffixes of the consolidated tapes, CQS and CMS (NYSE, Symbology Specification), and from Nasdaq's fifth
//! letters; the spellings are those that Yahoo Finance, Google Finance and brokers make of them.

/// A tail, and its canonical spelling with its separator.
struct Tail {
    /// What is pasted after a dot, a hyphen, a slash or an underscore.
    spelled: &'static str,
    canonical: &'static str,
}

const fn tail(spelled: &'static str, canonical: &'static str) -> Tail {
    Tail { spelled, canonical }
}

const TAILS: &[Tail] = &[
    // units
    tail("U", ".U"),
    tail("UN", ".U"),
    // warrants
    tail("WT", "-WT"),
    tail("WS", "-WT"),
    // rights
    tail("RT", "-RT"),
    // when issued
    tail("WI", "-WI"),
    // called
    tail("CL", "-CL"),
];

/// The letters that end a class in the United States, and are an exchange's suffix after a dot: Frankfurt, London, Tokyo, TSX
/// Venture. Of these only V is in use as a class, and stays hyphenated.
pub(in crate::symbol) const EXCHANGES_OF_ONE_LETTER: [&str; 4] = ["F", "L", "T", "V"];

/// The canonical spelling of a tail, with its separator. After a dot, `CL` is the suffix of Colombia at Yahoo Finance.
pub(in crate::symbol) fn us_tail(spelled: &str, after_dot: bool) -> Option<&'static str> {
    let tail = TAILS.iter().find(|tail| tail.spelled == spelled)?;
    (!after_dot || spelled != "CL").then_some(tail.canonical)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::symbol::tables::exchanges::{EXCHANGES, exchange};

    #[test]
    fn no_tail_is_the_suffix_of_an_exchange() {
        assert!(TAILS.iter().all(|tail| exchange(tail.spelled).is_none()));
    }

    #[test]
    fn the_suffixes_of_one_letter_are_those_that_no_class_may_have() {
        let of_one: Vec<&str> =
            EXCHANGES.iter().map(|exchange| exchange.suffix).filter(|suffix| suffix.len() == 1).collect();
        assert_eq!(of_one, EXCHANGES_OF_ONE_LETTER);
    }
}
