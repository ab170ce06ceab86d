//! Holds what the board knows of one symbol: an entry per source, in the order of their names.
//!
//! Most junk symbols fail at one or two sources, and there are thousands of them. So this takes no more room than its
//! entries, where a map would reserve room for eleven at once.

use super::Entry;

/// The entries of one symbol.
#[derive(Debug, Default)]
pub(super) struct BySource(Vec<Entry>);

impl BySource {
    fn place(&self, source: &str) -> Result<usize, usize> {
        self.0.binary_search_by(|entry| entry.source().cmp(source))
    }

    pub(super) fn get(&self, source: &str) -> Option<&Entry> {
        self.0.get(self.place(source).ok()?)
    }

    pub(super) fn get_mut(&mut self, source: &str) -> Option<&mut Entry> {
        let place = self.place(source).ok()?;
        self.0.get_mut(place)
    }

    /// Inserts an entry in place of the one of the same source, and returns that one.
    pub(super) fn insert(&mut self, entry: Entry) -> Option<Entry> {
        match self.place(entry.source()) {
            Ok(place) => self.0.get_mut(place).map(|before| std::mem::replace(before, entry)),
            Err(place) => {
                self.0.reserve_exact(1);
                self.0.insert(place, entry);
                None
            }
        }
    }

    pub(super) fn remove(&mut self, source: &str) -> Option<Entry> {
        let place = self.place(source).ok()?;
        let removed = self.0.remove(place);
        self.0.shrink_to_fit();
        Some(removed)
    }

    /// All of them, in the order of the sources' names.
    pub(super) fn all(&self) -> impl Iterator<Item = &Entry> {
        self.0.iter()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}
