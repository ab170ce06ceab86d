//! `[server]`: where the service listens, how long it waits, and how much load it accepts.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::access::unless_empty;
use super::effects::remark_on_names;
use super::error::Report;
use super::listen;
use crate::provider::proxy::{self, ProxySetting};
use crate::symbol::Symbol;
use crate::units::{Bytes, Selection, Span, WaitFor, as_text};

/// The section `[server]`.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct ServerSettings {
    /// Address and port, port 0 taking any free one; or `unix:` and the path of a socket.
    pub listen: String,
    /// The timeout of a request that states none; also the total time of one call to a source.
    #[serde(with = "as_text::span")]
    pub timeout: Duration,
    /// The longest timeout that a request may state.
    #[serde(with = "as_text::span")]
    pub max_timeout: Duration,
    /// How long a request that states nothing else waits for its sources.
    pub wait: WaitFor,
    /// The most symbols in one request; 1 to 5000.
    pub max_symbols: usize,
    /// The symbols that clients may ask for; at least one pattern.
    pub symbols: Selection,
    /// The proxy that the calls of all sources go through, or `none`; if not stated, what the environment says.
    #[serde(deserialize_with = "proxy::setting", skip_serializing_if = "Option::is_none")]
    pub proxy: Option<ProxySetting>,
    /// How long the service keeps serving after SIGTERM, so that load balancers notice.
    #[serde(with = "as_text::span")]
    pub drain_delay: Duration,
    /// How long requests in flight may then take to finish.
    #[serde(with = "as_text::span")]
    pub drain_timeout: Duration,
    /// How long a connection may stay between two requests, and before its first; at least 5 seconds.
    #[serde(with = "as_text::span")]
    pub idle_timeout: Duration,
    /// The most connections at once; 1 to a million.
    pub max_connections: usize,
    /// The most connections of one client at once; 0 for any number.
    pub max_connections_per_client: usize,
    /// The most requests at once, 1 to a million; more are shed.
    pub max_requests: usize,
    /// The most streams of prices at once, up to a million; 0 for a quarter of `max_connections`.
    pub max_streams: usize,
    /// The least time between two events of one symbol that the reader of a stream may ask for; at least 20 milliseconds.
    #[serde(with = "as_text::span")]
    pub stream_floor: Duration,
    /// The most pairs of symbol and source that all requests together may fetch at once; a pair that is fresh on the
    /// board does not count. Further requests wait, and are shed when their time is over. A heavier request runs alone.
    /// As many again may be fetched for callers who did not wait for them.
    pub max_weight: u32,
    /// The most memory for replies that clients have not read yet and for sources' replies that are being read, in
    /// bytes; at least 4 MiB. Requests beyond it are shed.
    #[serde(with = "as_text::bytes")]
    pub max_reply_memory: usize,
    /// Whether every connection comes from one of `access.trusted_proxies` and begins with a header of the PROXY protocol, version 2.
    pub proxy_protocol: bool,
    /// The PEM file with the certificate that the service shows, and those between it and its authority; `None` if it speaks no TLS.
    #[serde(deserialize_with = "unless_empty")]
    pub certificate_file: Option<String>,
    /// The PEM file with the certificate's key.
    #[serde(deserialize_with = "unless_empty")]
    pub key_file: Option<String>,
    /// Whether the service looks every 5 seconds whether its configuration files have changed, and reads them again then.
    pub watch_config: bool,
    /// Whether clients, and caches between them and this service, may keep answers.
    pub cacheable: bool,
}

impl Default for ServerSettings {
    fn default() -> Self {
        ServerSettings {
            listen: "127.0.0.1:8080".to_owned(),
            timeout: Duration::from_secs(2),
            max_timeout: Duration::from_secs(10),
            wait: WaitFor::All,
            max_symbols: 100,
            symbols: Selection::any(),
            proxy: None,
            drain_delay: Duration::from_secs(5),
            drain_timeout: Duration::from_secs(10),
            idle_timeout: Duration::from_secs(75),
            max_connections: 4096,
            max_connections_per_client: 0,
            max_requests: 1024,
            max_streams: 0,
            stream_floor: Duration::from_millis(100),
            max_weight: 25_000,
            max_reply_memory: 128 << 20,
            proxy_protocol: false,
            certificate_file: None,
            key_file: None,
            watch_config: false,
            cacheable: false,
        }
    }
}

/// The shortest timeout that leaves a source any time.
const SHORTEST: Duration = Duration::from_millis(50);

/// The longest time that a request or the end of the service may take.
const LONGEST: Duration = Duration::from_secs(3_600);

/// The shortest time that a connection may be idle: a request's head may take as long to arrive.
const SHORTEST_IDLE: Duration = Duration::from_secs(5);

/// The upper bound for connections and for requests.
const MOST: usize = 1_000_000;

/// The shortest time between two events of a symbol: a symbol is folded no more often than that for readers.
const SHORTEST_STREAM_FLOOR: Duration = Duration::from_millis(20);

