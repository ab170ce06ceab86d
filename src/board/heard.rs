//! Exchanges with other replicas what sources have said: tells them what has landed here, and takes in what has landed there.
//!
//! A quote of another replica counts as landed when it arrived there. It takes the place of an older one only, so that messages
//! may come late, twice, or in any order. Nothing that comes this way is told to others again.

use std::fmt;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tokio::time::Instant;

use super::remember::{kept, quote};
use super::{Board, Fault, InARow, Known, QuoteState, Stands, Update};
use crate::clock::Moment;
use crate::failure::{Failure, SourceError};
use crate::quote::{Origin, Outcome, Quote};
use crate::symbol::Symbol;

/// How far apart two replicas may see the same moment. Of two quotes that were sent closer together, neither is newer.
pub(crate) const SAME_MOMENT: Duration = Duration::from_millis(250);

/// How far ahead of its arrival a trade may be made, as clocks differ.
const AHEAD: SignedDuration = SignedDuration::from_secs(5);

/// What a source has said here, for other replicas.
#[derive(Clone, Debug)]
pub(crate) enum News {
    /// A quote, and when it arrived.
    Quote(Arc<Origin>, Box<QuoteState>, Instant),
    /// It has no such symbol: what it said, when, and until when it is believed.
    Denial(Arc<Origin>, Symbol, SourceError, Instant, Instant),
    /// The quote that arrived at this moment, by both clocks, belongs to another symbol.
    Withdrawal(Arc<Origin>, Symbol, Instant, Timestamp),
}

/// Where news for other replicas go; nowhere at first.
#[derive(Default)]
pub(super) struct Others(OnceLock<Box<dyn Fn(News) + Send + Sync>>);

impl fmt::Debug for Others {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Others").field(&self.0.get().is_some()).finish()
    }
}

impl Others {
    /// Tells what is known now, if others want to know it.
    pub(super) fn tell(&self, known: &Known) {
        let Some(tell) = self.0.get() else { return };
        tell_of(known).into_iter().for_each(tell);
    }

    /// Tells that a quote is withdrawn.
    pub(super) fn withdraw(&self, known: &Known) {
        let (Some(tell), Some(landed), Some(quote)) = (self.0.get(), known.quote_landed, &known.outcome.quote) else {
            return;
        };
        let (origin, symbol) = (Arc::clone(&known.outcome.origin), known.outcome.symbol.clone());
        tell(News::Withdrawal(origin, symbol, landed, quote.received_at));
    }
}

fn tell_of(known: &Known) -> Option<News> {
    let Known { outcome, quote_landed, failure_landed, stands, .. } = known;
    let origin = Arc::clone(&outcome.origin);
    match (&outcome.failure, *stands) {
        (None, _) => Some(News::Quote(origin, Box::new(kept(outcome)?), (*quote_landed)?)),
        (Some(failure), Stands::Until(until)) if outcome.denies_symbol() => {
            Some(News::Denial(origin, outcome.symbol.clone(), failure.error.clone(), (*failure_landed)?, until))
        }
        _ => None,
    }
}

impl Board {
    /// Tells others from now on what lands here. Only the first call has an effect.
    pub(crate) fn tell_others(&self, tell: impl Fn(News) + Send + Sync + 'static) {
        // a board has one exchange, which lives as long as the process
        let _ = self.others.0.set(Box::new(tell));
    }

    /// Takes in a quote that has landed at another replica at an instant. Returns whether it is news.
    pub(crate) fn hear_quote(&self, origin: &Arc<Origin>, heard: &QuoteState, landed: Instant, now: Moment) -> bool {
        let Some(symbol) = Symbol::written(&heard.symbol) else { return false };
        let quote = Quote { received_at: now.wall_at(landed), ..quote(heard) }.in_milliseconds();
        self.hear(origin, &symbol, |before| {
            let before = before.cloned();
            let is_news = before.as_ref().is_none_or(|known| known.is_before(&quote, landed));
            is_news.then(|| heard_quote(origin, &symbol, quote, landed, before))
        })
    }

