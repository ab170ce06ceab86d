//! One symbol that is looked at: its latest price, ready to be sent, and what would change it.

use std::sync::Arc;

use jiff::Timestamp;
use parking_lot::Mutex;
use rust_decimal::Decimal;
use tokio::time::Instant;

use super::wakeup::Wakeup;
use crate::answer::EntryText;
use crate::board::Mark;
use crate::convert::Priced;
use crate::fold::Status;
use crate::question::Changes;
use crate::reply_memory::Held;
use crate::symbol::Currency;

/// One symbol that is looked at.
pub(super) struct Topic(Mutex<State>);

struct State {
    /// `None` until there is something to tell.
    latest: Option<Latest>,
    /// What the latest fold was made from; `None` before the first.
    depends: Option<Depends>,
    /// Whether it must be folded again whatever it was made from.
    must_be_folded: bool,
    readers: Vec<TopicReader>,
    asked: Asked,
    /// The memory of its texts.
    held: Held,
}

/// Where its sources stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Asked {
    /// Whether they have been asked and have answered, or have had their time. Until then, only a price that is `ok` is told: any
    /// other one would only say that the answers are not there yet.
    has_been: bool,
    /// Whether they are being asked.
    is_under_way: bool,
    /// When they must be asked again; `None` if never.
    next: Option<Instant>,
    /// How often they had to be asked anew because the settings had changed.
    renewals: u64,
}

struct TopicReader {
    number: u64,
    wakeup: Arc<Wakeup>,
    wants_quotes: bool,
}

/// What is told of a symbol.
#[derive(Clone)]
pub(super) struct Latest {
    /// What readers compare.
    pub(super) said: Arc<Said>,
    without_quotes: Arc<EntryText>,
    /// Written only if a reader wants it.
    with_quotes: Option<Arc<EntryText>>,
}

/// What a change is measured by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Said {
    price: Option<Decimal>,
    currency: Option<Currency>,
    status: Status,
}

/// What a price was made from.
pub(super) struct Depends {
    /// The marks of all symbols that were read.
    pub(super) marks: Vec<Arc<Mark>>,
    /// The version of the board before they were.
    pub(super) version: u64,
    /// When the price was folded. If the wall clock is set back, it is folded again.
    pub(super) folded_at: Timestamp,
    /// The first moment at which the price may be another one although nothing has landed.
    pub(super) valid_until: Timestamp,
}

impl Latest {
    /// The text for readers that want the proof, or for those that do not.
    pub(super) fn text(&self, quotes: bool) -> Option<&Arc<EntryText>> {
        if quotes { self.with_quotes.as_ref() } else { Some(&self.without_quotes) }
    }
}

impl Said {
    fn of(priced: &Priced) -> Self {
        let Priced { price, conversion } = priced;
        let shown = match conversion {
            Some(conversion) => conversion.price,
            None => price.folded.as_ref().map(|folded| folded.price),
        };
        Said { price: shown, currency: price.currency.clone(), status: price.status }
    }

    /// Whether this is news to a reader that has heard something else before.
    pub(super) fn is_news(&self, before: &Said, on: Changes) -> bool {
        let has_price_changed = || (self.price, &self.currency) != (before.price, &before.currency);
        match on {
            Changes::Price => has_price_changed(),
            Changes::Status => self.status != before.status,
            Changes::Any => self.status != before.status || has_price_changed(),
        }
    }
}

impl Depends {
    fn holds(&self, now: Timestamp) -> bool {
        (self.folded_at..self.valid_until).contains(&now)
            && self.marks.iter().all(|mark| mark.version() <= self.version)
    }
}

impl Topic {
    /// A topic of which nothing is known yet.
    pub(super) fn new(held: Held) -> Self {
        let asked = Asked { has_been: false, is_under_way: false, next: Some(Instant::now()), renewals: 0 };
        let readers = Vec::new();
        Topic(Mutex::new(State { latest: None, depends: None, must_be_folded: true, readers, asked, held }))
    }

    /// Notes a reader. Returns whether the symbol must be folded before there is something to tell it.
    pub(super) fn enter(&self, number: u64, wakeup: &Arc<Wakeup>, wants_quotes: bool) -> bool {
        let mut state = self.0.lock();
        state.readers.push(TopicReader { number, wakeup: Arc::clone(wakeup), wants_quotes });
        let is_there = state.latest.as_ref().is_some_and(|latest| latest.text(wants_quotes).is_some());
        if !is_there {
            // a fold that is under way may not know of this reader
            state.must_be_folded = true;
        } else if wakeup.note() {
            wakeup.wake();
        }
        !is_there
    }

    /// Notes that a reader is gone. Returns whether it was the last.
    pub(super) fn leave(&self, number: u64) -> bool {
        let mut state = self.0.lock();
        state.readers.retain(|reader| reader.number != number);
        state.readers.is_empty()
    }

    /// Has the symbol folded and its sources asked anew, since the settings have changed.
    pub(super) fn renew(&self) {
        let mut state = self.0.lock();
        state.must_be_folded = true;
        state.asked.next = Some(Instant::now());
        state.asked.renewals += 1;
    }

