//! The program as a process: its arguments, its configuration, its signals, its end.

use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use super::PATIENCE;

/// A configuration file that exists as long as a test needs it.
pub(crate) struct Configuration(PathBuf);

/// How a process ended, and what it said.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

/// A process that runs, and ends with the test.
pub(crate) struct Program {
    child: Child,
    stdout: Text,
    stderr: Text,
    lines: Receiver<String>,
}

/// What a process has said so far.
#[derive(Clone, Default)]
struct Text(Arc<Mutex<String>>);

impl Configuration {
    pub(crate) fn new(text: &str) -> Self {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let name = format!("quotefold-{}-{}.toml", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let path = std::env::temp_dir().join(name);
        std::fs::write(&path, text).expect("a temporary file");
        Configuration(path)
    }

    pub(crate) fn path(&self) -> &str {
        self.0.to_str().expect("a path in UTF-8")
    }
}

impl Drop for Configuration {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

/// The program on a machine without variables and files of ours, about to be started.
pub(crate) fn start(arguments: &[&str], variables: &[(&str, &str)]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_quotefold"));
    command.args(arguments).env_clear().envs(variables.iter().copied()).current_dir(std::env::temp_dir());
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// Runs the program to its end.
pub(crate) fn run(arguments: &[&str]) -> Ended {
    Program::new(&mut start(arguments, &[])).ended()
}

/// Sends a signal to a process.
pub(crate) fn send_signal(name: &str, id: u32) {
    let sent = Command::new("kill").args([&format!("-{name}"), &id.to_string()]).status();
    assert!(sent.expect("kill is installed").success());
}

impl Program {
    /// Starts a process whose words are kept.
    pub(crate) fn new(command: &mut Command) -> Self {
        let mut child = command.spawn().expect("the program starts");
        let (line, lines) = channel();
        let (stdout, stderr) = (Text::default(), Text::default());
        if let Some(pipe) = child.stdout.take() {
            stdout.follow(pipe, move |said| drop(line.send(said.to_owned())));
        }
        if let Some(pipe) = child.stderr.take() {
            stderr.follow(pipe, |_| {});
        }
        Program { child, stdout, stderr, lines }
    }

    /// `quotefold serve` with this configuration, on any free port, ready; and where it listens.
    pub(crate) fn serve(configuration: &Configuration, variables: &[(&str, &str)]) -> (Self, SocketAddr) {
        let arguments = ["serve", "--config", configuration.path(), "--listen", "127.0.0.1:0"];
        let program = Program::new(&mut start(&arguments, variables));
        let address = program.ready();
        (program, address)
    }

    /// `quotefold demo`, which says nothing of its story, on any free port; and where it listens.
    pub(crate) fn demo() -> (Self, SocketAddr) {
        let program = Program::new(&mut start(&["demo", "--quiet", "--listen", "127.0.0.1:0"], &[]));
        let address = program.ready();
        (program, address)
    }

    /// Waits for the line that says where it listens.
    pub(crate) fn ready(&self) -> SocketAddr {
        let line = self.lines.recv_timeout(PATIENCE).unwrap_or_else(|_| {
            // what it said last may still be on its way
            thread::sleep(Duration::from_millis(200));
            panic!("not ready: {}", self.stderr.get())
        });
        let address = line.split("http://").nth(1).and_then(|rest| rest.split_whitespace().next());
        address.and_then(|address| address.parse().ok()).unwrap_or_else(|| panic!("no address in {line:?}"))
    }

    /// Sends it a signal: `TERM`, `INT`, `HUP`.
    pub(crate) fn signal(&self, name: &str) {
        send_signal(name, self.child.id());
    }

    /// Its number among the system's processes.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// What it has said so far, of what was asked for.
    pub(crate) fn said_on_stdout(&self) -> String {
        self.stdout.get()
    }

    /// What it has said so far, of everything else.
    pub(crate) fn said_on_stderr(&self) -> String {
        self.stderr.get()
    }

    /// Whether it still runs.
    pub(crate) fn runs(&mut self) -> bool {
        self.child.try_wait().expect("our own child").is_none()
    }

    /// Waits for its end.
    pub(crate) fn ended(mut self) -> Ended {
        let started = Instant::now();
        while self.runs() {
            assert!(started.elapsed() < PATIENCE, "it does not end; it said {}", self.stderr.get());
            thread::sleep(Duration::from_millis(5));
        }
        let code = self.child.wait().expect("our own child").code();
        Ended { code, stdout: self.stdout.whole(), stderr: self.stderr.whole() }
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Text {
    /// Keeps what comes through a pipe, and tells every line.
    fn follow(&self, pipe: impl Read + Send + 'static, tell: impl Fn(&str) + Send + 'static) {
        let text = self.clone();
        thread::spawn(move || {
            for line in BufReader::new(pipe).lines().map_while(Result::ok) {
                text.0.lock().expect("nobody panics here").push_str(&format!("{line}\n"));
                tell(&line);
            }
        });
    }

    fn get(&self) -> String {
        self.0.lock().expect("nobody panics here").clone()
    }

    /// All of it: the pipe's thread gives its share of the text back when the pipe is closed.
    fn whole(&self) -> String {
        super::until("the end of a pipe", || Arc::strong_count(&self.0) == 1);
        self.get()
    }
}
