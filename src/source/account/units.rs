//! Holds units of the limits for one call, from the grant to the call's end.

use std::sync::Arc;

use tokio::time::Instant;

use super::Account;

/// Units that were granted to a call. Dropped, the call has ended: they count for a period from then.
#[derive(Debug)]
pub struct Units {
    account: Arc<Account>,
    ticket: u64,
    end: End,
}

/// How the call ended that was granted units.
#[derive(Clone, Copy, Debug)]
pub(super) enum End {
    /// The vendor had it, or we know why not.
    Known,
    /// Nothing of it was written, so the vendor cannot have counted it.
    NotWritten,
    /// We no longer listen, and the vendor may get it until then; `None` for the time that was stated at the grant.
    Unknown(Option<Instant>),
}

impl Units {
    pub(super) fn new(account: Arc<Account>, ticket: u64) -> Self {
        Units { account, ticket, end: End::Known }
    }

    /// Gives them back: nothing of the call has been written, so the vendor has not counted it.
    pub fn give_back(mut self) {
        self.end = End::NotWritten;
    }

    /// Lets them count from the latest moment at which the call could have ended, by default the one stated at the grant: it
    /// was cancelled, and what is written may still be on its way.
    pub fn cancel(mut self, latest: Option<Instant>) {
        self.end = End::Unknown(latest);
    }
}

impl Drop for Units {
    fn drop(&mut self) {
        self.account.end(self.ticket, self.end);
    }
}

/// A promise of units. Dropped, it is taken back, unless the units were granted.
#[derive(Debug)]
pub(in crate::source) struct Promise<'a> {
    pub(in crate::source) account: &'a Account,
    pub(in crate::source) ticket: u64,
}

impl Drop for Promise<'_> {
    fn drop(&mut self) {
        self.account.take_back(self.ticket);
    }
}
