//! Tells when an answer begins to wait for a source.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::Arc;

use tokio::sync::SetOnce;

tokio::task_local! {
    /// The answer that the current task works on, so that any step of a request can note that it waits for a source.
    static CURRENT: Waiting;
}

/// Whether one answer has begun to wait for a source. Cheap to clone; all clones belong to the same answer.
#[derive(Clone, Debug, Default)]
pub struct Waiting(Arc<SetOnce<()>>);

impl Waiting {
    /// The one that belongs to the answer this task works on. Outside of an answer, a new one that is not observed.
    pub fn current() -> Self {
        CURRENT.try_with(Clone::clone).unwrap_or_default()
    }

    /// Runs `answering` as the work on this answer.
    pub fn scope<F: Future>(&self, answering: F) -> impl Future<Output = F::Output> + use<F> {
        CURRENT.scope(self.clone(), answering)
    }

    /// Waits until the answer begins to wait for a source.
    pub async fn begun(&self) {
        self.0.wait().await;
    }

    /// Waits for ever, and notes when another answer, which this one depends on, begins to wait for a source.
    pub(crate) async fn waits_with(&self, other: &Waiting) -> std::convert::Infallible {
        other.begun().await;
        self.note();
        std::future::pending().await
    }

    fn note(&self) {
        // it is no error that this is set already
        let _ = self.0.set(());
    }

    /// Waits for a source. If its outcome is already there, that does not count as waiting.
    pub(crate) async fn wait_for<F: Future>(&self, outcome: F) -> F::Output {
        let mut outcome = pin!(outcome);
        poll_fn(|context| {
            let outcome = outcome.as_mut().poll(context);
            if outcome.is_pending() {
                self.note();
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
    async fn an_outcome_that_is_already_there_is_not_waited_for() {
        let waiting = Waiting::default();
        waiting.scope(async { Waiting::current().wait_for(ready(())).await }).await;
        assert!(!has_begun(&waiting).await);
        waiting.scope(async { Waiting::current().wait_for(sleep(Duration::from_secs(1))).await }).await;
        assert!(has_begun(&waiting).await);
        assert!(!has_begun(&Waiting::current()).await, "outside of any answer, nothing is noted");
    }
}
