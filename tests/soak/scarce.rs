//! A vendor with few calls an hour, asked once for its symbols before all clients ask it for junk.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::AsyncWriteExt;
use tokio::net::TcpListener;

use crate::arrivals::{Arrivals, Measure};
use crate::gate::{read_target, with_length};

/// The symbols that it quotes, and the price of each.
const QUOTED: [&str; 3] = ["KEPT1-USD", "KEPT2-USD", "KEPT3-USD"];
const PRICE: &str = "123.45";

/// Calls that it allows in an hour. A fifth of them may be made in a fifth of it.
const AN_HOUR: usize = 40;
const HOUR: Duration = Duration::from_secs(3600);

/// The vendor.
pub(crate) struct Scarce {
    address: SocketAddr,
    arrivals: Arrivals,
    /// Calls that asked for something that it quotes.
    for_quoted: Mutex<u64>,
}

impl Scarce {
    pub(crate) async fn open() -> Arc<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let scarce = Arc::new(Scarce { address, arrivals: Arrivals::default(), for_quoted: Mutex::default() });
        let serving = Arc::clone(&scarce);
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let serving = Arc::clone(&serving);
                tokio::spawn(async move {
                    while let Some((target, arrived)) = read_target(&mut stream).await {
                        serving.arrivals.note(arrived);
                        if stream.write_all(serving.reply(&target).as_bytes()).await.is_err() {
                            return;
                        }
                    }
                });
            }
        });
        scarce
    }

    fn reply(&self, target: &str) -> String {
        let asked = || QUOTED.into_iter().filter(|name| target.contains(name));
        if asked().next().is_some() {
            *self.for_quoted.lock().unwrap() += 1;
        }
        let rows: Vec<String> = asked().map(|name| format!(r#"{{"s":"{name}","p":"{PRICE}"}}"#)).collect();
        with_length("200 OK", "application/json", &format!("[{}]", rows.join(",")))
    }

    /// Its section of the configuration: it is asked for all pairs, and its quotes are usable for hours.
    pub(crate) fn settings(&self) -> String {
        format!(
            "\n[sources.scarce]\nclasses = [\"crypto\"]\nurl = \"http://{}/quotes?ids={{symbols}}\"\n\
             jq = '.[] | {{symbol: .s, price: .p}}'\nbatch = 10\nlimits = [\"{AN_HOUR}/h\"]\nretries = 0\n\
             refresh_after = \"6h\"\nusable_for = \"12h\"\n",
            self.address
        )
    }

    /// The request for everything that it quotes.
    pub(crate) fn question() -> String {
        format!("/prices?symbols={}&sources=scarce&timeout=2s", QUOTED.join(","))
    }

    /// What is missing in an answer to that request.
    pub(crate) fn missing_in(answer: &serde_json::Value) -> Option<String> {
        let is_there = |name: &str| {
            let entries = answer["prices"].as_array().into_iter().flatten();
            let mut quotes = entries
                .filter(|entry| entry["symbol"] == name)
                .filter_map(|entry| entry["quotes"].as_array())
                .flatten();
            quotes.any(|quote| quote["price"] == PRICE)
        };
        if QUOTED.into_iter().all(is_there) { None } else { Some(answer.to_string()) }
    }

    /// How often it was called for what it quotes, and in all.
    pub(crate) fn calls(&self) -> (u64, usize) {
        (*self.for_quoted.lock().unwrap(), self.arrivals.count())
    }

    /// Its limit, and the most calls that it got in one period.
    pub(crate) fn measures(&self) -> Vec<Measure> {
        let part = |share: u32| self.arrivals.measure("scarce", AN_HOUR / share as usize, HOUR / share);
        vec![part(1), part(5)]
    }
}
