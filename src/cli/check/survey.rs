//! Asks every source that is on for one price, all at the same time, and compares the prices.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use rust_decimal::Decimal;
use tokio::runtime::Runtime;
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::compare::{Standing, Voice, compare};
use super::known;
use crate::board::Freshness;
use crate::clock::skew::Skew;
use crate::fold::{Exclusion, Judged, Verdict, fold};
use crate::provider::description::SourceSettings;
use crate::quote::{Outcome, Role};
use crate::service::Quotefold;
use crate::settings::Settings;
use crate::source::coalescer::{Ask, Patience};
use crate::symbol::Symbol;

/// What every source said.
pub(super) struct Survey {
    /// The settings of the service.
    pub(super) settings: Settings,
    /// A line per source; those that were asked for the same symbol are adjacent.
    pub(super) lines: Vec<Line>,
    /// When all sources had answered.
    pub(super) now: Timestamp,
    /// How far this machine's clock seems to be off, judging by the replies.
    pub(super) skew: Option<Skew>,
}

/// What one source said.
pub(super) struct Line {
    /// The source.
    pub(super) source: SourceSettings,
    /// What it said; `None` if no symbol is known to ask it for.
    pub(super) said: Option<Said>,
}

/// What a source said about what it was asked for.
pub(super) struct Said {
    /// The outcome, as the fold judges it.
    pub(super) judged: Judged,
    /// The price and how it compares with the others, if it can be compared.
    pub(super) standing: Option<(Decimal, Standing)>,
    /// How far prices of its class may be from the median, as a fraction.
    pub(super) allowed: Decimal,
}

impl Survey {
    /// Asks every source of a service.
    pub(super) fn new(service: Quotefold, runtime: Runtime) -> Self {
        let outcomes = runtime.block_on(ask(&service));
        runtime.shutdown_background();
        let now = service.clock().now();
        let (now, skew) = (now.wall, service.clock().skew(now));
        let mut said = judge(&service, outcomes, now);
        let line = |source: &SourceSettings| Line { source: source.clone(), said: said.remove(&source.name) };
        let mut lines: Vec<Line> = service.settings().sources.iter().map(line).collect();
        // the sort is stable, so sources stay in the order of their names within a symbol; those that were not asked
        // come last
        lines.sort_by_key(|line| {
            let symbol = line.said.as_ref().map(|said| said.judged.outcome.symbol.clone());
            (symbol.is_none(), symbol)
        });
        Survey { lines, settings: service.into_settings(), now, skew }
    }

    /// Whether every source gave a price.
    pub(super) fn is_all_priced(&self) -> bool {
        self.lines.iter().all(|line| line.said.as_ref().is_some_and(|said| said.judged.price.is_some()))
    }
}

/// Asks each source for one symbol, through the same stack that serves requests, so that each vendor's limits are kept.
async fn ask(service: &Quotefold) -> Vec<Outcome> {
    let profiles: Vec<_> = service.sources().iter().map(|source| source.profile.as_ref()).collect();
    let chosen = known::choose(&profiles, service.settings());
    let need = Freshness::of(Duration::ZERO);
    let mut calls = JoinSet::new();
    for (source, symbol) in service.sources().iter().zip(chosen) {
        let due = symbol.into_iter().map(|symbol| (symbol, need)).collect();
        let arrived = Instant::now();
        let ask = Ask {
            arrived,
            until: arrived + service.settings().server.timeout,
            patience: Patience::Waits,
            due,
            optional: Vec::new(),
            caller: None,
        };
        for wait in source.coalescer.ask(&ask) {
            let coalescer = source.coalescer.clone();
            calls.spawn(async move { coalescer.arrive(wait).await.into_outcome() });
        }
    }
    calls.join_all().await
}

/// Judges each outcome, and compares it with the others about the same symbol. The results are by source.
fn judge(service: &Quotefold, outcomes: Vec<Outcome>, now: Timestamp) -> BTreeMap<String, Said> {
    let mut by_symbol: BTreeMap<Symbol, Vec<Outcome>> = BTreeMap::new();
    for mut outcome in outcomes {
        // the origin depends on the class: it says how old a quote may be
        let class = service.settings().class(&outcome.symbol);
        let source = service.sources().iter().find(|source| source.profile.name() == outcome.origin.source);
        outcome.origin = source.map_or(outcome.origin, |source| source.profile.origin(class));
        by_symbol.entry(outcome.symbol.clone()).or_default().push(outcome);
    }
    by_symbol.into_iter().flat_map(|(symbol, outcomes)| about(&symbol, outcomes, service.settings(), now)).collect()
}

/// Judges and compares all outcomes about one symbol.
fn about(symbol: &Symbol, outcomes: Vec<Outcome>, settings: &Settings, now: Timestamp) -> Vec<(String, Said)> {
    let rule = settings.rule(symbol, None);
    let quotes = fold(symbol, outcomes, &rule, now).quotes;
    let voices: Vec<Voice<'_>> = quotes.iter().filter_map(voice).collect();
    let mut standings: BTreeMap<String, (Decimal, Standing)> = voices
        .iter()
        .zip(compare(&voices, rule.outlier_beyond))
        .map(|(voice, standing)| (voice.source.to_owned(), (voice.price, standing)))
        .collect();
    let said = |judged: Judged| {
        let source = judged.outcome.origin.source.clone();
        let standing = standings.remove(&source);
        (source, Said { judged, standing, allowed: rule.outlier_beyond })
    };
    quotes.into_iter().map(said).collect()
}

/// A price that can be compared with others: one that the fold would consider, even if it then does not need it.
fn voice(judged: &Judged) -> Option<Voice<'_>> {
    use Exclusion::{NotFolded, OtherSession, Outlier, Reference, SameAccount};
    let comparable = match judged.verdict {
        Verdict::Used => true,
        Verdict::Excluded(why) => matches!(why, NotFolded | OtherSession | Outlier | Reference | SameAccount),
        Verdict::Failed => false,
    };
    let origin = &judged.outcome.origin;
    let price = judged.price.filter(|_| comparable)?;
    Some(Voice { source: &origin.source, price, is_reference: origin.role == Role::Reference })
}
