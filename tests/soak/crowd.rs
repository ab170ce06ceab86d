//! All clients, on a thread that does nothing but send and read.

use std::net::SocketAddr;
use std::sync::{Arc, mpsc};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use quotefold::symbol::Symbol;
use tokio::runtime::{Builder, Runtime};
use tokio::task::JoinSet;

use crate::client::{Client, Outcome};
use crate::honest::History;
use crate::judge::{Seen, Tally, judge};
use crate::manner::Manner;

/// All clients, and the thread that examines what they get.
pub(crate) struct Crowd {
    server: SocketAddr,
    symbols: Vec<Symbol>,
    seed: u64,
    pub(crate) runtime: Runtime,
    seen: mpsc::Sender<Seen>,
    judging: JoinHandle<Tally>,
}

impl Crowd {
    pub(crate) fn new(server: SocketAddr, history: &Arc<History>, seed: u64) -> Self {
        let (seen, to_judge) = mpsc::channel();
        let (symbols, history) = (history.symbols(), Arc::clone(history));
        let judging = thread::spawn(move || judge(to_judge, &history));
        let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        Crowd { server, symbols, seed, runtime, seen, judging }
    }

    /// Runs this many clients until a time, each in the manner of its number. Returns when the last has left.
    pub(crate) fn visit(&self, clients: usize, manner: fn(usize) -> Manner, until: Instant) {
        self.begin(clients, manner, until).wait();
    }

    /// The same, without waiting for the end.
    pub(crate) fn begin(&self, clients: usize, manner: fn(usize) -> Manner, until: Instant) -> Visit<'_> {
        let _in_runtime = self.runtime.enter();
        let mut visit = JoinSet::new();
        for number in 0..clients {
            let (manner, seed) = (manner(number), self.seed * 100_000 + number as u64);
            let mut client = Client::new(manner, self.server, number, self.symbols.clone(), seed);
            let seen = self.seen.clone();
            visit.spawn(async move {
                while Instant::now() < until {
                    let (errand, outcome) = client.act().await;
                    let _ = seen.send((manner, errand, outcome));
                    client.rest().await;
                }
            });
        }
        Visit { runtime: &self.runtime, visit }
    }

    /// Sends this many requests that fetch everything again, and a moment later runs `what`; returns its result and how many
    /// requests were answered.
    pub(crate) fn while_asking<T>(&self, clients: usize, what: impl FnOnce() -> T) -> (T, usize) {
        let _in_runtime = self.runtime.enter();
        let mut asking = JoinSet::new();
        for number in 0..clients {
            let mut client = Client::new(Manner::Refreshes, self.server, number, self.symbols.clone(), self.seed);
            asking.spawn(async move { matches!(client.act().await.1, Outcome::Answered { .. }) });
        }
        // so that they are in flight
        thread::sleep(Duration::from_millis(50));
        let done = what();
        let answered = self.runtime.block_on(asking.join_all());
        (done, answered.into_iter().filter(|answered| *answered).count())
    }

    /// Everything that was seen.
    pub(crate) fn end(self) -> Tally {
        self.runtime.shutdown_background();
        drop(self.seen);
        self.judging.join().unwrap()
    }
}

/// Clients that are running.
pub(crate) struct Visit<'c> {
    runtime: &'c Runtime,
    visit: JoinSet<()>,
}

impl Visit<'_> {
    /// Waits until the last has left.
    pub(crate) fn wait(mut self) {
        self.runtime.block_on(async { while self.visit.join_next().await.is_some() {} });
    }
}
