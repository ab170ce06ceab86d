//! The content of a state file: it is refused, or can be restored to a service and taken from it again.
#![no_main]

use std::sync::LazyLock;
use std::time::Duration;

use libfuzzer_sys::fuzz_target;
use quotefold::Quotefold;
use quotefold::board::QuoteState;
use quotefold::clock::{Clock, Moment};
use quotefold::settings::Settings;
use quotefold::settings::load::{LoadOptions, load};
use quotefold::state::State;
use quotefold::state::snapshot::{MOST_QUOTES, give, take};

static SETTINGS: LazyLock<Settings> = LazyLock::new(|| {
    let text = "[sources.kraken]\n[sources.alphavantage]\nkey = \"a\"\n".to_owned();
    load(&LoadOptions { text: Some(("fuzz.toml".to_owned(), text)), ..LoadOptions::default() }).unwrap()
});

/// A few seconds after the states of the corpus were saved.
static NOW: LazyLock<Moment> =
    LazyLock::new(|| Moment { wall: "2026-11-20T14:31:20Z".parse().unwrap(), ..Clock::system().now() });

fuzz_target!(|data: &[u8]| {
    let Ok(state) = State::parse(data) else { return };
    let written = state.to_bytes().unwrap();
    assert_eq!(State::parse(&written).unwrap(), state);

    let service = Quotefold::new(SETTINGS.clone(), &Clock::from_fn(|| NOW.wall)).unwrap();
    let (restored, unconfigured) = give(&service, state.clone(), *NOW);
    assert_eq!(restored.quotes + restored.dropped, state.quotes.len());
    let longest = NOW.monotonic + Duration::from_secs(366 * 86_400);
    for source in service.sources() {
        let cooldown = source.account.cooldown(NOW.monotonic);
        assert!(
            cooldown.is_none_or(|cooldown| cooldown.until <= longest),
            "{} is paused for ever",
            source.account.name()
        );
    }
    let taken = take(&service, &unconfigured, *NOW);
    assert!(taken.quotes.len() <= MOST_QUOTES && taken.quotes.len() <= restored.quotes);
    for quote in &taken.quotes {
        assert!(quote.received_at <= NOW.wall, "{quote:?} is from the future");
        // it comes back in the canonical spelling
        let is_it = |old: &QuoteState| (old.price, old.received_at) == (quote.price, quote.received_at);
        assert!(state.quotes.iter().any(is_it), "{quote:?}");
    }
    assert_eq!(State::parse(&taken.to_bytes().unwrap()).unwrap(), taken);
});
