//! Tells a reply that cannot be used for one symbol from a source that is out of order.
//!
//! Many vendors have no words for an unknown symbol: they send a web page, or a status that could mean anything. While such a
//! source serves other symbols, the failure counts against this symbol alone, and neither against the source's breaker nor
//! against the key in the call. A failure for a symbol that the source has served counts against the source.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;
use tower::ServiceExt;

use super::batch::{Batch, Reply};
use super::guard::{Guard, Next};
use crate::board::Board;
use crate::failure::SourceError;

/// The guard between an account and its calls that knows which symbols the source has served.
#[derive(Debug)]
pub(super) struct SinglingOut {
    /// Where its quotes are.
    pub(super) board: Arc<Board>,
    /// The source's name.
    pub(super) source: String,
    /// How long a quote shows that the source serves: the longest `fallback_for` of its classes.
    pub(super) serves_for: Duration,
}

impl SinglingOut {
    /// Turns the error of a call into a failure of its only symbol, if it has only one and the source serves others.
    fn judge(&self, error: SourceError, batch: &Batch) -> Result<Reply, SourceError> {
        let now = Instant::now();
        let since = now.checked_sub(self.serves_for).unwrap_or(now);
        let symbol = batch.only_symbol().filter(|symbol| self.board.serves_others(&self.source, symbol, since));
        let Some(symbol) = symbol else { return Err(error) };
        let error = match error {
            SourceError::Malformed(_) | SourceError::TooLarge { .. } => SourceError::Missing(format!(
                "it answers for other symbols, but its reply about this one cannot be read: {error}"
            )),
            error @ (SourceError::HttpStatus { is_client_error: true, .. } | SourceError::Forbidden(_)) => error,
            other => return Err(other),
        };
        Ok(Reply { rows: vec![(symbol, Err(error))] })
    }
}

impl Guard for Arc<SinglingOut> {
    async fn pass(self, batch: Batch, next: impl Next) -> Result<Reply, SourceError> {
        next.oneshot(batch.clone()).await.or_else(|error| self.judge(error, &batch))
    }
}
