//! The program as a process: how it is started, how large it is, how it ends.

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

/// The service as a process, which ends with the test.
pub(crate) struct Program {
    child: Child,
    pub(crate) address: SocketAddr,
    words: Arc<Mutex<String>>,
}

/// What a process takes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Size {
    pub(crate) resident_kib: u64,
    pub(crate) descriptors: usize,
    pub(crate) threads: usize,
}

/// What the program runs with: the venues' settings, an end in stages, and a log of what is wrong.
pub(crate) fn configuration(venues: &str) -> String {
    let text = venues.replace("drain_delay = \"0s\"", "drain_delay = \"1s\"\ndrain_timeout = \"3s\"");
    // old quotes are believed for so short a time that lies of two venues never meet
    let text = text.replace("fallback_for = \"15m\"", "fallback_for = \"20s\"");
    text.replace("level = \"error\"", "level = \"warn\"")
}

impl Program {
    pub(crate) fn start(configuration: &str) -> Self {
        let path = std::env::temp_dir().join(format!("quotefold-soak-{}.toml", std::process::id()));
        fs::write(&path, configuration).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_quotefold"));
        command.args(["serve", "--listen", "127.0.0.1:0", "--config"]).arg(&path).env_clear();
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let words = Arc::new(Mutex::new(String::new()));
        let (heard, mut stderr) = (Arc::clone(&words), BufReader::new(child.stderr.take().unwrap()));
        thread::spawn(move || {
            let mut line = String::new();
            while stderr.read_line(&mut line).is_ok_and(|length| length > 0) {
                heard.lock().unwrap().push_str(&std::mem::take(&mut line));
            }
        });
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        stdout.read_line(&mut line).unwrap();
        thread::spawn(move || stdout.read_to_end(&mut Vec::new()));
        let address = line.split("http://").nth(1).and_then(|rest| rest.split_whitespace().next()?.parse().ok());
        let address = address.unwrap_or_else(|| panic!("not ready: {line:?} {}", words.lock().unwrap()));
        let _ = fs::remove_file(path);
        Program { child, address, words }
    }

    pub(crate) fn runs(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }

    /// What it has said on stderr.
    pub(crate) fn words(&self) -> String {
        self.words.lock().unwrap().clone()
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

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
