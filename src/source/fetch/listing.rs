//! Asks a vendor what it trades: one call, and its reply as a list.

use std::sync::Arc;

use tokio::task::spawn_blocking;

use super::{Exchanged, Inner};
use crate::clock::cpu;
use crate::failure::SourceError;
use crate::provider::extract::Job;
use crate::provider::instruments::InstrumentList;
use crate::source::batch::Batch;

impl Inner {
    /// One call for the list of what the vendor trades. It is filtered off the threads that serve requests, and beside the
    /// permits for large bodies: prices must not wait for it, and there is one list at a time.
    pub(super) async fn list(self: &Arc<Self>, batch: &Batch) -> Result<InstrumentList, SourceError> {
        let extractor = &self.profile.extractor;
        let settings = self.profile.settings.instruments.as_ref();
        let (Some(settings), Some(reader), Some(call)) =
            (settings, extractor.instruments(), extractor.spelling().list_request())
        else {
            return Err(SourceError::Internal("this source has no list".to_owned()));
        };
        let Exchanged { reply, _held, .. } = self.send(&call, settings.max_body, Some(batch)).await?;
        if let Some(error) = extractor.status_failure(&reply) {
            return Err(of_list(error));
        }
        let read = if let Some(sandbox) = &self.sandboxes.lists {
            let job = Job { status: reply.status, layout: reader.layout(), asked: Vec::new(), body: &reply.body };
            let filtered = sandbox.run(&job).await;
            // it is not needed again for a day
            sandbox.end().await;
            let filtered = filtered?;
            spawn_blocking(move || InstrumentList::of_rows(&filtered.rows()?).map_err(SourceError::Malformed)).await
        } else {
            let inner = Arc::clone(self);
            spawn_blocking(move || {
                let Some(reader) = inner.profile.extractor.instruments() else { return Ok(InstrumentList::default()) };
                reader.read(&reply.body, cpu::timer).map_err(SourceError::Malformed)
            })
            .await
        };
        let read = read.unwrap_or_else(|_| Err(SourceError::Internal("reading the list failed".to_owned())));
        read.map_err(|error| match error {
            SourceError::Malformed(why) => SourceError::Malformed(self.shown(&why)),
            other => other,
        })
    }
}

/// What a refusal of a list means. Only that there were too many calls concerns prices too.
fn of_list(error: SourceError) -> SourceError {
    match error {
        error @ SourceError::RateLimited { .. } => error,
        error => SourceError::HttpStatus { detail: error.to_string(), is_client_error: true },
    }
}
