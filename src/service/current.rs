//! Holds the service with the settings that hold now, for what outlives a change of them.

use std::sync::Arc;

use tokio::sync::watch;

use super::Quotefold;

/// The service as it is configured now. Cheap to clone; all clones see the same changes.
#[derive(Clone)]
pub struct Current(watch::Sender<Arc<Quotefold>>);

impl Current {
    /// A service that has just been started.
    pub fn new(service: Arc<Quotefold>) -> Self {
        Current(watch::Sender::new(service))
    }

    /// The service at this moment.
    pub fn get(&self) -> Arc<Quotefold> {
        Arc::clone(&self.0.borrow())
    }

    /// Puts another one in its place.
    pub(crate) fn replace(&self, service: Arc<Quotefold>) {
        self.0.send_replace(service);
    }

    /// Ends when a service is in its place that satisfies a test.
    pub(crate) async fn changed_until(&self, test: impl Fn(&Quotefold) -> bool) {
        // fails only when every sender is gone, and `self` is one
        let _ = self.0.subscribe().wait_for(|now| test(now)).await;
    }
}
