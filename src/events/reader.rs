//! One reader: what it looks at, and what it has heard.

use std::sync::Arc;

use super::Place;
use super::topic::{Latest, Said, Topic};
use super::wakeup::Wakeup;
use crate::answer::EntryText;
use crate::question::Changes;

/// One reader. It has one slot per symbol, so what it has not heard yet takes no memory. Dropping it frees its place.
pub struct Reader {
    slots: Vec<Slot>,
    /// The slot that is looked at next, while a round goes on.
    next: usize,
    wakeup: Arc<Wakeup>,
    on: Changes,
    quotes: bool,
    _place: Place,
}

/// What a reader knows of one symbol.
pub(super) struct Slot {
    topic: Arc<Topic>,
    /// What it has heard last; `None` if nothing yet.
    heard: Option<Arc<Said>>,
}

impl Slot {
    pub(super) fn new(topic: Arc<Topic>) -> Self {
        Slot { topic, heard: None }
    }

    /// What there is to tell, if it is news to this reader.
    fn news(&self, on: Changes) -> Option<Latest> {
        let latest = self.topic.latest()?;
        let is_known = |heard: &Arc<Said>| Arc::ptr_eq(heard, &latest.said) || !latest.said.is_news(heard, on);
        (!self.heard.as_ref().is_some_and(is_known)).then_some(latest)
    }
}

impl Reader {
    pub(super) fn new(place: Place, slots: Vec<Slot>, wakeup: Arc<Wakeup>) -> Self {
        let (on, quotes) = (place.question.on, place.question.quotes);
        Reader { slots, next: 0, wakeup, on, quotes, _place: place }
    }

    /// Waits until something may have changed. In the middle of a round, it returns at once.
    pub(crate) async fn changed(&self) {
        if self.next == 0 {
            self.wakeup.heard().await;
        }
    }

    /// Waits until the reader must end, since its key is gone.
    pub(crate) async fn ended(&self) {
        self.wakeup.ended().await;
    }

    /// Goes on with a round through all symbols: has the text of each that has changed written, until `write` says that this is
    /// enough for now. Returns whether the round is over.
    pub(crate) fn take(&mut self, mut write: impl FnMut(&EntryText) -> bool) -> bool {
        if self.next == 0 {
            self.wakeup.take();
        }
        let (on, quotes) = (self.on, self.quotes);
        let mut is_enough = false;
        while let Some(slot) = self.slots.get_mut(self.next).filter(|_| !is_enough) {
            self.next += 1;
            let Some(latest) = slot.news(on) else { continue };
            let Some(text) = latest.text(quotes) else { continue };
            is_enough = write(text);
            slot.heard = Some(latest.said);
        }
        let is_over = self.next >= self.slots.len();
        if is_over {
            self.next = 0;
        }
        is_over
    }
}
