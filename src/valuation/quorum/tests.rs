//! What is remembered between two looks changes nothing but their cost.

use proptest::prelude::*;
use rust_decimal::Decimal;

use super::*;
use crate::board::{Board, Fault, InARow, Stands, Told, Update};
use crate::clock::Clock;
use crate::failure::SourceError;
use crate::plan::PlanInput;
use crate::profile::Profile;
use crate::provider::extract::Extractor;
use crate::question::Bounds;
use crate::quote::Quote;
use crate::settings::load::{LoadOptions, load};
use crate::valuation::FOLDS;

/// Sources of which some trade against tethers, and what they have said.
struct World {
    settings: Settings,
    sources: Profiles,
    board: Board,
    clock: Clock,
}

/// What a source says about a symbol.
#[derive(Clone, Copy, Debug)]
enum Says {
    /// This price, in hundredths.
    Price(i64),
    /// Nothing, and it has never said anything.
    Nothing,
    /// Nothing, but it has an older price.
    NothingNew,
}

impl World {
    fn of(sources: usize) -> Self {
        let source = |number: usize| {
            let currencies = if number.is_multiple_of(2) { "\"USD\"" } else { "\"USDT\", \"EUR\"" };
            let role = if number == 4 { "reference" } else { "primary" };
            format!(
                "[sources.s{number}]\nclasses = [\"crypto\", \"fx\"]\nurl = \"http://x.test/{{symbols}}\"\nbatch = 50\njq = \".\"\ncurrencies = [{currencies}]\nrole = \"{role}\"\n"
            )
        };
        let text = Some(("the settings".to_owned(), (0..sources).map(source).collect()));
        let settings = load(&LoadOptions { text, ..LoadOptions::default() }).unwrap();
        let profile = |source: &crate::provider::description::SourceSettings| {
            Arc::new(Profile::new(source.clone(), Extractor::new(source).unwrap(), &settings))
        };
        let sources = Profiles::new(settings.sources.iter().map(profile).collect());
        let clock = Clock::starting_at("2026-11-20T14:31:00Z".parse().unwrap());
        World { settings, sources, board: Board::new(1000), clock }
    }

    fn question(&self, query: &str) -> Question {
        let sources = self.sources.iter().map(|(_, source)| source.name().to_owned()).collect();
        let bounds = Bounds::of(&self.settings.server, sources, self.settings.names());
        Question::parse(query, &bounds, self.clock.now()).unwrap()
    }

    async fn plan(&self, question: &Question) -> Plan {
        let World { settings, sources, board, clock } = self;
        Plan::new(PlanInput { question, board, sources, settings, now: clock.now() }).await
    }

    fn says(&self, source: usize, symbol: &Symbol, says: Says) -> Told {
        let now = self.clock.now();
        let origin = self.sources.get(source).unwrap().plain_origin();
        let land = |update| self.board.land_for(None, origin, symbol, update, now);
        let price = |hundredths| Update::Quote(Quote::bare(Decimal::new(hundredths, 2), now.wall));
        let fault = || {
            let (error, latency) = (SourceError::unavailable("503"), std::time::Duration::ZERO);
            let (stands, in_a_row) = (Stands::WithSource, InARow::default());
            Update::Failure(Fault { error, latency, stands, is_doubted: false, in_a_row })
        };
        Told::OnBoard(match says {
            Says::Price(hundredths) => land(price(hundredths)),
            Says::Nothing => land(fault()),
            Says::NothingNew => {
                land(price(100));
                land(fault())
            }
        })
    }

    async fn quorums<'a>(&'a self, plan: &'a Plan, question: &'a Question) -> Quorums<'a> {
        Quorums::new((plan, true), question, &self.sources, &self.settings).await
    }
}

