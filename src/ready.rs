//! Keeps the text of entries that need no call, and hands it out as long as a new answer would have the same text.
//!
//! The ordinary path makes an entry: a plan, a valuation, an answer. What it made is kept if nothing had to be called for it,
//! with everything that it depends on: the outcomes that were read, the states of the sources that failed, and the times at
//! which a quote becomes too old, a market opens or a call is due. An entry that no longer holds is made anew on the ordinary
//! path. So nothing here decides what a price is.

mod depends;
mod entry;
mod lasts;
mod parts;
mod store;

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tokio::time::Instant;

use crate::answer::{Answer, Completeness, EntryText, TAG, code};
use crate::board::{Board, Openings, Told};
use crate::clock::Moment;
use crate::fingerprint::Fingerprint;
use crate::fold::{Judged, Price, Status};
use crate::metrics::PriceCounter;
use crate::pace::Pace;
use crate::plan::{PerSource, Plan, Purpose};
use crate::question::Question;
use crate::quote::Role;
use crate::settings::Settings;
use crate::settings::class::Refresh;
use crate::source::Source;
use crate::source::coalescer::Patience;
use crate::source::cooldown::Cooldown;
use crate::source::statistics::VerdictCounter;
use crate::symbol::{Class, Symbol};
use crate::units::WaitFor;
use crate::valuation::Valuation;
pub(crate) use depends::Depends;
use entry::ReadyEntry;
pub(crate) use lasts::valid_until;
use parts::Parts;
pub use parts::{AfterAge, Part};
use store::Store;

/// The bytes that all entries together may take.
const CAPACITY: usize = 16 * 1024 * 1024;

/// The entries that are ready.
#[derive(Debug)]
pub(crate) struct Ready {
    store: Store<ReadyEntry>,
    /// Whether some class does not wait for what is due.
    has_background: bool,
}

/// An answer of ready entries.
#[derive(Debug)]
pub struct ReadyAnswer {
    /// How complete it is.
    pub completeness: Completeness,
    /// The HTTP status.
    pub code: u16,
    entries: Vec<Arc<ReadyEntry>>,
    simulated: bool,
}

/// What was made on the ordinary path.
pub(crate) struct Made<'a> {
    /// The question.
    pub question: &'a Question,
    /// Its plan, with the second round.
    pub plan: &'a Plan,
    /// What its sources said.
    pub told: &'a PerSource<Told>,
    /// Its prices.
    pub valuation: &'a Valuation,
    /// When each source that was asked could be called, which its failures state.
    pub openings: &'a [Option<Openings>],
    /// What counts a price by its status.
    pub counter: &'a (dyn Fn(&Price) -> PriceCounter + Sync),
    /// When they were made.
    pub now: Moment,
}

/// What is asked of the sources at one moment, each at most once.
struct Looks<'a> {
    sources: &'a [Arc<Source>],
    /// When the sources can be called, as far as that was found before.
    openings: &'a [Option<Openings>],
    now: Instant,
    seen: Vec<Option<Look>>,
}

/// What one source is like at a moment.
#[derive(Clone)]
struct Look {
    /// When it can be called.
    openings: Openings,
    /// Until when it is left alone, and why; the reason names no time.
    rest: Option<Cooldown>,
}

impl Ready {
    /// Nothing is ready yet.
    pub(crate) fn new(settings: &Settings) -> Self {
        let is_background = |class| settings.of_class(class).refresh == Refresh::Background;
        Ready { store: Store::new(CAPACITY), has_background: Class::ALL.into_iter().any(is_background) }
    }

