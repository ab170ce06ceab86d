//! Waits for one source in a task of the service, and reports what it says.

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use tokio::sync::mpsc;

use super::LeftBehind;
use crate::board::Told;
use crate::source::coalescer::{Coalescer, Wait};

/// The most outcomes that are reported together.
const IN_ONE_REPORT: usize = 64;

/// What a task tells the caller.
pub(super) enum Report {
    /// What a source said.
    Told(usize, Vec<Told>),
    /// The task has ended. It has told everything, unless it panicked.
    Ended(usize),
}

/// Tells a caller what one source says. When it is dropped, it tells that no more will come.
pub(super) struct Reporter {
    pub(super) source: usize,
    pub(super) reports: mpsc::UnboundedSender<Report>,
}

impl Reporter {
    fn tell(&self, told: Vec<Told>) {
        // a caller who has left hears nothing, and misses nothing
        let _ = self.reports.send(Report::Told(self.source, told));
    }
}

impl Drop for Reporter {
    fn drop(&mut self) {
        let _ = self.reports.send(Report::Ended(self.source));
    }
}

/// Reports every outcome as it comes, and stays until the last one: the calls go on even if the caller does not wait for them,
/// unless too many do so already.
pub(super) async fn report_each(coalescer: Coalescer, waits: Vec<Wait>, reporter: Reporter, left_behind: LeftBehind) {
    let arriving = waits.into_iter().map(|wait| coalescer.arrive(wait));
    let mut arrivals = arriving.collect::<FuturesUnordered<_>>().ready_chunks(IN_ONE_REPORT);
    let mut room = None;
    loop {
        tokio::select! {
            biased;
            told = arrivals.next() => match told {
                Some(told) => reporter.tell(told),
                None => break,
            },
            () = reporter.reports.closed(), if room.is_none() => {
                room = left_behind.room_for(arrivals.get_ref().len());
                if room.is_none() {
                    break;
                }
            }
        }
    }
}