    /// Takes in that a source has denied a symbol to another replica. It never takes the place of a quote. Returns whether it is
    /// news.
    pub(crate) fn hear_denial(
        &self,
        origin: &Arc<Origin>,
        symbol: &Symbol,
        error: SourceError,
        (landed, until): (Instant, Instant),
        now: Moment,
    ) -> bool {
        self.hear(origin, symbol, |before| {
            let is_later = |known: &Known| known.failure_landed.is_none_or(|failed| failed < landed);
            let is_news = before.is_none_or(|known| known.outcome.quote.is_none() && is_later(known));
            let at = now.wall_at(landed);
            let failure = Failure { error, at, latency: None, is_doubted: false, retry_at: None };
            let (origin, symbol) = (Arc::clone(origin), symbol.clone());
            is_news.then(|| Known {
                outcome: Outcome { origin, symbol, quote: None, failure: Some(Box::new(failure)) },
                quote_landed: None,
                own_landed: before.and_then(|known| known.own_landed),
                failure_landed: Some(landed),
                stands: Stands::Until(until),
                refused_until: None,
                in_a_row: before.map(|known| known.in_a_row).unwrap_or_default(),
                answered: Some(landed),
            })
        })
    }

    /// Takes in that the quote that landed at another replica about this time belongs to another symbol. Returns whether it was
    /// here.
    pub(crate) fn hear_withdrawal(
        &self,
        origin: &Arc<Origin>,
        symbol: &Symbol,
        is_it: impl Fn(Instant) -> bool,
        now: Moment,
    ) -> bool {
        self.hear(origin, symbol, |before| {
            let is_heard = |known: &&Known| known.quote_landed != known.own_landed;
            let known = before.filter(is_heard).filter(|known| known.quote_landed.is_some_and(is_it))?;
            let error = SourceError::Malformed("another replica found that it belongs to another symbol".to_owned());
            let failure = Failure { error, at: now.wall, latency: None, is_doubted: false, retry_at: None };
            let outcome = Outcome { quote: None, failure: Some(Box::new(failure)), ..known.outcome.clone() };
            Some(Known {
                outcome,
                quote_landed: None,
                failure_landed: Some(now.monotonic),
                stands: Stands::WithSource,
                answered: None,
                ..known.clone()
            })
        })
    }

    /// Writes what is known after a message, if that is news.
    fn hear(&self, origin: &Arc<Origin>, symbol: &Symbol, judge: impl FnOnce(Option<&Known>) -> Option<Known>) -> bool {
        let mut state = self.lock();
        if state.is_retired(origin) {
            return false;
        }
        let entry = state.symbols.get(symbol).and_then(|entries| entries.by_source.get(&origin.source));
        let Some(known) = judge(entry.map(|entry| &*entry.known)) else { return false };
        state.landed += u64::from(known.outcome.quote.is_some());
        state.insert(symbol, Arc::new(known), None);
        drop(state);
        self.landings.send_replace(());
        true
    }
}

impl Known {
    /// Whether a quote that landed elsewhere at an instant is newer than what is known here.
    fn is_before(&self, heard: &Quote, landed: Instant) -> bool {
        let sent = |landed: Instant, quote: &Quote| landed.checked_sub(quote.latency).unwrap_or(landed);
        if self.outcome.is_denied() && self.failure_landed.is_some_and(|denied| denied >= sent(landed, heard)) {
            return false;
        }
        let (Some(quote), Some(own_landed)) = (&self.outcome.quote, self.quote_landed) else { return true };
        // a trade is not made after its quote has come: such a time says nothing
        let traded = |quote: &Quote| {
            quote.observed_at.filter(|at| *at <= quote.received_at.saturating_add(AHEAD).unwrap_or(*at))
        };
        match (traded(heard), traded(quote)) {
            // the times of two trades
            (Some(heard_at), Some(own_at)) if heard_at != own_at => heard_at > own_at,
            _ => sent(landed, heard) > sent(own_landed, quote) + SAME_MOMENT,
        }
    }

    /// When what is known was told to other replicas, if its latest word is something that they are told.
    pub(crate) fn told_at(&self) -> Option<Instant> {
        match &self.outcome.failure {
            None => kept(&self.outcome).and(self.quote_landed),
            Some(_) => self.failure_landed.filter(|_| self.outcome.denies_symbol()),
        }
    }

