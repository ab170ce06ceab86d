//! Tells whether a replica hears the store, and whether the store's clock runs as ours does.
//!
//! The other replicas see the same from their side: a member that has not been heard for a second may be spending its own share,
//! and they leave that to it. Pure: the present is passed in.

use std::time::Duration;

use tokio::time::Instant;

use super::script::StoreInstant;

/// For how long after its last reply a replica counts as heard.
pub(super) const HEARD_FOR: Duration = Duration::from_secs(1);

/// How far the store's clock may be off what it said before, beside the time that replies took.
const CLOCK_TOLERANCE: i64 = 100_000;

/// For how long a replica that does not hear the store may spend its share. The store forgets it a day after it was last heard.
const ALONE_FOR: Duration = Duration::from_secs(23 * 3_600);

/// After this time without the store, a replica that was never a member may start alone.
const STARTS_ALONE_AFTER: Duration = Duration::from_secs(60);

/// What is known of the way to the store.
#[derive(Clone, Copy, Debug)]
pub(super) struct Contact {
    last: Option<Heard>,
    phase: Phase,
    /// Whether it is telling the store what it has spent. It spends nothing meanwhile.
    is_returning: bool,
    /// By how much the store's clock was moved so far, in microseconds.
    moved: i64,
    /// How much of that has been dealt with.
    moved_before: i64,
    /// When this began.
    began: Instant,
}

/// A reply of the store.
#[derive(Clone, Copy, Debug)]
struct Heard {
    asked: Instant,
    received: Instant,
    at: StoreInstant,
}

/// How far a replica has come in taking part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// It has never been a member.
    New,
    /// It is a member, and the store knows what it has spent.
    Entered,
    /// It was a member, and the store may not know what it has spent since.
    Out,
}

/// What a replica may do at a moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    /// It asks the store for every unit.
    Contact,
    /// It may spend its own share, once what others were granted before no longer counts: this long after an instant the
    /// longest call and a period are over.
    Alone(Instant),
    /// It spends nothing.
    Waiting,
}

impl Contact {
    pub(super) fn new(now: Instant) -> Self {
        Contact { last: None, phase: Phase::New, is_returning: false, moved: 0, moved_before: 0, began: now }
    }

    /// Notes a reply that was asked for and received at these instants. Returns whether the store's clock has run as ours: if
    /// not, the reply decides nothing.
    pub(super) fn hear(&mut self, asked: Instant, received: Instant, at: StoreInstant) -> bool {
        let heard = Heard { asked, received, at };
        let Some(last) = self.last else {
            self.last = Some(heard);
            return true;
        };
        // of two replies that overtook each other, the one that was asked for later counts
        let is_newest = last.asked <= asked;
        let (earlier, later) = if is_newest { (last, heard) } else { (heard, last) };
        // the store replied at some instant between question and reply, so its clock must have gone on by something between these
        let least = micros(later.asked.saturating_duration_since(earlier.received));
        let most = micros(later.received.saturating_duration_since(earlier.asked));
        let went = later.at - earlier.at;
        let off = if went < least { went - least } else { (went - most).max(0) };
        let is_moved = off.abs() > CLOCK_TOLERANCE;
        // what an old reply shows was noticed with the newer one
        self.moved += if is_moved && is_newest { off } else { 0 };
        self.last = Some(later);
        !is_moved && self.moved == self.moved_before
    }

    /// The store's time in the last reply; 0 before the first.
    pub(super) fn last_heard(&self) -> StoreInstant {
        self.last.map_or(0, |last| last.at)
    }

    /// The store's time at an instant, as its last reply tells; `None` before the first.
    pub(super) fn store_time(&self, instant: Instant) -> Option<StoreInstant> {
        let Heard { asked, received, at } = self.last?;
        let replied = asked + received.saturating_duration_since(asked) / 2;
        let since = micros(instant.saturating_duration_since(replied));
        Some(at + since - micros(replied.saturating_duration_since(instant)))
    }

    /// The instant of a time of the store, as its last reply tells; `None` before the first.
    pub(super) fn instant(&self, at: StoreInstant) -> Option<Instant> {
        let Heard { asked, received, at: replied_at } = self.last?;
        let replied = asked + received.saturating_duration_since(asked) / 2;
        let since = Duration::from_micros(at.abs_diff(replied_at));
        if at < replied_at { replied.checked_sub(since) } else { replied.checked_add(since) }
    }

