//! Says in words how often a source's limits allow a call.

use crate::provider::description::{Cost, SourceSettings};
use crate::units::Limit;

/// What a limit means when polling: "25/day allows one symbol every 58 min", "20/2s allows 10 symbols a second".
pub(super) fn allows(source: &SourceSettings, limit: Limit) -> String {
    let (calls, period) = (u64::from(limit.calls), limit.period.as_secs());
    let (one, many) = match (source.cost, source.batch) {
        (Cost::Call, batch @ 2..) => {
            (format!("a call of up to {batch} symbols"), format!("calls of up to {batch} symbols"))
        }
        _ => ("one symbol".to_owned(), "symbols".to_owned()),
    };
    if calls >= 2 * period {
        return format!("{limit} allows {} {many} a second", calls / period);
    }
    let seconds = period.div_ceil(calls);
    let often = match seconds {
        1 => "second".to_owned(),
        2..=119 => format!("{seconds} s"),
        120..=7199 => format!("{} min", seconds.div_ceil(60)),
        _ => format!("{} h", seconds.div_ceil(3600)),
    };
    format!("{limit} allows {one} every {often}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::provider::catalogue::catalogue;

    #[test]
    fn a_limit_is_explained_in_words() {
        let source = |name: &str| catalogue()[name].clone().resolve(name).unwrap();
        let allows = |name: &str, limit: &str| allows(&source(name), Limit::try_from(limit.to_owned()).unwrap());
        assert_eq!(allows("finnhub", "25/day"), "25/day allows one symbol every 58 min");
        assert_eq!(allows("finnhub", "60/min"), "60/min allows one symbol every second");
        assert_eq!(allows("coinbase", "10/s"), "10/s allows 10 symbols a second");
        assert_eq!(allows("twelvedata", "8/min"), "8/min allows one symbol every 8 s");
        assert_eq!(allows("kraken", "1/s"), "1/s allows a call of up to 20 symbols every second");
        assert_eq!(allows("kraken", "3000/min"), "3000/min allows 50 calls of up to 20 symbols a second");
    }
}
