//! A plan and everything on the board that it needs, over any number of sources of crypto pairs.

use std::sync::Arc;

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
use quotefold::symbol::Symbol;
use quotefold::valuation::{Valuation, value};

/// Symbols of the question.
const SYMBOLS: usize = 100;

/// Sources, and a board that has a fresh quote of each for everything that the question needs.
pub(crate) struct World {
    settings: Settings,
    profiles: Profiles,
    board: Board,
    question: Question,
    now: Moment,
}

impl World {
    /// Sources that quote what is asked for.
    pub(crate) fn straight(sources: usize) -> Self {
        World::new(sources, "currencies = [\"USD\"]", "")
    }

    /// Sources whose quotes have to be derived and converted.
    pub(crate) fn derived(sources: usize) -> Self {
        World::new(sources, "currencies = [\"USDT\", \"EUR\"]", "&currency=EUR")
    }

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
            sources: profiles.iter().map(|(_, profile)| profile.name().to_owned()).collect(),
            ..Bounds::default()
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
    pub(crate) async fn fill(&self) -> (Plan, PerSource<Told>) {
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

    pub(crate) async fn plan(&self) -> Plan {
        Plan::new(self.input()).await
    }

    pub(crate) async fn value(&self, plan: &Plan, told: &PerSource<Told>) -> Valuation {
        let World { settings, profiles, question, now, .. } = self;
        value(plan, told, question, profiles, settings, now.wall).await
    }
}
