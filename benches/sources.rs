//! Measures how the processor time of a plan and of a valuation grows with the number of sources: `cargo bench --bench sources`.
//!
//! Everything is fresh on the board, so no source is called. The figure to look at is the time per source. If it stays the same,
//! the cost is linear; if it doubles from one line to the next, the cost is quadratic. Compare the figures of one run only.

#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a bench that cannot go on should stop, and may block"
)]

use std::hint::black_box;
use std::sync::Arc;
use std::time::Duration;

use quotefold::board::{Board, CAPACITY, Told, Update};
use quotefold::clock::{Clock, Moment};
use quotefold::plan::{PerSource, Plan, PlanInput};
use quotefold::profile::Profile;
use quotefold::profile::profiles::Profiles;
use quotefold::provider::extract::Extractor;
use quotefold::question::{Bounds, Question};
use quotefold::quote::Quote;
use quotefold::settings::Settings;
use quotefold::settings::load::{LoadOptions, load};
use quotefold::symbol::{Names, Symbol};
use quotefold::valuation::value;
use rustix::time::{ClockId, clock_gettime};

const SOURCES: [usize; 4] = [5, 10, 20, 40];
const SYMBOLS: usize = 100;
const ROUNDS: usize = 25;

/// Sources, and a board that has a fresh quote of each for everything that the question needs.
struct World {
    settings: Settings,
    profiles: Profiles,
    board: Board,
    question: Question,
    now: Moment,
}

impl World {
    /// `keys` says what each source trades against.
    fn new(sources: usize, keys: &str, currency: &str) -> Self {
        let source = |number: usize| {
            format!(
                "[sources.s{number:02}]\nclasses = [\"crypto\", \"fx\"]\nurl = \"http://127.0.0.1:1/{{symbols}}\"\n\
                 batch = 200\njq = \".\"\n{keys}\n"
            )
        };
        let text = Some(("the settings".to_owned(), (0..sources).map(source).collect()));
        let settings = load(&LoadOptions { text, ..LoadOptions::default() }).unwrap();
        let profile = |set: &quotefold::provider::description::SourceSettings| {
            Arc::new(Profile::new(set.clone(), Extractor::new(set).unwrap(), &settings))
        };
        let profiles = Profiles::new(settings.sources.iter().map(profile).collect());
        let bounds = Bounds {
            max_symbols: SYMBOLS,
            timeout: Duration::from_secs(2),
            max_timeout: Duration::from_secs(10),
            wait: Default::default(),
            sources: profiles.iter().map(|(_, profile)| profile.name().to_owned()).collect(),
            names: Names::default(),
        };
        let now = Clock::system().now();
        let symbols: Vec<String> = (0..SYMBOLS).map(|number| format!("C{number}-USD")).collect();
        let question = Question::parse(&format!("symbols={}{currency}", symbols.join(",")), &bounds, now).unwrap();
        World { settings, profiles, board: Board::new(CAPACITY), question, now }
    }

    fn input(&self) -> PlanInput<'_> {
        let World { settings, profiles, board, question, now } = self;
        PlanInput { question, board, sources: profiles, settings, now: *now }
    }

    /// Answers every query of a plan on the board, until nothing is left to ask.
    async fn fill(&self) -> (Plan, PerSource<Told>) {
        loop {
            let plan = Plan::new(self.input()).await;
            let due =
                plan.queries.iter().flat_map(|query| query.ask.due.iter().map(|(symbol, _)| (query.source, symbol)));
            let due: Vec<(usize, &Symbol)> = due.collect();
            if due.is_empty() {
                let told = plan.queries.iter().flat_map(|query| {
                    let told = |known| Told::OnBoard(Arc::clone(known));
                    query.settled.iter().map(move |known| (query.source, known.outcome.symbol.clone(), told(known)))
                });
                let mut all = PerSource::default();
                all.extend(told);
                return (plan, all);
            }
            for (source, symbol) in due {
                let quote = Quote::bare(rust_decimal::Decimal::ONE, self.now.wall);
                let origin = self.profiles.get(source).unwrap().plain_origin();
                self.board.land(origin, symbol, Update::Quote(quote), self.now);
            }
        }
    }
}

/// The processor time that this thread has had.
fn processor_time() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec.unsigned_abs(), u32::try_from(time.tv_nsec).unwrap())
}

/// The quickest of several rounds, which the rest of the machine disturbed least.
async fn quickest(mut round: impl AsyncFnMut()) -> Duration {
    let mut best = Duration::MAX;
    for _ in 0..ROUNDS {
        let started = processor_time();
        round().await;
        best = best.min(processor_time().saturating_sub(started));
    }
    best
}

/// The times of a plan and a valuation.
async fn measure(world: &World) -> [Duration; 2] {
    let (plan, told) = world.fill().await;
    let planned = quickest(async || drop(black_box(Plan::new(world.input()).await))).await;
    let World { settings, profiles, question, now, .. } = world;
    let valued = async || drop(black_box(value(&plan, &told, question, profiles, settings, now.wall).await));
    [planned, quickest(valued).await]
}

fn main() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let cases = [
        ("straight", "currencies = [\"USD\"]", ""),
        ("derived and converted", "currencies = [\"USDT\", \"EUR\"]", "&currency=EUR"),
    ];
    for (name, keys, currency) in cases {
        println!("{SYMBOLS} symbols, {name}: µs per source (and as a multiple of that with {} sources)", SOURCES[0]);
        let mut first = None;
        for sources in SOURCES {
            let times = runtime.block_on(measure(&World::new(sources, keys, currency)));
            let each = times.map(|time| time.as_micros() / sources as u128);
            let first = *first.get_or_insert(each);
            let shown = |at: usize| format!("{:>6} ({} %)", each[at], each[at] * 100 / first[at].max(1));
            println!("  {sources:>2} sources: plan {}, valuation {}", shown(0), shown(1));
        }
    }
}
