//! The program as a process: its arguments, configuration, signals and exit.

use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Child, ChildStderr, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use super::PATIENCE;
use super::openapi::exchanges::Listening;

/// A temporary configuration file, removed with the test.
pub(crate) struct Configuration(PathBuf);

/// How a process ended, and its output.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

/// A running process, killed with the test.
pub(crate) struct Program {
    child: Child,
    stdout: Text,
    stderr: Text,
    lines: Receiver<String>,
    /// The addresses whose replies are compared with the description.
    listening: Mutex<Vec<Listening>>,
}

/// What a process has written to a pipe so far.
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

/// The program, about to be started without variables or files of this machine.
pub(crate) fn start(arguments: &[&str], variables: &[(&str, &str)]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_quotefold"));
    command.args(arguments).env_clear().envs(variables.iter().copied()).current_dir(std::env::temp_dir());
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// Starts a program that does not ignore SIGHUP, even if these tests do because `nohup` started them.
pub(crate) const HEARS_HANGUPS: [&str; 2] = ["env", "--default-signal=HUP"];

/// The program that a command would start, but it hears hangups in any case.
pub(crate) fn hearing_hangups(command: &Command) -> Command {
    let mut hears = Command::new(HEARS_HANGUPS[0]);
    hears.args(&HEARS_HANGUPS[1..]).arg(command.get_program()).args(command.get_args());
    hears.env_clear().envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
    hears.current_dir(std::env::temp_dir());
    hears.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    hears
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
    /// Starts a process whose output is kept.
    pub(crate) fn new(command: &mut Command) -> Self {
        let stderr = Text::default();
        let kept = stderr.clone();
        Program::spawn(command, stderr, move |pipe| kept.read(pipe, |_| {}))
    }

    /// Starts a process whose stderr is read by `read_stderr`, on a thread of its own.
    pub(crate) fn reading(command: &mut Command, read_stderr: impl FnOnce(ChildStderr) + Send + 'static) -> Self {
        Program::spawn(command, Text::default(), read_stderr)
    }

    fn spawn(command: &mut Command, stderr: Text, read_stderr: impl FnOnce(ChildStderr) + Send + 'static) -> Self {
        let mut child = command.spawn().expect("the program starts");
        let (line, lines) = channel();
        let stdout = Text::default();
        if let Some(pipe) = child.stdout.take() {
            let kept = stdout.clone();
            thread::spawn(move || kept.read(pipe, |said| drop(line.send(said.to_owned()))));
        }
        if let Some(pipe) = child.stderr.take() {
            thread::spawn(move || read_stderr(pipe));
        }
        Program { child, stdout, stderr, lines, listening: Mutex::default() }
    }

    /// `quotefold serve` with this configuration, on any free port, ready; and where it listens.
    pub(crate) fn serve(configuration: &Configuration, variables: &[(&str, &str)]) -> (Self, SocketAddr) {
        let arguments = ["serve", "--config", configuration.path(), "--listen", "127.0.0.1:0"];
        let program = Program::new(&mut start(&arguments, variables));
        let address = program.ready();
        (program, address)
    }

    /// `quotefold demo` without its narration, on any free port; and where it listens.
    pub(crate) fn demo() -> (Self, SocketAddr) {
        let program = Program::new(&mut start(&["demo", "--quiet", "--listen", "127.0.0.1:0"], &[]));
        let address = program.ready();
        (program, address)
    }

    /// Waits for the line that says where it listens, and returns the address for callers.
    pub(crate) fn ready(&self) -> SocketAddr {
        self.addresses()[0]
    }

    /// Waits for the line that says where it listens, and returns every address in it.
    pub(crate) fn addresses(&self) -> Vec<SocketAddr> {
        let line = self.lines.recv_timeout(PATIENCE).unwrap_or_else(|_| {
            // its last words may still be on their way
            thread::sleep(Duration::from_millis(200));
            panic!("not ready: {}", self.stderr.get())
        });
        let addresses = line.split("http://").skip(1).filter_map(|rest| rest.split([' ', ',']).next()?.parse().ok());
        let addresses: Vec<SocketAddr> = addresses.collect();
        assert!(!addresses.is_empty(), "no address in {line:?}");
        self.listening.lock().extend(addresses.iter().map(|address| Listening::at(*address)));
        addresses
    }

    /// Sends it a signal: `TERM`, `INT`, `HUP`.
    pub(crate) fn signal(&self, name: &str) {
        send_signal(name, self.child.id());
    }

    /// Its process id.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// What it has written to stdout so far.
    pub(crate) fn said_on_stdout(&self) -> String {
        self.stdout.get()
    }

    /// What it has written to stderr so far.
    pub(crate) fn said_on_stderr(&self) -> String {
        self.stderr.get()
    }

    /// Whether it is still running.
    pub(crate) fn runs(&mut self) -> bool {
        self.child.try_wait().expect("our own child").is_none()
    }

    /// Waits until it exits, for at most this long; its exit code, and how long that took.
    pub(crate) fn exited_within(&mut self, longest: Duration) -> Option<(i32, Duration)> {
        let started = Instant::now();
        while started.elapsed() < longest {
            if let Some(status) = self.child.try_wait().expect("our own child") {
                return Some((status.code().unwrap_or(-1), started.elapsed()));
            }
            thread::sleep(Duration::from_millis(5));
        }
        None
    }

    /// Waits until it exits.
    pub(crate) fn ended(mut self) -> Ended {
        let started = Instant::now();
        while self.runs() {
            assert!(started.elapsed() < PATIENCE, "it does not end; it wrote {}", self.stderr.get());
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
    /// Keeps every line of a pipe, and passes it to `each`.
    fn read(&self, pipe: impl Read, each: impl Fn(&str)) {
        for line in BufReader::new(pipe).lines().map_while(Result::ok) {
            self.0.lock().push_str(&format!("{line}\n"));
            each(&line);
        }
    }

    fn get(&self) -> String {
        self.0.lock().clone()
    }

    /// All of it: the thread that reads the pipe drops its handle when the pipe is closed.
    fn whole(&self) -> String {
        super::until("the end of a pipe", || Arc::strong_count(&self.0) == 1);
        self.get()
    }
}
