//! The arrival times of calls at a vendor, to count them in exact windows as the vendor would.

use std::fmt;
use std::sync::Mutex;
use std::time::{Duration, Instant};

/// When each call had arrived.
#[derive(Debug, Default)]
pub(crate) struct Arrivals(Mutex<Vec<Instant>>);

/// A vendor's limit, and the most calls that it got in one period.
#[derive(Clone, Debug)]
pub(crate) struct Measure {
    pub(crate) vendor: &'static str,
    pub(crate) limit: usize,
    pub(crate) period: Duration,
    /// The most calls in any window of that length.
    pub(crate) most: usize,
}

impl Arrivals {
    pub(crate) fn note(&self, arrived: Instant) {
        self.0.lock().unwrap().push(arrived);
    }

    pub(crate) fn count(&self) -> usize {
        self.0.lock().unwrap().len()
    }

    /// The most calls in any window of a limit's period.
    pub(crate) fn measure(&self, vendor: &'static str, limit: usize, period: Duration) -> Measure {
        let mut arrived = self.0.lock().unwrap().clone();
        arrived.sort_unstable();
        let (mut first, mut most) = (0, 0);
        for (last, at) in arrived.iter().enumerate() {
            // a call exactly one period earlier is in no window with it
            while *at >= arrived[first] + period {
                first += 1;
            }
            most = most.max(last - first + 1);
        }
        Measure { vendor, limit, period, most }
    }
}

impl Measure {
    pub(crate) fn is_exceeded(&self) -> bool {
        self.most > self.limit
    }
}

impl fmt::Display for Measure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Measure { vendor, limit, period, most } = self;
        write!(f, "{vendor} got up to {most} calls in {period:?}, of {limit}")
    }
}
