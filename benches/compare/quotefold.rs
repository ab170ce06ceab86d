//! quotefold itself, as it is handed out: the program that cargo has built, with its default configuration over the venues.

use std::fmt::Write;
use std::time::Duration;

use anyhow::{Context, ensure};
use serde_json::Value;

use crate::machine::Machine;
use crate::process::{Reply, Server, free_address, get};
use crate::venues::Venues;

/// The program, built with the profile of this bench.
pub(crate) const PROGRAM: &str = env!("CARGO_BIN_EXE_quotefold");

/// A folder of its own, removed when it is dropped.
pub(crate) struct Folder(pub(crate) std::path::PathBuf);

/// A running service.
pub(crate) struct Service {
    pub(crate) server: Server,
    _folder: Folder,
}

impl Folder {
    pub(crate) fn new(name: &str) -> anyhow::Result<Self> {
        use std::sync::atomic::{AtomicUsize, Ordering};
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("quotefold-compare-{}-{name}-{number}", std::process::id()));
        std::fs::create_dir_all(&path).with_context(|| format!("{}", path.display()))?;
        Ok(Folder(path))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

impl Service {
    /// Starts the service over these venues, with these sections in its file, and returns when it is ready.
    pub(crate) fn start(machine: &Machine, venues: &Venues, sections: &str) -> anyhow::Result<Self> {
        let (address, folder) = (free_address()?, Folder::new("quotefold")?);
        let file = folder.0.join("quotefold.toml");
        std::fs::write(&file, configuration(venues, sections))?;
        let mut command = machine.server(&machine.program);
        command.arg("serve").arg("--config").arg(&file).args(["--listen", &address.to_string()]);
        command.env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default()).env("RUST_LOG", "error");
        let server = Server::start(&mut command, address)?.until_it_answers("/health/ready")?;
        Ok(Service { server, _folder: folder })
    }

    /// Requests prices, and returns the reply if each of them is `ok`.
    pub(crate) fn priced(&self, target: &str) -> anyhow::Result<Reply> {
        let reply = get(self.server.address, target)?;
        let text = || String::from_utf8_lossy(&reply.body);
        ensure!(reply.status == 200, "{target} gets {}: {}", reply.status, text());
        let answer: Value = serde_json::from_slice(&reply.body).with_context(|| text().into_owned())?;
        let prices = answer.get("prices").and_then(Value::as_array).context("an answer without prices")?;
        let not_ok = prices.iter().find(|price| price.get("status").and_then(Value::as_str) != Some("ok"));
        ensure!(!prices.is_empty() && not_ok.is_none(), "{target} gets a price that is not ok: {not_ok:?}");
        Ok(reply)
    }

    /// The same, until it succeeds: the first answers come while a venue is found to be broken, or before the watch list.
    pub(crate) fn priced_soon(&self, target: &str) -> anyhow::Result<Reply> {
        for _ in 0..50 {
            if let Ok(reply) = self.priced(target) {
                return Ok(reply);
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        self.priced(target)
    }
}

/// The default configuration, with one source per venue. The sources are like a built-in one, so their filter runs as most
/// people's do. Only what belongs to the vendor is changed: its limits, and how many symbols a call takes.
fn configuration(venues: &Venues, sections: &str) -> String {
    // whether an exchange is open must not decide what is measured
    let mut text = format!("[freshness]\nhours = false\n{sections}\n");
    for (number, address) in venues.addresses.iter().enumerate() {
        let _ = write!(
            text,
            "[sources.venue-{number:02}]\nlike = \"tiingo\"\nbase_url = \"http://{address}\"\nkey = \"0123456789abcdef\"\n\
             limits = []\nbatch = 100\n"
        );
    }
    text
}

/// A ticker per number, each of five letters.
pub(crate) fn ticker(number: usize) -> String {
    let letter = |place: u32| char::from(b'A' + (number / 26_usize.pow(place) % 26) as u8);
    format!("Q{}{}{}{}", letter(3), letter(2), letter(1), letter(0))
}

/// Tickers from a number on, as a list for a URL.
pub(crate) fn tickers(from: usize, count: usize) -> String {
    (from..from + count).map(ticker).collect::<Vec<_>>().join(",")
}
