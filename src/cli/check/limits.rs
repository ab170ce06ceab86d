//! Says in words what a source's limits bear.

use crate::provider::description::{Cost, SourceSettings};
use crate::units::Limit;

/// What a limit means for those who poll: "25/day bears one symbol every 58 min", "20/2s bears 10 symbols a second".
pub(super) fn bears(source: &SourceSettings, limit: Limit) -> String {
    let (calls, period) = (u64::from(limit.calls), limit.period.as_secs());
    let (one, many) = match (source.cost, source.batch) {
        (Cost::Call, batch @ 2..) => {
            (format!("a call of up to {batch} symbols"), format!("calls of up to {batch} symbols"))
        }
        _ => ("one symbol".to_owned(), "symbols".to_owned()),
    };
    if calls >= 2 * period {
        return format!("{limit} bears {} {many} a second", calls / period);
    }
    let seconds = period.div_ceil(calls);
    let often = match seconds {
        1 => "second".to_owned(),
        2..=119 => format!("{seconds} s"),
        120..=7199 => format!("{} min", seconds.div_ceil(60)),
        _ => format!("{} h", seconds.div_ceil(3600)),
    };
    format!("{limit} bears {one} every {often}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::provider::catalogue::catalogue;

    #[test]
    fn what_a_limit_bears_is_said_in_words() {
        let source = |name: &str| catalogue()[name].clone().resolve(name).unwrap();
        let bears = |name: &str, limit: &str| bears(&source(name), Limit::try_from(limit.to_owned()).unwrap());
        assert_eq!(bears("finnhub", "25/day"), "25/day bears one symbol every 58 min");
        assert_eq!(bears("finnhub", "60/min"), "60/min bears one symbol every second");
        assert_eq!(bears("coinbase", "10/s"), "10/s bears 10 symbols a second");
        assert_eq!(bears("twelvedata", "8/min"), "8/min bears one symbol every 8 s");
        assert_eq!(bears("kraken", "1/s"), "1/s bears a call of up to 20 symbols every second");
        assert_eq!(bears("kraken", "3000/min"), "3000/min bears 50 calls of up to 20 symbols a second");
    }
}
