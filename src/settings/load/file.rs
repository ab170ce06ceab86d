//! Describes the configuration file: every section and key, with everything optional.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use secrecy::SecretString;
use serde::Deserialize;

use crate::fold::BelowQuorum;
use crate::provider::description::SourceTable;
use crate::settings::access::{AccessSettings, HostName, Network, Origin, Rate};
use crate::settings::rule::RuleTable;
use crate::settings::{
    LogFormat, LogSettings, RequestLog, ServerSettings, StateSettings, SymbolSettings, WatchSettings,
};
use crate::symbol::{Class, Currency, Symbol};
use crate::units::{Bytes, Glob, Percent, Span};

/// A whole file.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct FileTable {
    pub(super) server: ServerTable,
    pub(super) access: AccessTable,
    pub(super) freshness: FreshnessTable,
    pub(super) fold: FoldTable,
    pub(super) class: BTreeMap<Class, RuleTable>,
    pub(super) symbols: BTreeMap<String, SymbolTable>,
    pub(super) state: StateTable,
    pub(super) watch: WatchTable,
    pub(super) log: LogTable,
    pub(super) sources: BTreeMap<String, SourceTable>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ServerTable {
    listen: Option<String>,
    timeout: Option<Span>,
    max_timeout: Option<Span>,
    max_symbols: Option<usize>,
    symbols: Option<Vec<Glob>>,
    drain_delay: Option<Span>,
    drain_timeout: Option<Span>,
    max_connections: Option<usize>,
    max_connections_per_client: Option<usize>,
    max_requests: Option<usize>,
    max_weight: Option<u32>,
    max_reply_memory: Option<Bytes>,
}

/// Who may ask.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct AccessTable {
    keys: Option<Vec<SecretString>>,
    rate: Option<Rate>,
    trusted_proxies: Option<Vec<Network>>,
    cors: Option<Vec<Origin>>,
    admin_listen: Option<String>,
    hosts: Option<Vec<HostName>>,
}

/// The ages that hold for all classes.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct FreshnessTable {
    refresh_after: Option<Span>,
    usable_for: Option<Span>,
    fallback_for: Option<Span>,
    closed_for: Option<Span>,
    hours: Option<bool>,
    refresh_floor: Option<Span>,
    unknown_for: Option<Span>,
}

/// The fold's rule for all classes.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct FoldTable {
    required: Option<usize>,
    below_quorum: Option<BelowQuorum>,
    outlier_beyond: Option<Percent>,
    disagree_beyond: Option<Percent>,
    book_within: Option<Percent>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SymbolTable {
    pub(super) currency: Option<String>,
    pub(super) class: Option<Class>,
    pub(super) spelled: Option<BTreeMap<String, String>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct StateTable {
    path: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct WatchTable {
    pub(super) symbols: Option<Vec<String>>,
    every: Option<Span>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct LogTable {
    level: Option<String>,
    format: Option<LogFormat>,
    requests: Option<RequestLog>,
}

impl ServerTable {
    /// With the built-in values for what the file leaves out.
    pub(super) fn resolve(&self) -> ServerSettings {
        let span = |stated: Option<Span>, seconds| stated.map_or(Duration::from_secs(seconds), |span| span.0);
        ServerSettings {
            listen: self.listen.clone().unwrap_or_else(|| "127.0.0.1:8080".to_owned()),
            timeout: span(self.timeout, 2),
            max_timeout: span(self.max_timeout, 10),
            max_symbols: self.max_symbols.unwrap_or(100),
            symbols: self.symbols.clone().unwrap_or_else(|| vec![Glob::any()]),
            drain_delay: span(self.drain_delay, 5),
            drain_timeout: span(self.drain_timeout, 10),
            max_connections: self.max_connections.unwrap_or(4096),
            max_connections_per_client: self.max_connections_per_client.unwrap_or(0),
            max_requests: self.max_requests.unwrap_or(1024),
            max_weight: self.max_weight.unwrap_or(25_000),
            max_reply_memory: self.max_reply_memory.map_or(128 << 20, |bytes| bytes.0),
        }
    }
}

impl AccessTable {
    /// What the file leaves out is off.
    pub(super) fn resolve(&self) -> AccessSettings {
        AccessSettings {
            keys: self.keys.clone().unwrap_or_default(),
            rate: self.rate.clone().unwrap_or_default().0,
            trusted_proxies: self.trusted_proxies.clone().unwrap_or_default(),
            cors: self.cors.clone().unwrap_or_default(),
            admin_listen: self.admin_listen.clone().filter(|address| !address.is_empty()),
            hosts: self.hosts.clone().unwrap_or_default(),
        }
    }
}

impl FreshnessTable {
    /// The same as any class could state it.
    pub(super) fn rule(&self) -> RuleTable {
        RuleTable {
            refresh_after: self.refresh_after,
            usable_for: self.usable_for,
            fallback_for: self.fallback_for,
            closed_for: self.closed_for,
            hours: self.hours,
            refresh_floor: self.refresh_floor,
            unknown_for: self.unknown_for,
            ..RuleTable::default()
        }
    }
}

impl FoldTable {
    /// The same as any class could state it.
    pub(super) fn rule(&self) -> RuleTable {
        RuleTable {
            required: self.required,
            below_quorum: self.below_quorum,
            outlier_beyond: self.outlier_beyond,
            disagree_beyond: self.disagree_beyond,
            book_within: self.book_within,
            ..RuleTable::default()
        }
    }
}

impl SymbolTable {
    pub(super) fn resolve(&self) -> SymbolSettings {
        SymbolSettings {
            currency: self.currency.as_deref().map(Currency::new),
            class: self.class,
            spelled: self.spelled.clone().unwrap_or_default(),
        }
    }
}

impl StateTable {
    pub(super) fn resolve(&self) -> StateSettings {
        StateSettings { path: self.path.as_ref().map(PathBuf::from) }
    }
}

impl WatchTable {
    /// With these of its symbols, and the built-in value for what the file leaves out.
    pub(super) fn resolve(&self, symbols: Vec<Symbol>) -> WatchSettings {
        WatchSettings { symbols, every: self.every.map_or(Duration::from_secs(30), |span| span.0) }
    }
}

impl LogTable {
    /// With the built-in values for what the file leaves out.
    pub(super) fn resolve(&self) -> LogSettings {
        LogSettings {
            level: self.level.clone().unwrap_or_else(|| "info".to_owned()),
            format: self.format.unwrap_or(LogFormat::Auto),
            requests: self.requests.unwrap_or(RequestLog::Errors),
        }
    }
}
