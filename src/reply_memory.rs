//! Bounds the memory of replies: of ours that clients have not read yet, and of the sources' that we are reading.
//!
//! A client that reads slowly, or a vendor that sends slowly, can hold memory for as long as it likes. Together they
//! hold at most `server.max_reply_memory`. Beyond that, new requests are shed, and a source's reply that grows long is
//! abandoned.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// A memory budget in bytes. Cheap to clone; all clones share it.
#[derive(Clone, Debug)]
pub struct ReplyMemory(Arc<Budget>);

#[derive(Debug)]
struct Budget {
    limit: usize,
    used: AtomicUsize,
}

/// Memory that is held until this is dropped.
#[derive(Debug)]
pub struct Held {
    memory: ReplyMemory,
    bytes: usize,
}

/// There is no room for more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the memory for replies is used up (server.max_reply_memory)")]
pub struct Full;

impl ReplyMemory {
    /// A budget of `limit` bytes.
    pub fn new(limit: usize) -> Self {
        ReplyMemory(Arc::new(Budget { limit, used: AtomicUsize::new(0) }))
    }

    /// A budget without a limit, for a program that asks once.
    pub(crate) fn unbounded() -> Self {
        ReplyMemory::new(usize::MAX)
    }

    /// How many bytes are held.
    pub fn used(&self) -> usize {
        self.0.used.load(Ordering::Relaxed)
    }

    /// Whether nothing more can be held.
    pub(crate) fn is_full(&self) -> bool {
        self.used() >= self.0.limit
    }

    /// Holds `bytes` more for a reply that holds `own` already.
    ///
    /// A single reply may exceed the budget: there is room for it while no other reply holds any memory.
    ///
    /// # Errors
    /// The budget has no room, and other replies hold some of it.
    pub fn hold(&self, bytes: usize, own: usize) -> Result<Held, Full> {
        let more = |used: usize| {
            let together = used.saturating_add(bytes);
            (together <= self.0.limit || used <= own).then_some(together)
        };
        self.0.used.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more).map_err(|_| Full)?;
        Ok(Held { memory: self.clone(), bytes })
    }

    /// Holds nothing yet.
    pub(crate) fn hold_nothing(&self) -> Held {
        Held { memory: self.clone(), bytes: 0 }
    }
}

impl Held {
    /// How many bytes this holds.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Holds `bytes` in all, unless it already holds more.
    ///
    /// # Errors
    /// As [`ReplyMemory::hold`]. What was held before stays held.
    pub(crate) fn grow_to(&mut self, bytes: usize) -> Result<(), Full> {
        let mut more = self.memory.hold(bytes.saturating_sub(self.bytes), self.bytes)?;
        self.bytes += std::mem::take(&mut more.bytes);
        Ok(())
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.memory.0.used.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn held_memory_is_released_and_more_than_fits_is_refused() {
        let memory = ReplyMemory::new(100);
        let mut first = memory.hold(60, 0).unwrap();
        assert_eq!(memory.hold(41, 0).err(), Some(Full));
        first.grow_to(70).unwrap();
        first.grow_to(10).unwrap();
        let second = memory.hold(30, 0).unwrap();
        assert!(memory.is_full() && first.grow_to(71).is_err());
        assert_eq!((first.bytes(), memory.used()), (70, 100));
        drop((first, second));
        assert_eq!(memory.used(), 0);
    }

    #[test]
    fn one_reply_alone_may_exceed_the_budget() {
        let memory = ReplyMemory::new(100);
        let first = memory.hold(90, 0).unwrap();
        let second = memory.hold(90, first.bytes()).unwrap();
        assert!(memory.is_full() && memory.hold(1, 0).is_err());
        drop((first, second));
        let mut body = memory.hold_nothing();
        body.grow_to(500).unwrap();
        assert_eq!(memory.used(), 500);
    }

    proptest! {
        #[test]
        fn no_memory_is_lost_and_only_a_single_reply_may_exceed_the_budget(
            steps in prop::collection::vec((0_usize..8, 0_usize..120), 0..60),
        ) {
            let memory = ReplyMemory::new(100);
            let mut all: Vec<Held> = (0..8).map(|_| memory.hold_nothing()).collect();
            for (place, bytes) in steps {
                if bytes < 10 {
                    all[place] = memory.hold_nothing();
                } else {
                    let _ = all[place].grow_to(bytes);
                }
                let holders = all.iter().filter(|held| held.bytes() > 0).count();
                prop_assert_eq!(memory.used(), all.iter().map(Held::bytes).sum::<usize>());
                prop_assert!(memory.used() <= 100 || holders == 1);
            }
        }
    }
}
