//! A real server of the shared store, which a test can kill, stop, empty, or put another clock into.

use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use crate::support::{Folder, send_signal, until};

/// A running server.
pub(crate) struct Store {
    pub(crate) port: u16,
    folder: Folder,
    /// The library through which it reads the time, if its clock can be moved.
    clock: Option<PathBuf>,
    process: Option<Child>,
}

impl Store {
    pub(crate) fn start() -> Self {
        // below the ports that the system hands out, so that no connection of another test takes it while the server is away
        let mut ports = (0..).map(|_| fastrand::u16(10_000..30_000));
        let port = ports.find(|port| TcpListener::bind(("127.0.0.1", *port)).is_ok()).expect("a free port");
        let mut store = Store { port, folder: Folder::new(), clock: None, process: None };
        store.rise();
        store
    }

    /// One whose clock can be moved.
    pub(crate) fn with_clock() -> Self {
        let mut store = Store::start();
        store.die();
        let library = store.folder.0.join("clock.so");
        let source = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/replicas/clock.c");
        let made = Command::new("cc").args(["-shared", "-fPIC", "-O1", "-o"]).arg(&library).arg(source).status();
        assert!(made.expect("a C compiler is installed").success());
        store.clock = Some(library);
        store.move_clock(0);
        store.rise();
        store
    }

    /// Starts it at the same address. It knows what was saved last.
    pub(crate) fn rise(&mut self) {
        let port = self.port.to_string();
        let mut server = Command::new("redis-server");
        server.args(["--port", &port, "--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--dir"]);
        server.arg(&self.folder.0);
        if let Some(library) = &self.clock {
            server.env("LD_PRELOAD", library).env("CLOCK_MOVED_BY", self.moved());
        }
        server.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        self.process = Some(server.spawn().expect("redis-server is installed"));
        until("the store accepts connections", || TcpStream::connect(("127.0.0.1", self.port)).is_ok());
    }

    /// Kills it. What it had in memory is gone.
    pub(crate) fn die(&mut self) {
        if let Some(mut process) = self.process.take() {
            let _ = process.kill();
            let _ = process.wait();
        }
    }

    /// Sends it a signal.
    pub(crate) fn signal(&self, name: &str) {
        send_signal(name, self.process.as_ref().expect("a running server").id());
    }

    /// Runs a command there, and returns what it prints.
    pub(crate) fn run(&self, command: &[&str]) -> String {
        let port = self.port.to_string();
        let ended = Command::new("redis-cli").args(["-p", &port]).args(command).output();
        String::from_utf8(ended.expect("redis-cli is installed").stdout).expect("text")
    }

    /// Moves its clock by seconds, and keeps it moved.
    pub(crate) fn move_clock(&self, seconds: i64) {
        // in one step: a reader must not find half of it
        let new = self.folder.0.join("new");
        std::fs::write(&new, seconds.to_string()).expect("a writable folder");
        std::fs::rename(new, self.moved()).expect("the same folder");
    }

    fn moved(&self) -> PathBuf {
        self.folder.0.join("moved")
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        // one that was stopped cannot end otherwise
        self.die();
    }
}
