//! Holds a plan's view of the board: it looks each symbol up once, however many sources and routes there are.

use std::sync::Arc;

use tokio::time::Instant;

use crate::board::{Board, Known};
use crate::profile::profiles::Profiles;
use crate::symbol::{QuickMap, Symbol};

/// A plan's view of the board so far. Everything else that follows from the plan's outcomes uses the same view.
pub struct BoardView<'a> {
    board: &'a Board,
    sources: &'a Profiles,
    now: Instant,
    seen: QuickMap<Symbol, Seen>,
    reads: Reads,
}

/// What on the board decided how a target is priced.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reads {
    /// The symbols whose outcomes decided it.
    pub symbols: Vec<Symbol>,
    /// Until when they decide the same if nothing lands; `None` if for ever.
    pub until: Option<Instant>,
}

/// What the board knows about one symbol: at each source's place in the list of sources, the latest from that source.
/// It ends with the last source that has something.
#[derive(Debug, Default)]
struct Seen(Vec<Option<Arc<Known>>>);

impl<'a> BoardView<'a> {
    /// A view in which no symbol has been looked up yet.
    pub fn new(board: &'a Board, sources: &'a Profiles, now: Instant) -> Self {
        BoardView { board, sources, now, seen: QuickMap::default(), reads: Reads::default() }
    }

    /// Looks a symbol up on the board, unless that was done already.
    pub(crate) fn look_at(&mut self, symbol: &Symbol) {
        self.seen(symbol);
    }

    /// The latest from one source about a symbol; `None` also if the symbol has not been looked up.
    pub fn known(&self, source: usize, symbol: &Symbol) -> Option<&Arc<Known>> {
        self.seen.get(symbol)?.0.get(source)?.as_ref()
    }

    /// The latest from each source about a symbol.
    pub(super) fn all(&mut self, symbol: &Symbol) -> impl Iterator<Item = &Known> {
        self.seen(symbol).0.iter().flatten().map(Arc::as_ref)
    }

    /// Whether a source has denied the symbol, and the denial is still believed.
    pub(super) fn is_denied_by(&mut self, source: usize, symbol: &Symbol) -> bool {
        let now = self.now;
        let known = self.seen(symbol).0.get(source).and_then(Option::as_ref);
        let denied_until =
            known.filter(|known| known.outcome.denies_symbol()).and_then(|known| known.denied_until(now));
        if !self.reads.symbols.contains(symbol) {
            self.reads.symbols.push(symbol.clone());
        }
        self.reads.until = self.reads.until.into_iter().chain(denied_until).min();
        denied_until.is_some()
    }

    /// What has decided since this was last called.
    pub(super) fn take_reads(&mut self) -> Reads {
        std::mem::take(&mut self.reads)
    }

    fn seen(&mut self, symbol: &Symbol) -> &Seen {
        let BoardView { board, sources, now, seen, .. } = self;
        seen.entry(symbol.clone()).or_insert_with(|| {
            let mut places = Seen::default();
            for known in board.recall(symbol, *now) {
                // a source that is no longer configured may still be on the board of a test
                let Some(place) = sources.place(&known.outcome.origin.source) else { continue };
                if places.0.len() <= place {
                    places.0.resize(place + 1, None);
                }
                places.0[place] = Some(known);
            }
            places
        })
    }
}
