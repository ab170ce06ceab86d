//! Says in words how often a source's limits allow a call.

use crate::provider::description::{Cost, SourceSettings};
use crate::settings::Settings;
use crate::shared::share;
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

/// Which sources are not asked while the store is away that replicas share, and why; `None` if there is no store or no such source.
pub(super) fn without_share(settings: &Settings) -> Option<String> {
    let replicas = settings.shared.is_on().then_some(settings.shared.replicas)?;
    let of_account = |account: &str| -> Vec<Limit> {
        let sources = settings.sources.iter().filter(|source| source.account == account);
        sources.flat_map(|source| &source.limits).copied().collect()
    };
    let why = |source: &SourceSettings| share::of_one(&of_account(&source.account), replicas).err();
    let sources = settings.sources.iter().filter(|source| source.shared);
    let sources = sources.filter_map(|source| Some(format!("{} ({})", source.name, why(source)?)));
    let sources: Vec<String> = sources.collect();
    (!sources.is_empty()).then(|| format!("not asked while the shared store is away: {}", sources.join(", ")))
}

/// Which sources several replicas may ask for the same at once, because none has the time to wait for another; `None` if replicas
/// share nothing, or there is no such source.
pub(super) fn asked_by_each(settings: &Settings) -> Option<String> {
    let half = settings.shared.is_on().then_some(settings.server.timeout / 2)?;
    let sources = settings.sources.iter().filter(|source| source.shared && !source.limits.is_empty());
    let slow: Vec<&str> = sources.filter(|source| source.timeout > half).map(|source| &*source.name).collect();
    let why = "their timeout is above half of server.timeout, so no replica waits for what another one asks for";
    (!slow.is_empty()).then(|| format!("asked by each replica for itself: {} ({why})", slow.join(", ")))
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