    /// What is known after a reply to a call of this replica, if another replica has heard something since the call was sent: that
    /// stays, and only the failure goes. `None` if the reply decides.
    pub(super) fn unless_older(&self, update: &Update, now: Instant) -> Option<Known> {
        let (quote, landed) = (self.outcome.quote.as_ref()?, self.quote_landed?);
        if self.own_landed == Some(landed) {
            return None;
        }
        let sent = landed.checked_sub(quote.latency).unwrap_or(landed);
        // a call that was sent after the quote had come decides, whatever it says of trades: it may correct that
        let is_earlier = |own: &Quote| now.checked_sub(own.latency).is_none_or(|own_sent| own_sent < landed);
        match update {
            Update::Quote(own) if is_earlier(own) && !self.is_before(own, now) => Some(Known {
                outcome: Outcome { failure: None, ..self.outcome.clone() },
                failure_landed: None,
                stands: Stands::WithSource,
                refused_until: None,
                in_a_row: InARow::default(),
                own_landed: Some(now),
                answered: Some(now),
                ..self.clone()
            }),
            Update::Failure(Fault { error, latency, .. })
                if error.denies_symbol() && now.checked_sub(*latency).unwrap_or(now) < sent =>
            {
                Some(Known { answered: Some(now), ..self.clone() })
            }
            _ => None,
        }
    }
}

/// What is known once another replica's quote has landed. A later failure of this replica's own calls stays beside it.
fn heard_quote(origin: &Arc<Origin>, symbol: &Symbol, quote: Quote, landed: Instant, before: Option<Known>) -> Known {
    let answered = before.as_ref().and_then(|known| known.answered).max(Some(landed));
    let own_landed = before.as_ref().and_then(|known| known.own_landed);
    let has_failed_since =
        |known: &Known| known.refused_until.is_none() && known.failure_landed.is_some_and(|failed| failed > landed);
    match before {
        Some(mut known) if has_failed_since(&known) => {
            (known.outcome.quote, known.quote_landed) = (Some(quote), Some(landed));
            known
        }
        _ => Known {
            outcome: Outcome { origin: Arc::clone(origin), symbol: symbol.clone(), quote: Some(quote), failure: None },
            quote_landed: Some(landed),
            own_landed,
            failure_landed: None,
            stands: Stands::WithSource,
            refused_until: None,
            in_a_row: InARow::default(),
            answered,
        },
    }
}

#[cfg(test)]
mod tests {
    use parking_lot::Mutex;
    use proptest::prelude::*;
    use rust_decimal::Decimal;

    use super::*;
    use crate::clock::Clock;
    use crate::quote::Role;

    fn origin() -> Arc<Origin> {
        Arc::new(Origin { source: "a".into(), account: "a".into(), role: Role::Primary, lag_ms: 0, by_isin: false })
    }

    fn symbol() -> Symbol {
        Symbol::parse("AAPL").unwrap()
    }

    fn ago(now: Moment, ms: u64) -> Instant {
        now.monotonic.checked_sub(Duration::from_millis(ms)).unwrap()
    }

    /// A quote for a price, of a trade that was made `traded` milliseconds ago, if that is stated.
    fn quote_for(price: u32, traded: Option<u64>, now: Moment) -> Quote {
        let observed_at = traded.map(|ms| now.wall_at(ago(now, ms)));
        Quote { observed_at, ..Quote::bare(Decimal::from(price), now.wall) }
    }

    fn state(quote: Quote) -> QuoteState {
        let outcome = Outcome { origin: origin(), symbol: symbol(), quote: Some(quote), failure: None };
        kept(&outcome).unwrap()
    }

    fn price(board: &Board, now: Moment) -> Option<Decimal> {
        board.known("a", &symbol(), now.monotonic)?.outcome.quote.as_ref()?.last()
    }

    fn denial() -> SourceError {
        SourceError::UnknownSymbol("no such symbol".to_owned())
    }

    fn failure(error: SourceError, until: Instant) -> Update {
        let (latency, stands, in_a_row) = (Duration::ZERO, Stands::Until(until), InARow::default());
        Update::Failure(Fault { error, latency, stands, is_doubted: false, in_a_row })
    }

