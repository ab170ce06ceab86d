//! The way from a replica to the store: a TCP proxy that delays, or swallows, what goes one way or both.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// A running proxy. Its threads end with the test's process.
pub(crate) struct Way {
    pub(crate) port: u16,
    state: Arc<State>,
}

#[derive(Default)]
struct State {
    /// How long what goes either way takes, in milliseconds.
    delay: AtomicU64,
    /// What is swallowed: bit 0 for calls, bit 1 for replies.
    swallows: AtomicU64,
}

/// What the way swallows.
#[derive(Clone, Copy)]
pub(crate) enum Swallows {
    Nothing = 0,
    Replies = 2,
    Everything = 3,
}

impl Way {
    /// A way to a port of this machine.
    pub(crate) fn to(port: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let own = listener.local_addr().expect("its address").port();
        let state: Arc<State> = Arc::default();
        let shared = Arc::clone(&state);
        thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                let Ok(server) = TcpStream::connect(SocketAddr::from(([127, 0, 0, 1], port))) else { continue };
                for (from, to, bit) in [(&client, &server, 1), (&server, &client, 2)] {
                    let _ = to.set_nodelay(true);
                    let (from, to) = (from.try_clone().expect("a socket"), to.try_clone().expect("a socket"));
                    let state = Arc::clone(&shared);
                    thread::spawn(move || carry(from, to, bit, &state));
                }
            }
        });
        Way { port: own, state }
    }

    /// Lets everything take this long in either direction.
    pub(crate) fn delay(&self, milliseconds: u64) {
        self.state.delay.store(milliseconds, Ordering::SeqCst);
    }

    /// Swallows something from now on.
    pub(crate) fn swallow(&self, what: Swallows) {
        self.state.swallows.store(what as u64, Ordering::SeqCst);
    }
}

/// Carries bytes until an end is closed. What is delayed waits in line, so that a delay costs no throughput.
fn carry(mut from: TcpStream, mut to: TcpStream, bit: u64, state: &State) {
    let (line, waiting) = std::sync::mpsc::channel::<(Instant, Vec<u8>)>();
    let writer = thread::spawn(move || {
        for (at, bytes) in waiting {
            thread::sleep(at.saturating_duration_since(Instant::now()));
            if to.write_all(&bytes).is_err() {
                break;
            }
        }
        let _ = to.shutdown(Shutdown::Both);
    });
    let mut bytes = [0; 65_536];
    while let Ok(read) = from.read(&mut bytes)
        && read > 0
    {
        if state.swallows.load(Ordering::SeqCst) & bit == 0 {
            let at = Instant::now() + Duration::from_millis(state.delay.load(Ordering::SeqCst));
            if line.send((at, bytes[..read].to_vec())).is_err() {
                break;
            }
        }
    }
    drop(line);
    let _ = writer.join();
}