    /// What shows the store that this replica hears it: the time in its last reply, or 0 if it must not count as present.
    pub(super) fn sign_of_life(&self) -> StoreInstant {
        if self.phase == Phase::Entered && !self.is_returning { self.last_heard() } else { 0 }
    }

    /// By how much the store's clock was moved so far, in microseconds.
    pub(super) fn moved(&self) -> i64 {
        self.moved
    }

    /// The part of such a movement that has not been dealt with.
    pub(super) fn moved_since_entered(&self, moved: i64) -> i64 {
        moved - self.moved_before
    }

    /// Whether the last reply is young enough.
    pub(super) fn is_heard(&self, now: Instant) -> bool {
        self.last.is_some_and(|last| now.saturating_duration_since(last.received) < HEARD_FOR)
    }

    /// Whether it was never a member.
    pub(super) fn is_new(&self) -> bool {
        self.phase == Phase::New
    }

    /// Whether it has to tell the store what it has spent before it takes part again.
    pub(super) fn must_return(&self) -> bool {
        self.phase != Phase::Entered || self.moved != self.moved_before
    }

    /// Begins that. From now on nothing is spent.
    pub(super) fn begin_return(&mut self) {
        self.is_returning = true;
    }

    /// Gives it up for now.
    pub(super) fn fail_to_return(&mut self) {
        self.is_returning = false;
        self.go_alone();
    }

    /// Notes that the store may not know what this replica spends.
    pub(super) fn go_alone(&mut self) {
        if self.phase == Phase::Entered {
            self.phase = Phase::Out;
        }
    }

    /// Notes that it is a member, and that the clock's movements up to `moved` have been dealt with.
    pub(super) fn enter(&mut self, moved: i64) {
        (self.phase, self.is_returning, self.moved_before) = (Phase::Entered, false, moved);
    }

    /// What the replica may do. One that was never a member may spend its share after a minute if it `starts_alone`.
    pub(super) fn standing(&self, starts_alone: bool, now: Instant) -> Standing {
        if self.is_returning {
            return Standing::Waiting;
        }
        let alone_since = |since: Instant| match now < since + ALONE_FOR {
            true => Standing::Alone(since + HEARD_FOR),
            false => Standing::Waiting,
        };
        match (self.phase, self.last) {
            (Phase::Entered, _) if self.is_heard(now) => match self.moved == self.moved_before {
                true => Standing::Contact,
                false => Standing::Waiting,
            },
            (Phase::Entered | Phase::Out, Some(last)) => alone_since(last.received),
            (Phase::New, None) if starts_alone => Standing::Alone(self.began + STARTS_ALONE_AFTER),
            _ => Standing::Waiting,
        }
    }
}

