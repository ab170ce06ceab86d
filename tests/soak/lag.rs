//! How late the timers of a thread are: the service is not to blame for what this machine cannot do.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use tokio::runtime::Runtime;
use tokio::time::sleep_until;

/// How often it is measured.
const TICK: Duration = Duration::from_millis(10);

/// By how much each timer was late.
#[derive(Clone, Debug, Default)]
pub(crate) struct Lags(Arc<Mutex<Vec<Duration>>>);

impl Lags {
    /// Those of a runtime until then.
    pub(crate) fn of(runtime: &Runtime, until: Instant) -> Self {
        let lags = Lags::default();
        let noted = lags.clone();
        runtime.spawn(async move {
            while Instant::now() < until {
                let due = Instant::now() + TICK;
                sleep_until(due.into()).await;
                noted.0.lock().unwrap().push(due.elapsed());
            }
        });
        lags
    }

    pub(crate) fn all(&self) -> Vec<Duration> {
        self.0.lock().unwrap().clone()
    }
}