    proptest! {
        #[test]
        fn whatever_the_order_of_messages_the_newest_quote_stays(
            quotes in proptest::collection::vec((0..10_000_u64, 0..500_u64), 1..8),
            states_trades: bool,
            order in proptest::collection::vec(any::<proptest::sample::Index>(), 1..20),
        ) {
            let (board, now, origin) = (Board::new(8), Clock::system().now(), origin());
            let hear = |at: usize| {
                let (landed, latency) = quotes[at];
                // the trade before each quote was made when the call was sent
                let sent = landed + latency;
                let quote = quote_for(u32::try_from(at).unwrap() + 1, states_trades.then_some(sent), now);
                let quote = Quote { latency: Duration::from_millis(latency), ..quote };
                board.hear_quote(&origin, &state(quote), ago(now, landed), now);
            };
            order.iter().for_each(|index| hear(index.index(quotes.len())));
            (0..quotes.len()).for_each(hear);
            let sent = |at: usize| quotes[at].0 + quotes[at].1;
            let newest = (0..quotes.len()).map(sent).min().unwrap();
            let kept = price(&board, now).unwrap().to_string().parse::<usize>().unwrap() - 1;
            prop_assert!(u128::from(sent(kept) - newest) <= SAME_MOMENT.as_millis() || states_trades && sent(kept) == newest);
        }
    }

    #[test]
    fn a_quote_of_another_replica_is_as_old_as_it_was_there() {
        let (board, now) = (Board::new(8), Clock::system().now());
        let landed = ago(now, 5_000);
        assert!(board.hear_quote(&origin(), &state(quote_for(7, None, now)), landed, now));
        let known = board.known("a", &symbol(), now.monotonic).unwrap();
        assert_eq!((known.quote_landed, known.answered), (Some(landed), Some(landed)));
        let stated = known.outcome.quote.as_ref().unwrap().received_at;
        assert_eq!(stated.as_millisecond(), now.wall_at(landed).as_millisecond());
        // what is here already is no news
        assert!(!board.hear_quote(&origin(), &state(quote_for(7, None, now)), landed, now));
    }

    #[test]
    fn a_trade_that_was_made_later_counts_however_late_its_message_comes() {
        let (board, now) = (Board::new(8), Clock::system().now());
        board.land(&origin(), &symbol(), Update::Quote(quote_for(1, Some(9_000), now)), now);
        assert!(board.hear_quote(&origin(), &state(quote_for(2, Some(3_000), now)), ago(now, 2_000), now));
        assert!(!board.hear_quote(&origin(), &state(quote_for(3, Some(4_000), now)), now.monotonic, now));
        assert_eq!(price(&board, now), Some(Decimal::TWO));
    }

    #[test]
    fn an_error_never_takes_the_place_of_a_quote_and_a_later_denial_outlives_an_earlier_quote() {
        let (board, now) = (Board::new(8), Clock::system().now());
        let until = now.monotonic + Duration::from_secs(60);
        assert!(board.hear_denial(&origin(), &symbol(), denial(), (ago(now, 4_000), until), now));
        assert!(!board.hear_quote(&origin(), &state(quote_for(1, None, now)), ago(now, 5_000), now));
        assert!(board.known("a", &symbol(), now.monotonic).unwrap().is_denied(now.monotonic));
        assert!(board.hear_quote(&origin(), &state(quote_for(2, None, now)), ago(now, 3_000), now));
        assert!(!board.hear_denial(&origin(), &symbol(), denial(), (ago(now, 1_000), until), now));
        assert_eq!(price(&board, now), Some(Decimal::TWO));
    }

    #[test]
    fn a_failure_of_our_own_call_stays_beside_an_older_quote_of_others_and_gives_way_to_a_newer_one() {
        let (board, now) = (Board::new(8), Clock::system().now());
        let cut_off = SourceError::Connection("refused".to_owned());
        board.land(&origin(), &symbol(), failure(cut_off, now.monotonic), now);
        let outcome = || board.known("a", &symbol(), now.monotonic).unwrap().outcome.clone();
        assert!(board.hear_quote(&origin(), &state(quote_for(1, None, now)), ago(now, 1_000), now));
        assert!(outcome().failure.is_some() && outcome().quote.is_some());
        let later = Moment { monotonic: now.monotonic + Duration::from_secs(1), ..now };
        assert!(board.hear_quote(&origin(), &state(quote_for(2, None, now)), later.monotonic, later));
        assert!(outcome().failure.is_none());
    }

