//! How long it takes until the service is ready.

use std::time::{Duration, Instant};

use super::{Bench, Outcome, note};
use crate::table::Target;
use crate::venues::Venues;

/// From before the process is started, to a 200 on `/health/ready`.
pub(crate) fn start(bench: &Bench<'_>) -> anyhow::Result<Outcome> {
    let venues = Venues::quoting(10, Duration::ZERO)?;
    bench.figures([("", Target::AtMost(100.0, "ms"))], |_| {
        let started = Instant::now();
        let service = bench.service(&venues, "")?;
        let taken = started.elapsed().as_secs_f64() * 1e3;
        drop(service);
        note(&[("ready after", taken, "ms")]);
        Ok([taken])
    })
}
