//! Checks what the service itself is told: where to listen, how long to wait, how much to bear, what to log.

use std::net::SocketAddr;
use std::time::Duration;

use super::Report;
use crate::settings::Settings;
use crate::units::{Bytes, Span};

/// The shortest wait that leaves a source any time.
const SHORTEST: Duration = Duration::from_millis(50);

/// The most connections, and requests.
const MOST: usize = 1_000_000;

/// The most pairs of symbol and source at once: more than can ever be asked for.
const MOST_WEIGHT: u32 = 1_000_000_000;

/// The least memory for replies: a few of 100 symbols, or one of a source.
const LEAST_REPLY_MEMORY: usize = 4 << 20;

/// The most symbols in one request. A form with that many takes half a megabyte, and each request in flight may bring one.
const MOST_SYMBOLS: usize = 5_000;

pub(super) fn check(settings: &Settings, report: &mut Report<'_>) {
    let server = &settings.server;
    report.unless(
        is_address(&server.listen),
        &["server", "listen"],
        format!(
            "{:?} is no address; write a host and a port, such as \"127.0.0.1:8080\" or \"[::]:8080\"",
            server.listen
        ),
    );
    report.unless(
        server.timeout >= SHORTEST,
        &["server", "timeout"],
        format!("{} is too short to ask anybody; write {} or more", Span(server.timeout), Span(SHORTEST)),
    );
    if server.timeout > server.max_timeout {
        let at = if report.states(&["server", "timeout"]) { "timeout" } else { "max_timeout" };
        let (short, long) = (Span(server.max_timeout), Span(server.timeout));
        report.at(
            &["server", at],
            format!(
                "timeout is {long}, longer than max_timeout = {short}; make it {short} or less, or raise max_timeout"
            ),
        );
    }
    let counts = [("max_connections", server.max_connections), ("max_requests", server.max_requests)];
    for (key, count) in counts {
        report.unless(
            (1..=MOST).contains(&count),
            &["server", key],
            format!("{count} is out of range; write 1 to {MOST}"),
        );
    }
    report.unless(
        (1..=MOST_WEIGHT).contains(&server.max_weight),
        &["server", "max_weight"],
        format!("{} is out of range; write 1 to {MOST_WEIGHT}", server.max_weight),
    );
    report.unless(
        server.max_reply_memory >= LEAST_REPLY_MEMORY,
        &["server", "max_reply_memory"],
        format!(
            "{} is too little for any answer; write {} or more",
            Bytes(server.max_reply_memory),
            Bytes(LEAST_REPLY_MEMORY)
        ),
    );
    report.unless(
        server.max_connections_per_client <= MOST,
        &["server", "max_connections_per_client"],
        format!("{} is out of range; write up to {MOST}, or 0 for any number", server.max_connections_per_client),
    );
    report.unless(
        (1..=MOST_SYMBOLS).contains(&server.max_symbols),
        &["server", "max_symbols"],
        format!("{} is out of range; write 1 to {MOST_SYMBOLS}", server.max_symbols),
    );
    report.unless(
        !server.symbols.is_empty(),
        &["server", "symbols"],
        "an empty list allows no symbol at all; write [\"*\"] for all, or patterns such as \"ETH-*\"",
    );
    level(&settings.log.level, report);
}

/// A single word is a level. `RUST_LOG` is shared with other programs, and there a word may name one of them; in our own
/// settings it is a slip, and the filter would take it for a program that does not exist and log nothing.
fn level(level: &str, report: &mut Report<'_>) {
    const LEVELS: [&str; 6] = ["error", "warn", "info", "debug", "trace", "off"];
    let path = ["log", "level"];
    let cure = "write error, warn, info, debug or trace, or a filter such as \"info,quotefold=debug\"";
    let is_word = level.bytes().all(|byte| byte.is_ascii_alphabetic());
    let is_level = LEVELS.iter().any(|known| known.eq_ignore_ascii_case(level));
    if let Err(error) = tracing_subscriber::EnvFilter::builder().parse(level) {
        report.at(&path, format!("{level:?} is no level: {error}; {cure}"));
    } else if is_word && !is_level && !report.is_set_by("RUST_LOG", &path) {
        report.at(&path, format!("{level:?} is no level; {cure}"));
    }
}

/// Whether a text is a host (an address or a name) and a port.
pub(super) fn is_address(text: &str) -> bool {
    let name_and_port = || {
        let (host, port) = text.rsplit_once(':')?;
        port.parse::<u16>().ok()?;
        let is_name = host.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-.".contains(&byte));
        Some(is_name && host.bytes().any(|byte| byte.is_ascii_alphabetic()))
    };
    text.parse::<SocketAddr>().is_ok() || name_and_port() == Some(true)
}

#[cfg(test)]
mod tests {
    use super::is_address;

    #[test]
    fn an_address_has_a_host_and_a_port() {
        for right in ["127.0.0.1:8080", "0.0.0.0:0", "[::]:8080", "localhost:80"] {
            assert!(is_address(right), "{right}");
        }
        for wrong in ["", "8080", ":8080", "127.0.0.1", "127.0.0.1:99999", "256.0.0.1:80", "http://x:80", "a b:80"] {
            assert!(!is_address(wrong), "{wrong}");
        }
    }
}