    /// The answer to a question, if all of its entries are ready and hold at this moment. It needs no call, and waits for
    /// nothing.
    pub(crate) fn answer(
        &self,
        question: &Question,
        sources: &[Arc<Source>],
        simulated: bool,
        now: Moment,
    ) -> Option<ReadyAnswer> {
        if !is_usual(question) || !question.not_symbols.is_empty() {
            return None;
        }
        let entries = self.store.get_all(&question.symbols, question.currency.as_ref())?;
        let mut looks = Looks::new(sources, &[], now.monotonic);
        if !entries.iter().all(|entry| entry.holds(question.refresh_after, now, &mut looks)) || !fit(&entries, question)
        {
            return None;
        }
        if entries.iter().any(|entry| entry.rests()) && !self.waits_for_all(question) {
            return None;
        }
        let statuses: Vec<Status> = entries.iter().map(|entry| entry.status).collect();
        let code = code(&statuses, question.require);
        // when it is worth asking again depends on the state of every source
        if code == 503 {
            return None;
        }
        Some(ReadyAnswer { completeness: Completeness::of(&statuses), code, entries, simulated })
    }

    /// Whether a question waits for each source that is due, if only until that refuses. Otherwise it may be answered before the
    /// refusal is heard.
    fn waits_for_all(&self, question: &Question) -> bool {
        let usual = if self.has_background { Refresh::Background } else { Refresh::Awaited };
        question.wait == WaitFor::All && question.refresh.unwrap_or(usual) == Refresh::Awaited
    }

    /// Keeps the entries of an answer that needed no call, and returns their texts in the order of the question's symbols.
    pub(crate) async fn keep(
        &self,
        made: &Made<'_>,
        board: &Board,
        sources: &[Arc<Source>],
    ) -> Vec<Option<Arc<EntryText>>> {
        let mut kept = vec![None; made.question.symbols.len()];
        if !is_usual(made.question) || made.question.refresh_after.is_some() {
            return kept;
        }
        let (depends, mut looks) =
            (Depends::of(made.plan, made.question), Looks::new(sources, made.openings, made.now.monotonic));
        let mut pace = Pace::default();
        for (place, priced) in made.valuation.prices.iter().enumerate() {
            let entry = depends.on(&priced.price.symbol, priced.conversion.as_ref());
            if let Some(entry) = entry.and_then(|on| ReadyEntry::of(priced, &on, made, board, &mut looks)) {
                if let Some(kept) = kept.get_mut(place) {
                    *kept = Some(Arc::clone(entry.text(made.question.quotes)));
                }
                let bytes = entry.bytes();
                self.store.put(&priced.price.symbol, made.question.currency.as_ref(), Arc::new(entry), bytes);
            }
            pace.step(sources.len()).await;
        }
        kept
    }
}

/// Whether a question leaves to the settings how prices are made.
fn is_usual(question: &Question) -> bool {
    question.sources.is_none() && question.max_age.is_none() && question.patience == Patience::Waits
}

/// Whether entries that were made for themselves are also the entries of one answer.
fn fit(entries: &[Arc<ReadyEntry>], question: &Question) -> bool {
    let has_rates = || entries.iter().any(|entry| !entry.rates.is_empty());
    let depends_on_others = |entry: &Arc<ReadyEntry>| {
        // a reserve that one symbol needs has its say about the others, too
        entry.needed_reserve
            // a rate is fetched as often as the most frequent of the prices that need it
            || entry.depends_on_freshness() && has_rates()
    };
    question.symbols.len() == 1 || !entries.iter().any(depends_on_others)
}

impl ReadyAnswer {
    /// The body of `GET /prices`, written at `now`. Counts what became of each quote, and notes that the symbols were asked for.
    ///
    /// # Errors
    /// Never for our types; the error of the serializer is passed on rather than hidden.
    pub fn parts(&self, question: &Question, now: Timestamp) -> serde_json::Result<Vec<Part>> {
        self.note_use(question);
        let texts = || self.entries.iter().map(|entry| entry.text(question.quotes));
        let mut parts = Parts::for_texts(texts());
        Answer::write_head(&mut parts.open, self.completeness, self.simulated);
        for (place, text) in texts().enumerate() {
            if place > 0 {
                parts.open.push(b',');
            }
            parts.push(text, now);
        }
        Answer::write_tail(&mut parts.open, &question.renamed)?;
        Ok(parts.finish())
    }

