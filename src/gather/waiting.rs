//! Tells when an answer has to wait for a source.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::Arc;

use tokio::sync::SetOnce;

tokio::task_local! {
    /// The answer that the current task works on, so that any part of a request's path can tell that it waits for a source.
    static CURRENT: Waiting;
}

/// Whether one answer waits for a source by now. Cheap to clone; all clones are of the same answer.
#[derive(Clone, Debug, Default)]
pub struct Waiting(Arc<SetOnce<()>>);

impl Waiting {
    /// The one of the answer that this task works on; outside of an answer, a new one without an observer.
    pub fn current() -> Self {
        CURRENT.try_with(Clone::clone).unwrap_or_default()
    }

    /// Runs `answering` as the work on this answer.
    pub fn scope<F: Future>(&self, answering: F) -> impl Future<Output = F::Output> + use<F> {
        CURRENT.scope(self.clone(), answering)
    }

    /// Waits until the answer waits for a source.
    pub async fn begun(&self) {
        self.0.wait().await;
    }

    /// Waits for a source; if its outcome is there already, that is no wait.
    pub async fn wait_for<F: Future>(&self, outcome: F) -> F::Output {
        let mut outcome = pin!(outcome);
        poll_fn(|context| {
            let outcome = outcome.as_mut().poll(context);
            if outcome.is_pending() {
                // that it is known already is no error
                let _ = self.0.set(());
            }
            outcome
        })
        .await
    }
}

#[cfg(test)]
mod tests {
    use std::future::ready;
    use std::time::Duration;

    use tokio::time::{sleep, timeout};

    use super::*;

    async fn has_begun(waiting: &Waiting) -> bool {
        timeout(Duration::ZERO, waiting.begun()).await.is_ok()
    }

    #[tokio::test(start_paused = true)]
    async fn an_outcome_that_is_there_is_not_waited_for() {
        let waiting = Waiting::default();
        waiting.scope(async { Waiting::current().wait_for(ready(())).await }).await;
        assert!(!has_begun(&waiting).await);
        waiting.scope(async { Waiting::current().wait_for(sleep(Duration::from_secs(1))).await }).await;
        assert!(has_begun(&waiting).await);
        assert!(!has_begun(&Waiting::current()).await, "outside of any answer nothing is told");
    }
}