    /// What is told of the symbol now.
    pub(super) fn latest(&self) -> Option<Latest> {
        self.0.lock().latest.clone()
    }

    /// Whether the price may be another one by now.
    pub(super) fn is_dirty(&self, now: Timestamp) -> bool {
        let state = self.0.lock();
        state.must_be_folded || !state.depends.as_ref().is_some_and(|depends| depends.holds(now))
    }

    /// Notes that it is about to be folded. What asks for another fold from now on is not lost.
    pub(super) fn is_being_folded(&self) {
        self.0.lock().must_be_folded = false;
    }

    /// The moment at which it may be another price although nothing has landed.
    pub(super) fn valid_until(&self) -> Option<Timestamp> {
        self.0.lock().depends.as_ref().map(|depends| depends.valid_until)
    }

    /// Takes a price that was folded anew. If it is news, the wakeups of the readers that must be sent are added to `to_wake`.
    ///
    /// # Errors
    /// Never for our types; the error of the serializer is passed on rather than hidden.
    pub(super) fn folded(
        &self,
        priced: &Priced,
        depends: Depends,
        to_wake: &mut Vec<Arc<Wakeup>>,
    ) -> serde_json::Result<()> {
        let wants_quotes = self.0.lock().readers.iter().any(|reader| reader.wants_quotes);
        let without_quotes = Arc::new(EntryText::of(priced, false)?);
        let with_quotes = if wants_quotes { Some(Arc::new(EntryText::of(priced, true)?)) } else { None };
        let said = Said::of(priced);
        let mut state = self.0.lock();
        state.depends = Some(depends);
        if said.status != Status::Ok && !state.asked.has_been {
            return Ok(());
        }
        let before = state.latest.take();
        let is_news = before.as_ref().is_none_or(|before| *before.said != said);
        let had_quotes = before.as_ref().is_some_and(|before| before.with_quotes.is_some());
        let said = match before {
            // readers that have it see at once that it is the same
            Some(before) if !is_news => before.said,
            _ => Arc::new(said),
        };
        let bytes = without_quotes.len() + with_quotes.as_ref().map_or(0, |text| text.len());
        // beyond the budget new readers and requests are refused, but what is looked at is told
        let _ = state.held.grow_to(bytes);
        let first_with_quotes = with_quotes.is_some() && !had_quotes;
        state.latest = Some(Latest { said, without_quotes, with_quotes });
        let concerned = state.readers.iter().filter(|reader| is_news || first_with_quotes && reader.wants_quotes);
        to_wake.extend(concerned.map(|reader| &reader.wakeup).filter(|wakeup| wakeup.note()).map(Arc::clone));
        Ok(())
    }

    /// When its sources must be asked; `None` if they are being asked, or never have to be.
    pub(super) fn next_ask(&self) -> Option<Instant> {
        let asked = self.0.lock().asked;
        asked.next.filter(|_| !asked.is_under_way)
    }

    /// Notes that its sources are being asked. Returns how often they had to be asked anew so far.
    pub(super) fn is_being_asked(&self) -> u64 {
        let asked = &mut self.0.lock().asked;
        asked.is_under_way = true;
        asked.renewals
    }

    /// Notes that they have answered, and when they must be asked again: at once if the settings have changed meanwhile.
    pub(super) fn was_asked(&self, next: Option<Instant>, renewals: u64) {
        let mut state = self.0.lock();
        let is_first = !state.asked.has_been;
        let next = if state.asked.renewals == renewals { next } else { Some(Instant::now()) };
        state.asked = Asked { has_been: true, is_under_way: false, next, ..state.asked };
        if is_first {
            // what could not be told so far can be told now
            state.must_be_folded = true;
        }
    }

    /// Notes that asking them has ended before its time, and when to try again.
    pub(super) fn was_not_asked(&self, again: Instant) {
        let asked = &mut self.0.lock().asked;
        (asked.is_under_way, asked.next) = (false, Some(again));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reply_memory::ReplyMemory;

    #[test]
    fn a_change_of_the_settings_while_sources_are_asked_has_them_asked_again() {
        let topic = Topic::new(ReplyMemory::new(1 << 20).hold_nothing());
        let later = Instant::now() + std::time::Duration::from_secs(600);
        let renewals = topic.is_being_asked();
        assert_eq!(topic.next_ask(), None);
        topic.renew();
        topic.was_asked(Some(later), renewals);
        assert!(topic.next_ask().is_some_and(|next| next < later));
        let renewals = topic.is_being_asked();
        topic.was_asked(Some(later), renewals);
        assert_eq!(topic.next_ask(), Some(later));
    }

    #[test]
    fn an_ask_that_ends_before_its_time_says_nothing_of_the_sources() {
        let topic = Topic::new(ReplyMemory::new(1 << 20).hold_nothing());
        topic.is_being_asked();
        let again = Instant::now();
        topic.was_not_asked(again);
        assert_eq!(topic.next_ask(), Some(again));
        assert!(!topic.0.lock().asked.has_been);
    }
}
