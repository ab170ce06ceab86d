//! Gates in front of all of the demo's venues. Each changes its behaviour every few seconds, and one venue at a time lies.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use quotefold::demo::venue::{Mood, Venues};
use tokio::net::TcpListener;
use tokio::time::sleep;

use crate::arrivals::Measure;
use crate::gate::{Behaviour, Gate};

/// How long a venue lies, and how long all are honest before the next one does: longer than an old quote is usable.
const LIE: Duration = Duration::from_secs(4);
const NO_LIE: Duration = Duration::from_secs(26);

/// The venue with a tight limit, and the calls per second that it and the others allow.
const TIGHT: &str = "zeta";
const TIGHT_LIMIT: usize = 5;
const USUAL_LIMIT: usize = 50;

/// Calls per venue and behaviour.
pub(crate) type Calls = BTreeMap<&'static str, BTreeMap<Behaviour, u64>>;

/// All gates.
pub(crate) struct Gates {
    gates: Vec<Arc<Gate>>,
    venues: Arc<Venues>,
    on: Arc<AtomicBool>,
    lies: Arc<AtomicU64>,
}

impl Gates {
    /// A gate for each venue, which passes calls on until told otherwise.
    pub(crate) async fn open(venues: &Arc<Venues>, seed: u64) -> Self {
        let mut gates = Vec::new();
        for (number, venue) in (0..).zip(venues.all()) {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let address = listener.local_addr().unwrap();
            let gate = Arc::new(Gate::new(venue.name, address, venues.router(), seed * 100 + number));
            tokio::spawn(Arc::clone(&gate).listen(listener));
            gates.push(gate);
        }
        Gates { gates, venues: Arc::clone(venues), on: Arc::default(), lies: Arc::default() }
    }

    /// The venues' settings with the addresses of the gates, and with the limits that are checked here.
    pub(crate) fn in_front_of(&self, settings: &str, market: SocketAddr) -> String {
        let text = self.gates.iter().fold(settings.to_owned(), |text, gate| {
            text.replace(
                &format!("http://{market}/{}\"", gate.venue),
                &format!("http://{}/{}\"", gate.address, gate.venue),
            )
        });
        let (before, tight) = text.split_once(&format!("[sources.{TIGHT}]")).unwrap();
        let limits = |limit: usize| format!("limits = [\"{limit}/s\"]");
        let tight = tight.replacen(&limits(USUAL_LIMIT), &limits(TIGHT_LIMIT), 1);
        format!("{before}[sources.{TIGHT}]{tight}")
    }

    /// Makes every gate change its behaviour every few seconds, and one venue at a time lie.
    pub(crate) fn misbehave(&self) {
        self.on.store(true, Ordering::Relaxed);
        for gate in &self.gates {
            let (gate, on) = (Arc::clone(gate), Arc::clone(&self.on));
            tokio::spawn(async move {
                while on.load(Ordering::Relaxed) {
                    gate.set(gate.next());
                    let pause = gate.number(1000..7000);
                    sleep(Duration::from_millis(pause)).await;
                }
            });
        }
        let (gates, venues, on) = (self.gates.clone(), Arc::clone(&self.venues), Arc::clone(&self.on));
        let lies = Arc::clone(&self.lies);
        tokio::spawn(async move {
            for gate in gates.iter().cycle().take_while(|_| on.load(Ordering::Relaxed)) {
                let Some(venue) = venues.get(gate.venue) else { continue };
                gate.reserved.store(true, Ordering::Relaxed);
                gate.set(Behaviour::Honest);
                venue.set(Mood::Lie);
                lies.fetch_add(1, Ordering::Relaxed);
                sleep(LIE).await;
                venue.set(Mood::Honest);
                sleep(NO_LIE / 2).await;
                gate.reserved.store(false, Ordering::Relaxed);
                sleep(NO_LIE / 2).await;
            }
        });
    }

    /// Makes all of them honest.
    pub(crate) fn behave(&self) {
        self.on.store(false, Ordering::Relaxed);
        for gate in &self.gates {
            gate.set(Behaviour::Honest);
            if let Some(venue) = self.venues.get(gate.venue) {
                venue.set(Mood::Honest);
            }
        }
    }

    /// Each venue's limit, and the most calls that it got in one period.
    pub(crate) fn measures(&self) -> Vec<Measure> {
        let measure = |gate: &Arc<Gate>| {
            let limit = if gate.venue == TIGHT { TIGHT_LIMIT } else { USUAL_LIMIT };
            gate.arrivals.measure(gate.venue, limit, Duration::from_secs(1))
        };
        self.gates.iter().map(measure).collect()
    }

    /// Makes all of them slow to reply.
    pub(crate) fn be_slow(&self) {
        self.gates.iter().for_each(|gate| gate.set(Behaviour::Slow));
    }

    /// The calls so far, and how often a venue has begun to lie.
    pub(crate) fn tally(&self) -> (Calls, u64) {
        let calls = self.gates.iter().map(|gate| (gate.venue, gate.calls.lock().unwrap().clone())).collect();
        (calls, self.lies.load(Ordering::Relaxed))
    }
}
