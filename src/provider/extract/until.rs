//! Reads the end of a refusal from its words: "IP banned until 1586991338494."

use std::time::Duration;

use jiff::Timestamp;

use super::RawReply;
use crate::clock::age;

/// How many bytes of a body are searched: a refusal is shorter, and a longer page is not a refusal.
const LONGEST_WORDS: usize = 2_000;

/// How long the words of a reply ask us to stay away, by the vendor's own clock.
pub(super) fn wait(reply: &RawReply) -> Option<Duration> {
    let body = reply.body.get(..LONGEST_WORDS).unwrap_or(&reply.body);
    let until = until(&String::from_utf8_lossy(body))?;
    Some(age(until, reply.date.unwrap_or(reply.received_at))).filter(|wait| !wait.is_zero())
}

/// The first time that follows the word "until", in a sentence about a refusal or as a field of that name. How long a
/// plan is valid or a price is cached says nothing about a refusal.
fn until(words: &str) -> Option<Timestamp> {
    let small = words.to_ascii_lowercase();
    let mut found = small.match_indices("until");
    found.find_map(|(at, word)| {
        let rest = words.get(at + word.len()..).filter(|_| speaks_of_a_refusal(&small[..at]))?;
        time(rest.trim_start_matches(|sign: char| sign.is_whitespace() || matches!(sign, '"' | '\'' | ':' | '=')))
    })
}

/// Whether the text before the word "until" is about a refusal: either there is none, or a word in the same sentence
/// and field says so.
fn speaks_of_a_refusal(before: &str) -> bool {
    const REFUSES: [&str; 11] =
        ["ban", "block", "cool", "denied", "limit", "lock", "refus", "restrict", "retry", "try", "wait"];
    let is_end = |sign: char| matches!(sign, '.' | ';' | ',' | '{' | '}' | '"' | '\'' | '<' | '>' | '\n');
    let clause = before.rsplit(is_end).next().unwrap_or_default();
    clause.trim().is_empty() || REFUSES.iter().any(|word| clause.contains(word))
}

/// The time that a text begins with: a Unix time, whose unit follows from the number of digits, or a date and a time of
/// day with an offset.
fn time(text: &str) -> Option<Timestamp> {
    let digits = text.len() - text.trim_start_matches(|sign: char| sign.is_ascii_digit()).len();
    let number = text.get(..digits)?;
    match digits {
        10 => Timestamp::from_second(number.parse().ok()?).ok(),
        13 => Timestamp::from_millisecond(number.parse().ok()?).ok(),
        16 => Timestamp::from_microsecond(number.parse().ok()?).ok(),
        4 => {
            let is_end = |sign: char| matches!(sign, '"' | '\'' | ',' | ';' | ')' | '<' | '}' | ']');
            let written = text.split(is_end).next().unwrap_or_default().trim().trim_end_matches('.');
            let (day, rest) = written.split_once([' ', 'T', 't'])?;
            let mut rest = rest.split_whitespace();
            let clock = rest.next()?;
            let offset = if rest.next().is_some_and(|zone| matches!(zone, "UTC" | "GMT")) { "Z" } else { "" };
            format!("{day}T{clock}{offset}").parse().ok()
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_after_until_is_read_in_every_notation_in_use() {
        let time = Some("2020-04-15T22:55:38Z".parse().unwrap());
        for words in [
            "Way too much request weight used; IP banned until 1586991338000. Please use the websocket.",
            r#"{"code":-1003,"msg":"IP banned until 1586991338000"}"#,
            r#"{"bannedUntil":1586991338}"#,
            r#"{"until": "2020-04-15T22:55:38Z"}"#,
            "blocked until 2020-04-15T22:55:38Z.",
            "Until further notice; blocked until 2020-04-15 22:55:38 UTC, sorry",
            "banned until=1586991338000000",
            "until 2020-04-16T00:55:38+02:00",
        ] {
            assert_eq!(until(words), time, "{words}");
        }
    }

    #[test]
    fn the_end_of_anything_else_is_not_taken_for_the_end_of_a_refusal() {
        for words in [
            r#"{"error":"Too many requests","plan":{"valid_until":"2027-06-30T00:00:00Z"}}"#,
            "Payment required: your free trial was active until 2027-01-31T00:00:00Z",
            r#"{"subscription":{"active_until":1893456000}}"#,
            "I'm a teapot; prices cached until 2027-01-31T00:00:00Z",
            "You were banned. The offer stands until 2027-01-31T00:00:00Z",
        ] {
            assert_eq!(until(words), None, "{words}");
        }
    }

    #[test]
    fn words_without_a_time_state_none() {
        for words in [
            "",
            "until",
            "until tomorrow",
            "Access restricted until the end of the month",
            "banned for 1586991338000",
            "until 12",
            "until 99999999999999999999",
            "until 2020-04-15",
            "until 2020-04-15 22:55:38",
            "untilé1586991338000",
        ] {
            assert_eq!(until(words), None, "{words}");
        }
    }
}
