//! What there was to see, and what of it should not have been.

use std::fmt;
use std::time::Duration;

use crate::crowd::Tally;
use crate::gates::Calls;
use crate::program::Size;
use crate::{ENDING, QUIET, SLACK};

/// The shortest run after which memory can be judged.
const LONG_ENOUGH: Duration = Duration::from_secs(170);

const MINUTE: Duration = Duration::from_secs(60);

/// How large the program was, over time.
#[derive(Debug, Default)]
pub(crate) struct Memory(Vec<(Duration, u64)>);

/// All of it.
pub(crate) struct Report {
    pub(crate) crowd: Tally,
    pub(crate) gates: (Calls, u64),
    pub(crate) memory: Memory,
    /// How late this test's own timers were at worst: what the machine could not do, the service is not to blame for.
    pub(crate) lag: Duration,
    pub(crate) before: Size,
    pub(crate) after: Size,
    pub(crate) in_flight: u64,
    pub(crate) words: String,
    pub(crate) ended: Option<(i32, Duration)>,
}

impl Memory {
    pub(crate) fn note(&mut self, at: Duration, resident_kib: u64) {
        self.0.push((at, resident_kib));
    }

    fn mean(&self, from: Duration, to: Duration) -> Option<u64> {
        let sizes: Vec<u64> = self.0.iter().filter(|(at, _)| (from..to).contains(at)).map(|(_, size)| *size).collect();
        sizes.iter().sum::<u64>().checked_div(sizes.len() as u64)
    }

    /// The means of the second and third minute, as far as they are not the last, and of the last.
    fn early_and_last(&self) -> Option<(u64, u64)> {
        let end = self.0.last()?.0;
        let last = end.checked_sub(MINUTE).filter(|_| end >= LONG_ENOUGH)?;
        Some((self.mean(MINUTE, last.min(MINUTE * 3))?, self.mean(last, end + MINUTE)?))
    }
}

impl Report {
    /// Everything that should not have been.
    pub(crate) fn faults(&self) -> Vec<String> {
        let mut faults = Vec::new();
        for (kind, all) in &self.crowd.faults {
            let told: Vec<&str> = all.iter().map(String::as_str).filter(|words| !words.is_empty()).collect();
            faults.push(format!("{} times {kind}:\n  {}", all.len(), told.join("\n  ")));
        }
        if self.crowd.requests == 0 {
            faults.push("nobody was answered".to_owned());
        }
        if let Some((early, last)) = self.memory.early_and_last().filter(|(early, last)| last * 100 > early * 115) {
            faults.push(format!("memory grew from {early} KiB to {last} KiB"));
        }
        let Size { descriptors, threads, .. } = self.after;
        if descriptors > self.before.descriptors + SLACK || threads > self.before.threads + SLACK {
            faults.push(format!("after {QUIET:?} there are {:?}, where there were {:?}", self.after, self.before));
        }
        if self.in_flight != 0 {
            faults.push(format!("{} calls are still in the air", self.in_flight));
        }
        for line in self.words.lines().filter(|line| line.contains("ERROR") || line.contains("panicked")) {
            faults.push(format!("on stderr: {line}"));
        }
        if !matches!(self.ended, Some((0, _))) {
            faults.push(format!("it did not end with 0 within {ENDING:?}: {:?}", self.ended));
        }
        faults
    }

    fn percentile(&self, percent: usize) -> Duration {
        let mut sorted = self.crowd.latencies.clone();
        sorted.sort_unstable();
        let last = sorted.len().saturating_sub(1);
        sorted.get(last * percent / 100).copied().unwrap_or_default()
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Tally { requests, left_early, broken, statuses, symbols, .. } = &self.crowd;
        writeln!(
            f,
            "\nrequests         {requests} answered, {left_early} left early, {broken} without a whole answer"
        )?;
        writeln!(f, "status           {statuses:?}")?;
        writeln!(f, "symbols          {symbols:?}")?;
        let [median, late, last] = [50, 99, 100].map(|percent| self.percentile(percent));
        writeln!(f, "latency          p50 {median:?}, p99 {late:?}, max {last:?}")?;
        writeln!(f, "                 this test's own timers were late by up to {:?}", self.lag)?;
        let (calls, lies) = &self.gates;
        for (venue, calls) in calls {
            writeln!(f, "calls of {venue:<8}{}: {calls:?}", calls.values().sum::<u64>())?;
        }
        writeln!(f, "lies             {lies}, one venue at a time")?;
        let end = self.memory.0.last().map_or(Duration::ZERO, |(at, _)| *at);
        let minutes = (0..).map(|minute| MINUTE * minute).take_while(|from| *from < end);
        let means = minutes.filter_map(|from| self.memory.mean(from, from + MINUTE));
        writeln!(f, "memory           {:?} KiB, the mean of each minute", means.collect::<Vec<_>>())?;
        match self.memory.early_and_last() {
            Some((early, last)) => writeln!(f, "                 {early} KiB early on, {last} KiB in the last minute")?,
            None => writeln!(f, "                 too short a run to judge it")?,
        }
        writeln!(f, "before, after    {:?}, {:?}", self.before, self.after)?;
        writeln!(f, "in flight        {}", self.in_flight)?;
        writeln!(f, "on stderr        {} lines", self.words.lines().count())?;
        writeln!(f, "ended            {:?}", self.ended)
    }
}
