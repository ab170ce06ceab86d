//! Writes figures as people read them: shares in percent, spans of time in their largest unit, short lists.

use std::time::Duration;

use jiff::Timestamp;
use rust_decimal::{Decimal, RoundingStrategy};

use crate::decimal::plain;

/// A list names at most so many.
const MOST_NAMED: usize = 3;

/// `6.4 %`: how much one is of the other, to one decimal.
pub(super) fn percent(part: Decimal, whole: Decimal) -> String {
    let ratio = part.abs().checked_div(whole).and_then(|ratio| ratio.checked_mul(Decimal::ONE_HUNDRED));
    let rounded = ratio.map(|ratio| {
        let mut rounded = ratio.round_dp_with_strategy(1, RoundingStrategy::MidpointNearestEven);
        rounded.rescale(1);
        rounded.to_string()
    });
    format!("{} %", rounded.as_deref().unwrap_or("endlessly many"))
}

/// `0.5 %`: a fraction as it was set.
pub(super) fn fraction(fraction: Decimal) -> String {
    format!("{} %", plain(fraction.saturating_mul(Decimal::ONE_HUNDRED)))
}

/// `3.4 s`, `42 s`, `17 min`, `3 h`, `2 days`: rounded down, in a unit of which there are at least two where one is; below ten
/// seconds with a tenth, or "stated 3 s ago, 3 s allowed" would contradict itself.
pub(super) fn span(span: Duration) -> String {
    match span.as_secs() {
        0 => format!("{} ms", span.as_millis()),
        seconds @ 1..10 if span.subsec_millis() >= 100 => format!("{seconds}.{} s", span.subsec_millis() / 100),
        seconds @ 1..120 => format!("{seconds} s"),
        seconds @ 120..7_200 => format!("{} min", seconds / 60),
        seconds @ 7_200..172_800 => format!("{} h", seconds / 3_600),
        seconds => format!("{} days", seconds / 86_400),
    }
}

/// `14:31:40 UTC`.
pub(super) fn clock_time(at: Timestamp) -> String {
    at.strftime("%H:%M:%S UTC").to_string()
}

/// The first few, and how many more there are; empty if there are none.
pub(super) fn listed(mut items: Vec<String>, separator: &str) -> String {
    let more = items.len().saturating_sub(MOST_NAMED);
    if more > 0 {
        items.truncate(MOST_NAMED);
        items.push(format!("and {more} more"));
    }
    items.join(separator)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fold::testing::decimal;

    #[test]
    fn spans_are_told_in_the_unit_one_would_use() {
        let spans =
            [(60, "60 s"), (119, "119 s"), (1_020, "17 min"), (10_800, "3 h"), (86_400, "24 h"), (172_800, "2 days")];
        for (seconds, expected) in spans {
            assert_eq!(span(Duration::from_secs(seconds)), expected);
        }
        assert_eq!(span(Duration::from_millis(700)), "700 ms");
        assert_eq!(span(Duration::from_millis(3_480)), "3.4 s");
        assert_eq!(span(Duration::from_millis(3_000)), "3 s");
    }

    #[test]
    fn shares_are_told_in_percent() {
        assert_eq!(percent(decimal("-18.44"), decimal("231.44")), "8.0 %");
        assert_eq!(percent(Decimal::ONE, Decimal::ZERO), "endlessly many %");
        assert_eq!(fraction(decimal("0.0050")), "0.5 %");
    }
}