/// Everything that a plan asks for, and a gathering that has heard none of it.
fn asked(plan: &Plan) -> (Vec<(usize, Symbol)>, Heard) {
    let due =
        plan.queries.iter().flat_map(|query| query.ask.due.iter().map(|(symbol, _)| (query.source, symbol.clone())));
    let (due, mut heard): (Vec<_>, _) = (due.collect(), Heard::default());
    due.iter().for_each(|(source, symbol)| heard.expect(*source, symbol.clone()));
    (due, heard)
}

#[tokio::test(start_paused = true)]
async fn while_one_symbol_holds_the_answer_up_no_other_is_folded_again() {
    let world = World::of(9);
    let symbols: Vec<String> = (0..20).map(|number| format!("C{number}-USD")).collect();
    let question = world.question(&format!("symbols={}&sources=s0,s2,s4,s6,s8", symbols.join(",")));
    let plan = world.plan(&question).await;
    let (due, mut heard) = asked(&plan);
    let mut quorums = world.quorums(&plan, &question).await;
    let (last, others): (Vec<_>, Vec<_>) = due.into_iter().partition(|(_, symbol)| symbol.as_str() == "C19-USD");
    FOLDS.take();
    for source in [0, 2, 4, 6, 8] {
        let now: Vec<Symbol> =
            others.iter().filter(|(by, _)| *by == source).map(|(_, symbol)| symbol.clone()).collect();
        now.iter().for_each(|symbol| heard.note(source, world.says(source, symbol, Says::Price(100))));
        quorums.note(&now);
        assert_eq!(quorums.standing(&heard, world.clock.now().wall).await, Standing::Open);
    }
    // all but the last one, when two sources were heard
    assert_eq!(FOLDS.take(), 19);
    for (source, symbol) in &last[..2] {
        heard.note(*source, world.says(*source, symbol, Says::Price(100)));
        quorums.note(std::slice::from_ref(symbol));
    }
    assert_eq!(quorums.standing(&heard, world.clock.now().wall).await, Standing::Reached);
    assert_eq!(FOLDS.take(), 20, "those of which more was heard, once more");
    assert_eq!(quorums.standing(&heard, world.clock.now().wall).await, Standing::Reached);
    assert_eq!(FOLDS.take(), 0);
}

fn any_says() -> impl Strategy<Value = Says> {
    prop_oneof![
        6 => prop::sample::select(vec![100, 101, 100, 150]).prop_map(Says::Price),
        1 => Just(Says::Nothing),
        1 => Just(Says::NothingNew),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]
    #[test]
    fn what_was_seen_before_never_changes_what_is_found(
        query in prop::sample::select(vec![
            "symbols=AAA-USD",
            "symbols=AAA-USD,BBB-EUR",
            "symbols=AAA-USD,BBB-USD&currency=EUR",
            "symbols=EUR-USD,AAA-USDT&currency=USD",
            "symbols=AAA-EUR,GBP-USD&currency=CHF",
        ]),
        says in prop::collection::vec(any_says(), 80),
        order in prop::collection::vec(any::<u32>(), 80),
        together in prop::collection::vec(1_usize..4, 80),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
        runtime.block_on(async {
            let world = World::of(6);
            let question = world.question(query);
            let plan = world.plan(&question).await;
            let (due, mut heard) = asked(&plan);
            let mut arriving: Vec<_> = due.into_iter().zip(says).zip(order).collect();
            arriving.sort_by_key(|(_, order)| *order);
            let mut quorums = world.quorums(&plan, &question).await;
            let mut arriving = arriving.into_iter();
            for together in together {
                let now = world.clock.now().wall;
                let found = quorums.standing(&heard, now).await;
                let anew = world.quorums(&plan, &question).await.standing(&heard, now).await;
                prop_assert_eq!(found, anew);
                // once nothing is to come, nothing is waited for
                prop_assert!(!heard.is_complete() || found != Standing::Open);
                for ((at, said), _) in arriving.by_ref().take(together) {
                    heard.note(at.0, world.says(at.0, &at.1, said));
                    quorums.note(&[at.1]);
                }
            }
            Ok(())
        })?;
    }
}
