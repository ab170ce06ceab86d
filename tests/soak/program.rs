//! The program under load: how large its process is, and what its log says.

use std::fs;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::process::ChildStderr;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use crate::support::{self, Configuration};

/// The service as a process, killed with the test.
pub(crate) struct Program {
    process: support::Program,
    pub(crate) address: SocketAddr,
    /// The admin address.
    pub(crate) admin: SocketAddr,
    log: Arc<Mutex<Log>>,
}

/// What has been read of stderr.
#[derive(Clone, Debug, Default)]
pub(crate) struct Log {
    pub(crate) lines: u64,
    /// How many lines the program says it has dropped.
    pub(crate) dropped: u64,
    /// Lines that should not be there.
    pub(crate) errors: Vec<String>,
    /// Until when stderr is not read.
    asleep_until: Option<Instant>,
}

/// The resources of a process.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Size {
    pub(crate) resident_kib: u64,
    pub(crate) descriptors: usize,
    pub(crate) threads: usize,
}

/// The configuration of the program: the venues' settings, a shutdown in stages, an admin address, long answers for slow
/// readers, streams for all readers, who share an address, and a log line for every request, so that an unread stderr is noticed.
pub(crate) fn configuration(venues: &str) -> String {
    let server = "drain_delay = \"1s\"\ndrain_timeout = \"3s\"\nmax_symbols = 500\n\n[access]\nadmin_listen = \"127.0.0.1:0\"\nmax_streams_per_client = 100";
    let text = venues.replace("drain_delay = \"0s\"", server);
    // old quotes are usable for so short a time that the lies of two venues never overlap
    let text = text.replace("fallback_for = \"15m\"", "fallback_for = \"20s\"");
    text.replace("level = \"error\"\nrequests = \"none\"", "level = \"info\"\nrequests = \"all\"")
}

impl Program {
    pub(crate) fn start(configuration: &str) -> Self {
        let configuration = Configuration::new(configuration);
        let arguments = ["serve", "--listen", "127.0.0.1:0", "--config", configuration.path()];
        let log: Arc<Mutex<Log>> = Arc::default();
        let reading = Arc::clone(&log);
        let process =
            support::Program::reading(&mut support::start(&arguments, &[]), move |stderr| read(stderr, &reading));
        let [address, admin] = process.addresses()[..] else { panic!("not both addresses") };
        Program { process, address, admin, log }
    }

    pub(crate) fn runs(&mut self) -> bool {
        self.process.runs()
    }

    /// What has been read of stderr so far.
    pub(crate) fn log(&self) -> Log {
        self.log.lock().unwrap().clone()
    }

    /// Stops reading stderr for this long.
    pub(crate) fn leave_stderr_for(&self, length: Duration) {
        self.log.lock().unwrap().asleep_until = Some(Instant::now() + length);
    }

    /// How large it is now, according to Linux.
    pub(crate) fn size(&self) -> Size {
        let process = format!("/proc/{}", self.process.id());
        let status = fs::read_to_string(format!("{process}/status")).unwrap_or_default();
        let field = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name));
            line.and_then(|rest| rest.trim_start_matches(':').split_whitespace().next()?.parse::<u64>().ok())
                .unwrap_or(0)
        };
        let descriptors = fs::read_dir(format!("{process}/fd")).map_or(0, Iterator::count);
        Size { resident_kib: field("VmRSS"), descriptors, threads: usize::try_from(field("Threads")).unwrap() }
    }

    /// Sends SIGTERM; its exit code and how long it took to exit, or `None` if it is still running after `within`.
    pub(crate) fn end(&mut self, within: Duration) -> Option<(i32, Duration)> {
        self.process.signal("TERM");
        self.process.exited_within(within)
    }
}

/// Reads the log until it ends, except while it is left unread.
fn read(stderr: ChildStderr, log: &Mutex<Log>) {
    let mut stderr = BufReader::new(stderr);
    let mut line = String::new();
    while stderr.read_line(&mut line).is_ok_and(|length| length > 0) {
        let asleep_until = {
            let mut log = log.lock().unwrap();
            log.hear(&line);
            line.clear();
            log.asleep_until.take()
        };
        if let Some(until) = asleep_until {
            thread::sleep(until.saturating_duration_since(Instant::now()));
        }
    }
}

impl Log {
    fn hear(&mut self, line: &str) {
        self.lines += 1;
        // a panic before the log has started has no JSON form
        if line.contains("\"ERROR\"") || line.contains("panicked") {
            self.errors.push(line.to_owned());
        }
        let dropped = line.split("\"dropped\":").nth(1).filter(|_| line.contains("lines of this log are missing"));
        let digits = dropped.map(|rest| rest.chars().take_while(char::is_ascii_digit).collect::<String>());
        self.dropped += digits.and_then(|digits| digits.parse::<u64>().ok()).unwrap_or(0);
    }
}