/// A span in microseconds.
pub(super) fn micros(span: Duration) -> i64 {
    i64::try_from(span.as_micros()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: i64 = 1_000_000;

    fn after(begin: Instant, ms: u64) -> Instant {
        begin + Duration::from_millis(ms)
    }

    /// A contact that took part at the beginning, when the store's clock said 1,000 seconds.
    fn entered(begin: Instant) -> Contact {
        let mut contact = Contact::new(begin);
        assert!(contact.hear(begin, begin, 1_000 * SECOND));
        contact.enter(0);
        contact
    }

    #[test]
    fn a_replica_takes_part_until_a_second_after_its_last_reply() {
        let begin = Instant::now();
        let mut contact = entered(begin);
        assert_eq!(contact.standing(false, after(begin, 999)), Standing::Contact);
        assert!(contact.hear(after(begin, 400), after(begin, 440), 1_000 * SECOND + 420_000));
        assert_eq!(contact.standing(false, after(begin, 1_439)), Standing::Contact);
        assert_eq!(contact.standing(false, after(begin, 1_440)), Standing::Alone(after(begin, 1_440)));
    }

    #[test]
    fn the_stores_time_is_told_from_its_last_reply() {
        let begin = Instant::now();
        let mut contact = Contact::new(begin);
        assert_eq!((contact.store_time(begin), contact.instant(7)), (None, None));
        contact.hear(begin, after(begin, 20), 1_000 * SECOND);
        for (ms, at) in [(10, 0), (0, -10_000), (1_510, 1_500_000)] {
            assert_eq!(contact.store_time(after(begin, ms)), Some(1_000 * SECOND + at));
            assert_eq!(contact.instant(1_000 * SECOND + at), Some(after(begin, ms)));
        }
    }

    #[test]
    fn a_replica_that_tells_what_it_has_spent_spends_nothing_meanwhile_and_is_not_present() {
        let begin = Instant::now();
        let mut contact = entered(begin);
        let late = after(begin, 5_000);
        contact.begin_return();
        assert_eq!((contact.standing(false, late), contact.sign_of_life()), (Standing::Waiting, 0));
        // the store replies, but has not been told everything
        assert!(contact.hear(late, late, 1_005 * SECOND));
        contact.fail_to_return();
        assert_eq!((contact.standing(false, late), contact.sign_of_life()), (Standing::Alone(after(begin, 6_000)), 0));
        assert!(contact.must_return());
        contact.enter(0);
        assert_eq!((contact.standing(false, late), contact.sign_of_life()), (Standing::Contact, 1_005 * SECOND));
    }

    #[test]
    fn a_replica_that_has_spent_its_share_is_not_in_contact_until_it_has_told_the_store() {
        let begin = Instant::now();
        let mut contact = entered(begin);
        let late = after(begin, 20_000);
        contact.go_alone();
        assert!(contact.hear(late, late, 1_020 * SECOND));
        assert_eq!((contact.standing(false, late), contact.sign_of_life()), (Standing::Alone(after(begin, 21_000)), 0));
        // the others forget it after a day
        assert_eq!(contact.standing(false, late + ALONE_FOR), Standing::Waiting);
    }

    #[test]
    fn a_replica_that_was_never_heard_waits_unless_it_is_told_to_start_alone() {
        let begin = Instant::now();
        let contact = Contact::new(begin);
        assert_eq!(contact.standing(false, after(begin, 600_000)), Standing::Waiting);
        assert_eq!(contact.standing(true, after(begin, 10)), Standing::Alone(after(begin, 60_000)));
    }

    #[test]
    fn a_clock_that_was_moved_makes_a_reply_worthless_until_it_is_dealt_with() {
        for moved in [70 * SECOND, -3_600 * SECOND, 150_000, -150_000] {
            let begin = Instant::now();
            let mut contact = entered(begin);
            let now = after(begin, 250);
            assert!(!contact.hear(now, now, 1_000 * SECOND + 250_000 + moved));
            assert_eq!(contact.moved(), moved);
            assert_eq!(contact.standing(false, now), Standing::Waiting);
            // the next reply agrees with the moved clock, and decides nothing either
            assert!(!contact.hear(after(begin, 500), after(begin, 500), 1_000 * SECOND + 500_000 + moved));
            contact.enter(moved);
            assert_eq!(contact.standing(false, after(begin, 500)), Standing::Contact);
            assert!(contact.hear(after(begin, 750), after(begin, 750), 1_000 * SECOND + 750_000 + moved));
        }
    }

    #[test]
    fn slow_replies_and_those_that_overtake_each_other_do_not_look_like_a_moved_clock() {
        let begin = Instant::now();
        let mut contact = entered(begin);
        // asked at 100 and 110, replied to at 140 and 111 by the store, received in the other order
        assert!(contact.hear(after(begin, 110), after(begin, 112), 1_000 * SECOND + 111_000));
        assert!(contact.hear(after(begin, 100), after(begin, 900), 1_000 * SECOND + 140_000));
        // of the two, the one that was asked for later is remembered
        assert_eq!(contact.last_heard(), 1_000 * SECOND + 111_000);
    }

    #[test]
    fn a_movement_of_the_clock_is_noticed_once_whatever_reply_comes_late() {
        let begin = Instant::now();
        let mut contact = entered(begin);
        assert!(!contact.hear(after(begin, 200), after(begin, 201), 1_070 * SECOND + 200_000));
        assert!(!contact.hear(after(begin, 190), after(begin, 202), 1_000 * SECOND + 191_000));
        assert!((contact.moved() - 70 * SECOND).abs() < CLOCK_TOLERANCE);
    }
}
