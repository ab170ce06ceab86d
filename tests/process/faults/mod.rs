//! What vendors, networks and clients do wrong, over real sockets; and that it costs one quote, never the answer.

mod connections;
mod outages;
mod questions;
mod replies;
mod values;
mod waiting;

use crate::support::{Reply, Service, Upstream};

/// A service over one vendor that misbehaves, and two that do not.
struct Market {
    service: Service,
    faulty: Upstream,
    honest: [Upstream; 2],
}

impl Market {
    /// The faulty vendor is source `a`, and gets 400 ms; `more` is what else its section says.
    fn with(faulty: Upstream, more: &str) -> Self {
        let honest = [Upstream::quoting("100"), Upstream::quoting("100.1")];
        let a = faulty.source("a", &format!("timeout = \"400ms\"\n{more}"));
        let service = Service::over(&[a, honest[0].source("b", ""), honest[1].source("c", "")]);
        Market { service, faulty, honest }
    }

    fn of(faulty: Upstream) -> Self {
        Market::with(faulty, "")
    }

    /// Asks for BTC-USD, and checks what must be true whatever `a` did: the price is folded from the others.
    fn ask(&self) -> Reply {
        let reply = self.service.prices("BTC-USD");
        assert_eq!((reply.status, reply.header("prices-status")), (200, Some("complete")), "{reply:?}");
        let entry = reply.entry("BTC-USD");
        assert_eq!((&entry["price"], &entry["sources"]["used"]), (&"100.05".into(), &2.into()), "{entry:#}");
        for source in ["b", "c"] {
            assert_eq!(reply.verdict("BTC-USD", source), "used");
        }
        reply
    }

    /// Asks, and gives status and reason of what `a` said, and the detail.
    fn verdict(&self) -> (String, String) {
        let reply = self.ask();
        let quote = reply.quote("BTC-USD", "a");
        (reply.verdict("BTC-USD", "a"), quote["detail"].as_str().unwrap_or_default().to_owned())
    }

    /// Asserts what `a` came to, and that its detail says this.
    fn assert_failed(&self, reason: &str, words: &str) {
        let (verdict, detail) = self.verdict();
        assert_eq!(verdict, format!("failed / {reason}"), "{detail}");
        assert!(detail.contains(words), "{words:?} is not in {detail:?}");
    }
}
