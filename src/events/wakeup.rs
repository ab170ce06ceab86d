//! Tells one reader that something has changed, or that it must end.

use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::Notify;

/// What wakes one reader. It is sent once for many changes.
#[derive(Debug, Default)]
pub(super) struct Wakeup {
    has_news: AtomicBool,
    woken: Notify,
    has_ended: AtomicBool,
    end: Notify,
}

impl Wakeup {
    /// Notes that something has changed. Returns whether it must be sent for that: not if one is due anyway.
    pub(super) fn note(&self) -> bool {
        !self.has_news.swap(true, Ordering::AcqRel)
    }

    /// Wakes the reader, if it waits.
    pub(super) fn wake(&self) {
        self.woken.notify_one();
    }

    /// Waits until something has changed.
    pub(super) async fn heard(&self) {
        while !self.has_news.load(Ordering::Acquire) {
            self.woken.notified().await;
        }
    }

    /// Forgets the news, right before the reader takes all of it.
    pub(super) fn take(&self) {
        self.has_news.store(false, Ordering::Release);
    }

    /// Tells the reader to end.
    pub(super) fn end(&self) {
        self.has_ended.store(true, Ordering::Release);
        self.end.notify_one();
    }

    /// Waits until the reader must end.
    pub(super) async fn ended(&self) {
        while !self.has_ended.load(Ordering::Acquire) {
            self.end.notified().await;
        }
    }
}
