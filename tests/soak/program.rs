//! The program as a process: how it is started, how large it is, how it ends.

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::process::{Child, ChildStderr, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

/// The service as a process, which ends with the test.
pub(crate) struct Program {
    child: Child,
    pub(crate) address: SocketAddr,
    /// Where its operator asks.
    pub(crate) admin: SocketAddr,
    log: Arc<Mutex<Log>>,
}

/// What was read of stderr.
#[derive(Clone, Debug, Default)]
pub(crate) struct Log {
    pub(crate) lines: u64,
    /// How many lines the program says it has dropped.
    pub(crate) dropped: u64,
    /// Lines that should not be there.
    pub(crate) errors: Vec<String>,
    last: String,
    /// Until when nothing is read.
    asleep_until: Option<Instant>,
}

/// What a process takes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Size {
    pub(crate) resident_kib: u64,
    pub(crate) descriptors: usize,
    pub(crate) threads: usize,
}

/// What the program runs with: the venues' settings, an end in stages, an address for its operator, long answers for those who
/// read slowly, and a line in the log for every request, so that nobody's sleep goes unnoticed.
pub(crate) fn configuration(venues: &str) -> String {
    let server =
        "drain_delay = \"1s\"\ndrain_timeout = \"3s\"\nmax_symbols = 500\n\n[access]\nadmin_listen = \"127.0.0.1:0\"";
    let text = venues.replace("drain_delay = \"0s\"", server);
    // old quotes are believed for so short a time that lies of two venues never meet
    let text = text.replace("fallback_for = \"15m\"", "fallback_for = \"20s\"");
    text.replace("level = \"error\"\nrequests = \"none\"", "level = \"info\"\nrequests = \"all\"")
}

impl Program {
    pub(crate) fn start(configuration: &str) -> Self {
        let path = std::env::temp_dir().join(format!("quotefold-soak-{}.toml", std::process::id()));
        fs::write(&path, configuration).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_quotefold"));
        command.args(["serve", "--listen", "127.0.0.1:0", "--config"]).arg(&path).env_clear();
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let log: Arc<Mutex<Log>> = Arc::default();
        let (reading, stderr) = (Arc::clone(&log), BufReader::new(child.stderr.take().unwrap()));
        thread::spawn(move || read(stderr, &reading));
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        stdout.read_line(&mut line).unwrap();
        thread::spawn(move || stdout.read_to_end(&mut Vec::new()));
        let addresses: Vec<SocketAddr> = line
            .split("http://")
            .skip(1)
            .filter_map(|rest| rest.split([' ', ',', '\n']).next()?.parse().ok())
            .collect();
        let [address, admin] = addresses[..] else {
            // its last words are read by another thread
            thread::sleep(Duration::from_secs(1));
            panic!("not ready: {line:?} {}", log.lock().unwrap().last)
        };
        let _ = fs::remove_file(path);
        Program { child, address, admin, log }
    }

    pub(crate) fn runs(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }

    /// What was read of stderr so far.
    pub(crate) fn log(&self) -> Log {
        self.log.lock().unwrap().clone()
    }

    /// From now on nobody reads stderr for so long.
    pub(crate) fn leave_stderr_for(&self, length: Duration) {
        self.log.lock().unwrap().asleep_until = Some(Instant::now() + length);
    }

    /// How large it is now, as Linux says.
    pub(crate) fn size(&self) -> Size {
        let process = format!("/proc/{}", self.child.id());
        let status = fs::read_to_string(format!("{process}/status")).unwrap_or_default();
        let field = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name));
            line.and_then(|rest| rest.trim_start_matches(':').split_whitespace().next()?.parse::<u64>().ok())
                .unwrap_or(0)
        };
        let descriptors = fs::read_dir(format!("{process}/fd")).map_or(0, Iterator::count);
        Size { resident_kib: field("VmRSS"), descriptors, threads: usize::try_from(field("Threads")).unwrap() }
    }

    /// Sends SIGTERM; its exit code and how long that took, or `None` if it is still there after so long.
    pub(crate) fn end(&mut self, within: Duration) -> Option<(i32, Duration)> {
        let begun = Instant::now();
        assert!(Command::new("kill").args(["-TERM", &self.child.id().to_string()]).status().unwrap().success());
        while begun.elapsed() < within {
            if let Some(status) = self.child.try_wait().unwrap() {
                return Some((status.code().unwrap_or(-1), begun.elapsed()));
            }
            thread::sleep(Duration::from_millis(10));
        }
        None
    }
}

/// Reads the log as long as there is one, but for the time when it is left alone.
fn read(mut stderr: BufReader<ChildStderr>, log: &Mutex<Log>) {
    let mut line = String::new();
    while stderr.read_line(&mut line).is_ok_and(|length| length > 0) {
        let asleep_until = {
            let mut log = log.lock().unwrap();
            log.hear(std::mem::take(&mut line));
            log.asleep_until.take()
        };
        if let Some(until) = asleep_until {
            thread::sleep(until.saturating_duration_since(Instant::now()));
        }
    }
}

impl Log {
    fn hear(&mut self, line: String) {
        self.lines += 1;
        // panics come without a form
        if line.contains("\"ERROR\"") || line.contains("panicked") {
            self.errors.push(line.clone());
        }
        let dropped = line.split("\"dropped\":").nth(1).filter(|_| line.contains("lines of this log are missing"));
        let digits = dropped.map(|rest| rest.chars().take_while(char::is_ascii_digit).collect::<String>());
        self.dropped += digits.and_then(|digits| digits.parse::<u64>().ok()).unwrap_or(0);
        self.last = line;
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
