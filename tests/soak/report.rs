//! The report: what was measured, and which of it are faults.

use std::fmt;
use std::time::Duration;

use crate::arrivals::Measure;
use crate::gates::Calls;
use crate::judge::Tally;
use crate::probes::Probed;
use crate::program::{Log, Size};
use crate::readers::Followed;
use crate::{BACK, ENDING, QUIET, SLACK, UNDER_WAY, percentile};

/// Health is answered within this at p99.
const HEALTH: Duration = Duration::from_millis(50);

/// In this time more is logged than the backlog holds.
const LONG_UNREAD: Duration = Duration::from_secs(30);

/// The most memory that the program may hold for slow readers and requests in flight, in KiB: the default of
/// `server.max_reply_memory`, and half as much again.
const HELD: u64 = 192 << 10;

const MINUTE: Duration = Duration::from_secs(60);

/// The program's memory over time.
#[derive(Debug, Default)]
pub(crate) struct Memory(Vec<(Duration, u64)>);

/// All of it.
pub(crate) struct Report {
    pub(crate) crowd: Tally,
    pub(crate) followed: Followed,
    /// How late the timers of the clients' thread were, and those of the venues'.
    pub(crate) lags: [Vec<Duration>; 2],
    pub(crate) probed: Probed,
    pub(crate) gates: (Calls, u64),
    pub(crate) measures: Vec<Measure>,
    /// Calls to the scarce vendor for what it quotes, and in all.
    pub(crate) scarce: (u64, usize),
    /// The answer about its quotes at the end, if they were lost.
    pub(crate) lost: Option<String>,
    pub(crate) memory: Memory,
    /// After the start, after an ordinary load, and after the storm.
    pub(crate) fresh: Size,
    pub(crate) before: Size,
    pub(crate) after: Size,
    pub(crate) in_flight: u64,
    pub(crate) log: Log,
    /// For how long it was not read.
    pub(crate) unread: Duration,
    pub(crate) ended: Option<(i32, Duration)>,
    /// How many of the requests that were in flight at SIGTERM were answered.
    pub(crate) answered_at_the_end: usize,
}

impl Memory {
    pub(crate) fn note(&mut self, at: Duration, resident_kib: u64) {
        self.0.push((at, resident_kib));
    }

    fn mean(&self, from: Duration, to: Duration) -> Option<u64> {
        let sizes: Vec<u64> = self.0.iter().filter(|(at, _)| (from..to).contains(at)).map(|(_, size)| *size).collect();
        sizes.iter().sum::<u64>().checked_div(sizes.len() as u64)
    }

    /// The maximum, in KiB.
    fn most(&self) -> u64 {
        self.0.iter().map(|(_, size)| *size).max().unwrap_or_default()
    }
}

impl Report {
    /// All faults.
    pub(crate) fn faults(&self) -> Vec<String> {
        let mut faults = Vec::new();
        for (kind, all) in &self.crowd.faults {
            let told: Vec<&str> = all.iter().map(String::as_str).filter(|words| !words.is_empty()).collect();
            faults.push(format!("{} times {kind}:\n  {}", all.len(), told.join("\n  ")));
        }
        for (kind, all) in &self.followed.faults {
            let told: Vec<&str> = all.iter().map(String::as_str).filter(|words| !words.is_empty()).collect();
            faults.push(format!("{} events {kind}:\n  {}", all.len(), told.join("\n  ")));
        }
        if self.followed.events == 0 && self.followed.readers > 0 {
            faults.push("nobody was told of a price".to_owned());
        }
        if self.crowd.answered() == 0 {
            faults.push("nobody was answered".to_owned());
        }
        faults.extend(self.probed.faults.iter().cloned());
        match self.probed.slowest_health() {
            Some((_, late)) if late < HEALTH => {}
            slowest => faults.push(format!("health took {slowest:?} at p99, which may be {HEALTH:?}")),
        }
        faults.extend(self.measures.iter().filter(|measure| measure.is_exceeded()).map(ToString::to_string));
        if let Some(answer) = &self.lost {
            faults.push(format!("quotes of the scarce vendor were lost: {answer:.3000}"));
        }
        faults.extend(self.faults_of_size());
        if self.unread >= LONG_UNREAD && self.log.dropped == 0 {
            faults.push(format!("stderr was not read for {:?}, and no line was dropped", self.unread));
        }
        faults.extend(self.log.errors.iter().map(|line| format!("on stderr: {line}")));
        if !matches!(self.ended, Some((0, _))) {
            faults.push(format!("it did not end with 0 within {ENDING:?}: {:?}", self.ended));
        }
        if self.answered_at_the_end < UNDER_WAY {
            faults.push(format!("{} of {UNDER_WAY} were answered at the end", self.answered_at_the_end));
        }
        faults
    }

