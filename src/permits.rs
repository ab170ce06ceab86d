//! Changes how many may do something at once while some do it.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Makes a semaphore that had `before` permits in all have `now`. If fewer are free than must go, the others go as they are given
/// back; until then, those who wait for a permit wait behind that.
pub(crate) fn resize(permits: &Arc<Semaphore>, before: usize, now: usize) {
    permits.add_permits(now.saturating_sub(before));
    let surplus = before.saturating_sub(now);
    let taken = surplus - permits.forget_permits(surplus);
    if taken > 0 {
        let (permits, taken) = (Arc::clone(permits), u32::try_from(taken).unwrap_or(u32::MAX));
        tokio::spawn(async move { permits.acquire_many_owned(taken).await.map(OwnedSemaphorePermit::forget) });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn permits_that_are_taken_go_once_they_are_given_back() {
        let permits = Arc::new(Semaphore::new(3));
        resize(&permits, 3, 5);
        assert_eq!(permits.available_permits(), 5);
        let taken = Arc::clone(&permits).acquire_many_owned(4).await.unwrap();
        resize(&permits, 5, 2);
        drop(taken);
        while permits.available_permits() != 2 {
            tokio::task::yield_now().await;
        }
        resize(&permits, 2, 2);
        assert_eq!(permits.available_permits(), 2);
    }
}
