//! Numbers in every notation, and what they are when written plainly.

use proptest::prelude::*;

use super::*;
use crate::decimal::{plain, read};

fn value(text: &str, mark: Option<DecimalMark>) -> String {
    match written(text, mark) {
        Written::Number(number) => read(&number).map_or_else(|| "too large".to_owned(), plain),
        other => format!("{other:?}"),
    }
}

#[test]
fn a_decimal_comma_is_read_where_the_notation_is_stated() {
    for (text, expected) in [
        ("2.050", "2050"),
        ("1.213,03", "1213.03"),
        ("48,7", "48.7"),
        ("1 205,5", "1205.5"),
        ("1\u{a0}205,5", "1205.5"),
        ("1\u{202f}234\u{202f}567,89", "1234567.89"),
        ("1'205,5", "1205.5"),
        ("1,084", "1.084"),
        ("0,123", "0.123"),
        ("1.234.567", "1234567"),
        ("-1.213,03", "-1213.03"),
        ("€ 71,50", "71.5"),
        ("71,50 €", "71.5"),
        ("1,5e-3", "0.0015"),
        (",5", "0.5"),
        ("2050", "2050"),
        ("N/A", "Missing"),
        (" ", "Missing"),
    ] {
        assert_eq!(value(text, Some(DecimalMark::Comma)), expected, "{text}");
    }
    for text in [
        "2.05",
        "2050.5",
        "1.5E-8",
        "0.123",
        "1.213,03,1",
        "1.234 567,8",
        "1,213.03",
        "1.2.3",
        "12.34",
        "halted",
        "1.205e3",
    ] {
        assert_eq!(value(text, Some(DecimalMark::Comma)), "NotANumber", "{text}");
    }
}

#[test]
fn a_decimal_point_is_read_where_the_notation_is_stated() {
    for (text, expected) in [
        ("1,084", "1084"),
        ("$4,098.12", "4098.12"),
        ("77,555,460", "77555460"),
        ("12,34,567.8", "1234567.8"),
        ("1'234.50", "1234.5"),
        ("1 205.5", "1205.5"),
        ("1.084", "1.084"),
    ] {
        assert_eq!(value(text, Some(DecimalMark::Point)), expected, "{text}");
    }
    for text in ["48,7", "1.213,03", "0,123", "1,08", "1.084.000"] {
        assert_eq!(value(text, Some(DecimalMark::Point)), "NotANumber", "{text}");
    }
}

#[test]
fn a_lone_comma_before_three_digits_is_ambiguous_unless_the_notation_is_stated() {
    for text in ["1,084", "$1,084", "-12,345", "123,456", "1,084 €"] {
        assert_eq!(written(text, None), Written::Ambiguous, "{text}");
    }
    // these can be read in one way only, or in none
    for (text, expected) in [
        ("4,098.12", "4098.12"),
        ("77,555,460", "77555460"),
        ("1.084", "1.084"),
        ("12,5", "NotANumber"),
        ("0,123", "NotANumber"),
        ("1234,567", "NotANumber"),
        ("1,2345", "NotANumber"),
        ("1.234,567", "NotANumber"),
        ("1,084e3", "NotANumber"),
        ("1 205", "NotANumber"),
    ] {
        assert_eq!(value(text, None), expected, "{text}");
    }
}

/// A number in a notation, and the same number written plainly.
fn number() -> impl Strategy<Value = (String, String, DecimalMark)> {
    let mark = prop_oneof![Just(DecimalMark::Point), Just(DecimalMark::Comma)];
    let grouping = proptest::option::of(0..GROUPING.len() + 1);
    ("-?", "[1-9][0-9]{0,12}|0", "[0-9]{0,12}", mark, grouping).prop_map(|(sign, whole, fraction, mark, grouping)| {
        let other = if mark == DecimalMark::Point { ',' } else { '.' };
        let group = grouping.map(|place| GROUPING.get(place).copied().unwrap_or(other));
        let grouped: String = whole
            .chars()
            .enumerate()
            .flat_map(|(at, digit)| {
                let begins = at > 0 && (whole.len() - at).is_multiple_of(3);
                group.filter(|_| begins).into_iter().chain([digit])
            })
            .collect();
        let tail = |sign: char| if fraction.is_empty() { String::new() } else { format!("{sign}{fraction}") };
        let stated = format!("{sign}{grouped}{}", tail(mark.as_char()));
        (stated, format!("{sign}{whole}{}", tail('.')), mark)
    })
}

proptest! {
    #[test]
    fn a_number_in_a_stated_notation_is_the_same_number_written_plainly((stated, plainly, mark) in number()) {
        let Written::Number(number) = written(&stated, Some(mark)) else { panic!("{stated} {mark:?}") };
        prop_assert_eq!(read(&number), read(&plainly), "{} {:?}", stated, mark);
    }

    #[test]
    fn a_text_that_is_read_in_an_unknown_notation_is_the_same_in_the_stated_one((stated, _, _) in number()) {
        if let Written::Number(number) = written(&stated, None) {
            prop_assert_eq!(Written::Number(number), written(&stated, Some(DecimalMark::Point)));
        }
    }

    #[test]
    fn any_text_is_a_number_in_plain_notation_or_none(text in "[-+0-9.,eE' \u{a0}€$]{0,16}|\\PC{0,12}") {
        for mark in [None, Some(DecimalMark::Point), Some(DecimalMark::Comma)] {
            if let Written::Number(number) = written(&text, mark) {
                let same = |c: char| c.is_ascii_digit();
                let digits = |text: &str| text.chars().filter(|c| same(*c)).collect::<String>();
                prop_assert_eq!(digits(&number), digits(&text));
            }
        }
    }
}