    fn faults_of_size(&self) -> Vec<String> {
        let mut faults = Vec::new();
        let most = self.memory.most();
        if most > self.before.resident_kib + HELD {
            faults.push(format!("memory grew to {most} KiB, by more than {HELD} KiB"));
        }
        let Size { resident_kib, descriptors, threads } = self.after;
        if resident_kib * 100 > self.before.resident_kib * BACK {
            let share = resident_kib * 100 / self.before.resident_kib;
            faults.push(format!("after {QUIET:?} memory is {share} % of what it was before, which may be {BACK} %"));
        }
        if descriptors > self.before.descriptors + SLACK || threads > self.before.threads + SLACK {
            faults.push(format!("after {QUIET:?} there are {:?}, where there were {:?}", self.after, self.before));
        }
        if self.in_flight != 0 {
            faults.push(format!("{} calls are still in the air", self.in_flight));
        }
        faults
    }
}

/// Median, 99th percentile and maximum.
struct Spread<'d>(&'d [Duration]);

impl fmt::Display for Spread<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [median, late, last] = [50, 99, 100].map(|percent| percentile(self.0, percent));
        write!(f, "p50 {median:?}, p99 {late:?}, max {last:?} of {}", self.0.len())
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Tally { requests, statuses, shed, symbols, large, large_read, .. } = &self.crowd;
        writeln!(f, "\nrequests         {} in all", requests.values().sum::<u64>())?;
        for (manner, count) in requests {
            writeln!(f, "  {manner:<15}{count}")?;
        }
        writeln!(f, "status           {statuses:?}, of large ones {large_read} of {large} were read")?;
        writeln!(f, "shed             {shed:?}")?;
        writeln!(f, "symbols          {symbols:?}")?;
        writeln!(f, "latency          {}", Spread(&self.crowd.latencies))?;
        writeln!(f, "after deadline   {}", Spread(&self.crowd.late_by))?;
        let Followed { readers, streams, refused, events, ages, .. } = &self.followed;
        writeln!(f, "streams          {streams} of {readers} readers, refused {refused:?}; {events} events")?;
        writeln!(f, "  age of prices  {}", Spread(ages))?;
        writeln!(f, "clients' timers  late by {}", Spread(&self.lags[0]))?;
        writeln!(f, "venues' timers   late by {}", Spread(&self.lags[1]))?;
        writeln!(f, "health           {}", Spread(&self.probed.of_health()))?;
        let (longest, at) = self.probed.longest;
        writeln!(f, "                 longest {longest:?}, after {at:?}")?;
        for ((place, path), latencies) in &self.probed.latencies {
            writeln!(f, "  {place:<7} {path:<15}{}", Spread(latencies))?;
        }
        writeln!(f, "probes' timers   late by {}", Spread(&self.probed.lags))?;
        let (calls, lies) = &self.gates;
        for (venue, calls) in calls {
            writeln!(f, "calls of {venue:<8}{}: {calls:?}", calls.values().sum::<u64>())?;
        }
        writeln!(f, "calls of scarce  {} for what it quotes, {} in all", self.scarce.0, self.scarce.1)?;
        for measure in &self.measures {
            writeln!(f, "exact windows    {measure}")?;
        }
        writeln!(f, "lies             {lies}, one venue at a time")?;
        let end = self.memory.0.last().map_or(Duration::ZERO, |(at, _)| *at);
        let minutes = (0..).map(|minute| MINUTE * minute).take_while(|from| *from < end);
        let means = minutes.filter_map(|from| self.memory.mean(from, from + MINUTE));
        writeln!(f, "memory           {:?} KiB, the mean of each minute", means.collect::<Vec<_>>())?;
        writeln!(f, "                 {} KiB at most", self.memory.most())?;
        let share = self.after.resident_kib * 100 / self.before.resident_kib.max(1);
        writeln!(f, "when it started  {:?}", self.fresh)?;
        writeln!(f, "before           {:?}", self.before)?;
        writeln!(f, "after            {:?}: {share} %", self.after)?;
        writeln!(f, "in flight        {}", self.in_flight)?;
        writeln!(
            f,
            "on stderr        {} lines, {} dropped; not read for {:?}",
            self.log.lines, self.log.dropped, self.unread
        )?;
        let answered = self.answered_at_the_end;
        writeln!(f, "ended            {:?}, {answered} of {UNDER_WAY} under way were answered", self.ended)
    }
}