    /// The body of `GET /prices/{symbol}`.
    pub fn single_body(&self, question: &Question, now: Timestamp) -> Vec<u8> {
        self.note_use(question);
        let mut body = Vec::new();
        if let Some(entry) = self.entries.first() {
            entry.text(question.quotes).write(now, &mut body);
        }
        if self.simulated {
            body.pop();
            body.extend_from_slice(br#","simulated":true}"#);
        }
        body
    }

    /// How many bytes its body has, about.
    pub(crate) fn len(&self, question: &Question) -> usize {
        self.entries.iter().map(|entry| entry.text(question.quotes).len()).sum()
    }

    /// How long a client may keep it: until a call is due for any entry, or one may no longer be the same.
    pub(crate) fn lasts(&self, question: &Question, now: Moment) -> Duration {
        let lasts = self.entries.iter().map(|entry| entry.lasts(question.refresh_after, now));
        lasts.min().filter(|_| self.code == 200).unwrap_or_default()
    }

    /// What tells it from any other answer to the same question, whatever its ages.
    pub(crate) fn tag(&self, question: &Question) -> String {
        let tags = self.entries.iter().map(|entry| entry.text(question.quotes).tag());
        Fingerprint::of(tags.chain([self.completeness.as_str()]), TAG).digits().to_owned()
    }

    /// Counts what became of each quote, and notes that the symbols were asked for.
    pub(crate) fn note_use(&self, question: &Question) {
        self.entries.iter().for_each(|entry| entry.note_use());
        let mut counted: HashSet<&Symbol> = HashSet::new();
        // a rate counts once: as derived quotes need it if they do, and not as a rate if the caller also asked for it
        for purpose in [Purpose::Rate, Purpose::Conversion] {
            let rates = self.entries.iter().flat_map(|entry| &entry.rates).filter(|rate| rate.purpose == purpose);
            for rate in rates {
                if counted.insert(&rate.symbol) && !question.symbols.contains(&rate.symbol) {
                    rate.verdicts.iter().for_each(VerdictCounter::count);
                }
            }
        }
    }
}

impl<'a> Looks<'a> {
    fn new(sources: &'a [Arc<Source>], openings: &'a [Option<Openings>], now: Instant) -> Self {
        Looks { sources, openings, now, seen: Vec::new() }
    }

    /// When a source can be called, and until when and why it is left alone.
    fn at(&mut self, source: usize) -> Option<&Look> {
        let found = self.sources.get(source)?;
        if self.seen.len() <= source {
            self.seen.resize(source + 1, None);
        }
        let now = self.now;
        let timeless = |rest: Cooldown| Cooldown { error: rest.error.at_any_time(), ..rest };
        let openings = self.openings.get(source).copied().flatten();
        let look = || Look {
            openings: openings.unwrap_or_else(|| found.coalescer.openings(now)),
            rest: found.rest(now).map(timeless),
        };
        Some(self.seen.get_mut(source)?.get_or_insert_with(look))
    }

    /// Whether anything is known of a symbol at a source.
    fn has_said(&self, source: usize, symbol: &Symbol, board: &Board) -> bool {
        let source = self.sources.get(source).map(|source| source.profile.name());
        source.is_some_and(|source| board.look(source, symbol, |_| ()).is_some())
    }

    fn is_reserve(&self, source: usize) -> bool {
        self.sources.get(source).is_some_and(|source| source.profile.settings.role == Role::Reserve)
    }

    /// What counts the verdict on a quote.
    fn counter(&self, judged: &Judged) -> Option<VerdictCounter> {
        let name = judged.outcome.origin.source.as_str();
        let source = self.sources.iter().find(|source| source.profile.name() == name)?;
        Some(source.statistics.verdict_counter(judged))
    }
}