    #[test]
    fn a_reply_to_a_call_that_was_sent_earlier_takes_the_place_of_no_newer_quote_of_others() {
        let (board, now) = (Board::new(8), Clock::system().now());
        board.hear_quote(&origin(), &state(quote_for(2, None, now)), ago(now, 1_000), now);
        // sent three seconds ago, and answered now
        let took = Duration::from_secs(3);
        let slow = |price| Quote { latency: took, ..quote_for(price, None, now) };
        board.land(&origin(), &symbol(), Update::Quote(slow(1)), now);
        assert_eq!(price(&board, now), Some(Decimal::TWO));
        let (stands, in_a_row) = (Stands::Until(now.monotonic + took), InARow::default());
        let denied = Fault { error: denial(), latency: took, stands, is_doubted: false, in_a_row };
        board.land(&origin(), &symbol(), Update::Failure(denied), now);
        assert_eq!(price(&board, now), Some(Decimal::TWO));
        // one that was sent later does
        board.land(&origin(), &symbol(), Update::Quote(quote_for(3, None, now)), now);
        assert_eq!(price(&board, now), Some(Decimal::from(3)));
    }

    #[test]
    fn a_wrong_time_of_a_trade_is_corrected_by_the_next_call() {
        let (board, now) = (Board::new(8), Clock::system().now());
        let ahead = |seconds: u64| now.wall_at(now.monotonic + Duration::from_secs(seconds));
        // a trade that is yet to be made is not the later one
        let future = Quote { observed_at: Some(ahead(3_600)), ..quote_for(1, None, now) };
        board.hear_quote(&origin(), &state(future), ago(now, 2_000), now);
        assert!(board.hear_quote(&origin(), &state(quote_for(2, Some(9_000), now)), ago(now, 1_000), now));
        // and a call of this replica that was sent later may take a trade back
        board.land(&origin(), &symbol(), Update::Quote(quote_for(3, Some(60_000), now)), now);
        assert_eq!(price(&board, now), Some(Decimal::from(3)));
    }

    #[test]
    fn a_source_serves_this_replica_only_by_what_it_has_told_this_one() {
        let (board, now) = (Board::new(8), Clock::system().now());
        let other = Symbol::parse("MSFT").unwrap();
        board.hear_quote(&origin(), &state(quote_for(1, None, now)), now.monotonic, now);
        assert!(!board.serves_others("a", &other, ago(now, 1_000)));
        board.land(&origin(), &symbol(), Update::Quote(quote_for(2, None, now)), now);
        assert!(board.serves_others("a", &other, ago(now, 1_000)));
    }

    #[test]
    fn others_are_told_of_quotes_denials_and_withdrawals_and_of_nothing_else() {
        let (board, now) = (Board::new(8), Clock::system().now());
        let told: Arc<Mutex<Vec<&str>>> = Arc::default();
        let tells = Arc::clone(&told);
        board.tell_others(move |news| {
            tells.lock().push(match news {
                News::Quote(..) => "quote",
                News::Denial(..) => "denial",
                News::Withdrawal(..) => "withdrawal",
            });
        });
        let until = now.monotonic + Duration::from_secs(60);
        let quote = quote_for(1, None, now);
        let arrived = quote.received_at;
        board.land(&origin(), &symbol(), Update::Quote(quote), now);
        board.land(&origin(), &symbol(), failure(SourceError::Timeout(Duration::ZERO), until), now);
        board.land(&origin(), &symbol(), Update::Refusal(denial(), until), now);
        let arrived = crate::clock::in_milliseconds(arrived);
        board.land(&origin(), &symbol(), Update::Withdrawal(arrived, denial()), now);
        board.land(&origin(), &symbol(), failure(denial(), until), now);
        board.hear_quote(&origin(), &state(quote_for(2, None, now)), now.monotonic + Duration::from_secs(1), now);
        assert_eq!(*told.lock(), ["quote", "withdrawal", "denial"]);
    }

    #[test]
    fn a_withdrawn_quote_of_another_replica_is_gone_and_no_other_is() {
        let (board, now) = (Board::new(8), Clock::system().now());
        board.hear_quote(&origin(), &state(quote_for(1, None, now)), ago(now, 3_000), now);
        assert!(!board.hear_withdrawal(&origin(), &symbol(), |landed| landed == ago(now, 9_000), now));
        assert!(board.hear_withdrawal(&origin(), &symbol(), |landed| landed == ago(now, 3_000), now));
        assert_eq!(price(&board, now), None);
    }
}
