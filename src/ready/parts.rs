//! Puts the body of an answer together from texts that are ready. Long texts are not copied: all answers share them.

use std::sync::Arc;

use jiff::Timestamp;

use crate::answer::EntryText;

/// A shorter text is copied: sending it by itself would cost more than the copy.
const SHORTEST_SHARED: usize = 8 * 1024;

/// Bytes for what stands around the texts.
const AROUND: usize = 256;

/// A part of a body.
#[derive(Debug)]
pub enum Part {
    /// Bytes of this answer alone.
    Own(Vec<u8>),
    /// The larger part of a text that is ready.
    Shared(AfterAge),
}

/// What a text says after the age of its price.
#[derive(Debug)]
pub struct AfterAge(Arc<EntryText>);

/// A body that is being put together.
pub(super) struct Parts {
    closed: Vec<Part>,
    /// The bytes after the last shared text.
    pub(super) open: Vec<u8>,
}

impl AsRef<[u8]> for AfterAge {
    fn as_ref(&self) -> &[u8] {
        self.0.after_age()
    }
}

impl AsRef<[u8]> for Part {
    fn as_ref(&self) -> &[u8] {
        match self {
            Part::Own(bytes) => bytes,
            Part::Shared(text) => text.as_ref(),
        }
    }
}

impl Parts {
    /// An empty body that has room for its own bytes, once these texts are in it.
    pub(super) fn for_texts<'t>(texts: impl Iterator<Item = &'t Arc<EntryText>>) -> Self {
        let copied = texts.filter(|text| !is_shared(text)).map(|text| text.len());
        Parts { closed: Vec::new(), open: Vec::with_capacity(copied.sum::<usize>() + AROUND) }
    }

    /// Appends a text, as of `now`.
    pub(super) fn push(&mut self, text: &Arc<EntryText>, now: Timestamp) {
        text.write_up_to_age(now, &mut self.open);
        if is_shared(text) {
            let before = std::mem::take(&mut self.open);
            self.closed.extend([Part::Own(before), Part::Shared(AfterAge(Arc::clone(text)))]);
        } else {
            self.open.extend_from_slice(text.after_age());
        }
    }

    /// The parts in their order.
    pub(super) fn finish(mut self) -> Vec<Part> {
        self.closed.push(Part::Own(self.open));
        self.closed
    }
}

fn is_shared(text: &EntryText) -> bool {
    text.after_age().len() >= SHORTEST_SHARED
}
