//! Keeps the JSON of one price as text that can be sent at any time: only the price's age is filled in.

use std::io::Write;
use std::sync::OnceLock;

use jiff::Timestamp;

use super::json::{Entry, age_ms};
use crate::convert::Priced;
use crate::fingerprint::Fingerprint;

/// The bytes of a fingerprint.
pub(crate) const TAG: usize = 12;

/// What stands before the age.
const BEFORE_AGE: &[u8] = br#""age_ms":"#;

/// The JSON of one price.
#[derive(Clone, Debug)]
pub(crate) struct EntryText {
    text: Vec<u8>,
    age: Option<Age>,
    /// Its fingerprint, once that was asked for.
    tag: OnceLock<Fingerprint>,
}

/// Where the age belongs.
#[derive(Clone, Copy, Debug)]
struct Age {
    place: usize,
    aged_from: Timestamp,
}

impl EntryText {
    /// The text of a price. `quotes` says whether the caller wants the proof.
    ///
    /// # Errors
    /// Never for our types; the error of the serializer is passed on rather than hidden.
    pub(crate) fn of(priced: &Priced, quotes: bool) -> serde_json::Result<Self> {
        let aged_from = priced.price.folded.as_ref().map(|folded| folded.aged_from);
        let mut text = serde_json::to_vec(&Entry::new(priced, quotes, aged_from.unwrap_or(priced.price.as_of)))?;
        // in a string, a backslash would stand before the second quotation mark
        let place = text.windows(BEFORE_AGE.len()).position(|bytes| bytes == BEFORE_AGE);
        let age = place.zip(aged_from).map(|(place, aged_from)| Age { place: place + BEFORE_AGE.len(), aged_from });
        if let Some(Age { place, .. }) = age {
            // at the time it is aged from, the age is the one digit 0
            text.remove(place);
        }
        text.shrink_to_fit();
        Ok(EntryText { text, age, tag: OnceLock::new() })
    }

    /// Appends the text, as of `now`.
    pub(crate) fn write(&self, now: Timestamp, into: &mut Vec<u8>) {
        self.write_up_to_age(now, into);
        into.extend_from_slice(self.after_age());
    }

    /// Appends the text up to the age and with it, as of `now`. What follows is the same at any time.
    pub(crate) fn write_up_to_age(&self, now: Timestamp, into: &mut Vec<u8>) {
        let Some(Age { place, aged_from }) = self.age else { return };
        into.extend_from_slice(self.text.split_at(place).0);
        // writing into memory never fails
        let _ = write!(into, "{}", age_ms(aged_from, now));
    }

    /// What follows the age; all of the text, if the price has none.
    pub(crate) fn after_age(&self) -> &[u8] {
        self.text.split_at(self.age.map_or(0, |age| age.place)).1
    }

    /// What tells it from any other text, whatever its age.
    pub(crate) fn tag(&self) -> &str {
        let tag = || Fingerprint::of([String::from_utf8_lossy(&self.text).as_ref()], TAG);
        self.tag.get_or_init(tag).digits()
    }

    /// How many bytes it holds.
    pub(crate) fn len(&self) -> usize {
        self.text.len()
    }
}