/// The part of all connections that may be streams of prices if the settings do not say how many: a quarter.
const PART_FOR_STREAMS: usize = 4;

/// The upper bound for `max_weight`: more than can ever be asked for.
const MOST_WEIGHT: u32 = 1_000_000_000;

/// The least memory for replies: enough for a few answers about 100 symbols, or for one reply of a source.
const LEAST_REPLY_MEMORY: usize = 4 << 20;

/// The upper bound for `max_symbols`. A form with that many takes half a megabyte, in each request in flight.
const MOST_SYMBOLS: usize = 5_000;

impl ServerSettings {
    /// The most streams of prices at once.
    pub fn streams(&self) -> usize {
        match self.max_streams {
            0 => self.max_connections.div_ceil(PART_FOR_STREAMS),
            most => most,
        }
    }

    pub(super) fn check(&self, report: &mut Report<'_>) {
        if let Some(fault) = listen::fault(&self.listen, "127.0.0.1:8080") {
            report.at(&["server", "listen"], fault);
        }
        report.unless(
            self.timeout >= SHORTEST,
            &["server", "timeout"],
            format!("{} is too short to call a source; set {} or more", Span(self.timeout), Span(SHORTEST)),
        );
        let are_read = report.was_read(&["server", "timeout"]) && report.was_read(&["server", "max_timeout"]);
        if self.timeout > self.max_timeout && are_read {
            let at = if report.states(&["server", "timeout"]) { "timeout" } else { "max_timeout" };
            let (short, long) = (Span(self.max_timeout), Span(self.timeout));
            report.at(
                &["server", at],
                format!(
                    "timeout is {long}, longer than max_timeout = {short}; write {short} or less, or raise max_timeout"
                ),
            );
        }
        if let Some(after) = self.wait.after_quorum().filter(|after| *after > self.max_timeout && are_read) {
            report.at(
                &["server", "wait"],
                format!(
                    "{} is longer than max_timeout = {}; write all, quorum, or how long to wait after the quorum",
                    Span(after),
                    Span(self.max_timeout)
                ),
            );
        }
        for (key, length) in [
            ("max_timeout", self.max_timeout),
            ("drain_delay", self.drain_delay),
            ("drain_timeout", self.drain_timeout),
            ("idle_timeout", self.idle_timeout),
            ("stream_floor", self.stream_floor),
        ] {
            report.unless(
                length <= LONGEST,
                &["server", key],
                format!("{} is longer than any client waits; write {} or less", Span(length), Span(LONGEST)),
            );
        }
        report.unless(
            self.idle_timeout >= SHORTEST_IDLE,
            &["server", "idle_timeout"],
            format!(
                "{} is too short: a request alone may take {} to arrive; write that or more",
                Span(self.idle_timeout),
                Span(SHORTEST_IDLE)
            ),
        );
        report.unless(
            self.stream_floor >= SHORTEST_STREAM_FLOOR,
            &["server", "stream_floor"],
            format!(
                "{} is shorter than the interval at which prices are checked for streams; write {} or more",
                Span(self.stream_floor),
                Span(SHORTEST_STREAM_FLOOR)
            ),
        );
        for why in self.symbols.patterns().filter_map(|pattern| Symbol::why_never_matched(&pattern)) {
            report.at(&["server", "symbols"], why);
        }
        let texts = self.symbols.texts();
        remark_on_names(texts.iter().map(String::as_str), &["server", "symbols"], report);
        let counts = [
            ("max_connections", self.max_connections, MOST),
            ("max_requests", self.max_requests, MOST),
            ("max_weight", self.max_weight as usize, MOST_WEIGHT as usize),
            ("max_symbols", self.max_symbols, MOST_SYMBOLS),
        ];
        for (key, count, most) in counts {
            report.unless(
                (1..=most).contains(&count),
                &["server", key],
                format!("{count} is out of range; write 1 to {most}"),
            );
        }
        report.unless(
            self.max_connections_per_client <= MOST,
            &["server", "max_connections_per_client"],
            format!("{} is out of range; write up to {MOST}, or 0 for any number", self.max_connections_per_client),
        );
        report.unless(
            self.max_streams <= MOST,
            &["server", "max_streams"],
            format!("{} is out of range; write up to {MOST}, or 0 for a quarter of max_connections", self.max_streams),
        );
        report.unless(
            self.max_reply_memory >= LEAST_REPLY_MEMORY,
            &["server", "max_reply_memory"],
            format!(
                "{} is too small for any answer; write {} or more",
                Bytes(self.max_reply_memory),
                Bytes(LEAST_REPLY_MEMORY)
            ),
        );
        report.unless(
            !self.symbols.is_empty(),
            &["server", "symbols"],
            "an empty list allows no symbol; write [\"*\"] for all, or patterns such as \"ETH-*\"",
        );
    }
}
