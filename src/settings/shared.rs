//! `[shared]`: a store through which replicas share their vendors' limits.

use serde::{Deserialize, Serialize};

use secrecy::{ExposeSecret, SecretString};

use super::access::unless_empty;
use super::error::Report;
use crate::provider::secrets::{is_not_set, masked};

/// The section `[shared]`.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct SharedSettings {
    /// The address of a Valkey or Redis server, 7.0 or later, such as `redis://valkey:6379`; `None` if nothing is shared.
    #[serde(deserialize_with = "unless_empty")]
    pub url: Option<String>,
    /// The name of the server's user; `None` for its default user.
    #[serde(deserialize_with = "unless_empty")]
    pub username: Option<String>,
    /// The user's password.
    #[serde(serialize_with = "masked", skip_serializing_if = "is_not_set")]
    pub password: Option<SecretString>,
    /// The beginning of every key in the store. Deployments that have other accounts at their vendors need other prefixes.
    pub prefix: String,
    /// The most replicas that may run at once, those of a rollout included; 2 to 100. It must be stated.
    pub replicas: u32,
    /// Whether a replica that has never reached the store may spend its share of the limits after a minute.
    pub start_alone: bool,
}

impl Default for SharedSettings {
    fn default() -> Self {
        SharedSettings {
            url: None,
            username: None,
            password: None,
            prefix: "quotefold".to_owned(),
            replicas: 0,
            start_alone: false,
        }
    }
}

impl PartialEq for SharedSettings {
    fn eq(&self, other: &Self) -> bool {
        let secret = |settings: &Self| settings.password.as_ref().map(|password| password.expose_secret().to_owned());
        let plain = |settings: &Self| {
            let SharedSettings { url, username, prefix, replicas, start_alone, password: _ } = settings.clone();
            (url, username, prefix, replicas, start_alone)
        };
        plain(self) == plain(other) && secret(self) == secret(other)
    }
}

/// The most replicas: each of them is asked about in every reservation.
const MOST: u32 = 100;

/// The most characters of a prefix.
const LONGEST_PREFIX: usize = 64;

/// Where a store listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoreAddress {
    /// Its host name or IP address, an IPv6 address without brackets.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// The number of its database.
    pub database: i64,
    /// Whether it is reached over TLS.
    pub is_tls: bool,
}

impl StoreAddress {
    /// Reads `redis://host:port/database`, or `rediss://` for TLS. Port and database may be left out.
    ///
    /// # Errors
    /// The text is something else. The error does not repeat it, since it may hold a password.
    pub fn parse(text: &str) -> Result<Self, String> {
        let shape = "write an address such as \"redis://valkey:6379\"";
        let url = reqwest::Url::parse(text).map_err(|_| format!("this is not an address; {shape}"))?;
        let is_tls = match url.scheme() {
            "redis" | "valkey" => false,
            "rediss" | "valkeys" => true,
            other => return Err(format!("{other}:// is not how a store is reached; {shape}")),
        };
        if !url.username().is_empty() || url.password().is_some() {
            return Err("it holds a user or a password; move them to `username` and `password`".to_owned());
        }
        let host =
            url.host_str().filter(|host| !host.is_empty()).ok_or_else(|| format!("it names no host; {shape}"))?;
        let database = match url.path().trim_start_matches('/') {
            "" => 0,
            path => path.parse().ok().filter(|number| *number >= 0).ok_or_else(|| {
                format!("{path:?} is not the number of a database; write one such as \"redis://valkey:6379/1\"")
            })?,
        };
        if url.query().is_some() || url.fragment().is_some() {
            return Err(format!("what follows ? or # has no meaning here; {shape}"));
        }
        let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
        Ok(StoreAddress { host, port: url.port().unwrap_or(6379), database, is_tls })
    }
}

impl SharedSettings {
    /// Whether replicas share anything.
    pub fn is_on(&self) -> bool {
        self.url.is_some()
    }

    /// Why this program does not serve with these settings: it was built without what they need.
    pub(crate) fn why_not(&self) -> Option<String> {
        let cure = "build it with `--features shared`, or use the image";
        let is_missing = self.is_on() && cfg!(not(feature = "shared"));
        is_missing.then(|| format!("this program cannot share limits, so it does not serve; {cure}"))
    }

    /// Where the store listens; `None` if nothing is shared.
    pub fn address(&self) -> Option<StoreAddress> {
        self.url.as_deref().and_then(|url| StoreAddress::parse(url).ok())
    }

    pub(super) fn check(&self, report: &mut Report<'_>) {
        let Some(url) = &self.url else { return self.check_without_store(report) };
        if let Err(fault) = StoreAddress::parse(url) {
            report.at(&["shared", "url"], fault);
        }
        if let Some(why) = self.why_not() {
            report.remark(&["shared", "url"], why);
        }
        if self.replicas == 0 {
            let cure = "write the most that may run at once, those of a rollout included, such as replicas = 4";
            report.at(&["shared", "replicas"], format!("it is missing; {cure}"));
        } else {
            report.unless(
                (2..=MOST).contains(&self.replicas),
                &["shared", "replicas"],
                format!("{} is out of range; write 2 to {MOST}, those of a rollout included", self.replicas),
            );
        }
        let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_.:".contains(c);
        report.unless(
            (1..=LONGEST_PREFIX).contains(&self.prefix.len()) && self.prefix.chars().all(is_plain),
            &["shared", "prefix"],
            format!(
                "{:?} cannot begin the store's keys; write up to {LONGEST_PREFIX} letters, digits, and any of - _ . :",
                self.prefix
            ),
        );
        if self.username.is_some() && self.password.is_none() {
            let cure = "set `password`, such as password = \"${STORE_PASSWORD}\"";
            report.remark(&["shared", "username"], format!("without a password it has no effect; {cure}"));
        }
    }

    /// Says which keys have no meaning without a store.
    fn check_without_store(&self, report: &mut Report<'_>) {
        let default = SharedSettings::default();
        let stated = [
            ("username", self.username.is_some()),
            ("password", self.password.is_some()),
            ("prefix", self.prefix != default.prefix),
            ("replicas", self.replicas != default.replicas),
            ("start_alone", self.start_alone),
        ];
        for (key, _) in stated.into_iter().filter(|(_, is_stated)| *is_stated) {
            let cure = "set shared.url, such as url = \"redis://valkey:6379\"";
            report.remark(&["shared", key], format!("it has no effect without a store; {cure}"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_store_is_named_by_host_port_and_database() {
        let read = |text: &str| StoreAddress::parse(text).map(|at| format!("{} {} {}", at.host, at.port, at.database));
        assert_eq!(read("redis://valkey").unwrap(), "valkey 6379 0");
        assert_eq!(read("redis://10.0.0.7:7000/3").unwrap(), "10.0.0.7 7000 3");
        assert_eq!(read("valkey://[::1]:7000/").unwrap(), "::1 7000 0");
        assert!(StoreAddress::parse("rediss://valkey").unwrap().is_tls);
        assert!(!StoreAddress::parse("redis://valkey").unwrap().is_tls);
    }

    #[test]
    fn what_is_no_address_of_a_store_is_refused_without_repeating_a_password() {
        for text in ["", "valkey:6379", "http://valkey", "redis://", "redis://valkey/x", "redis://valkey?db=1"] {
            assert!(StoreAddress::parse(text).is_err(), "{text}");
        }
        for text in ["redis://:hunter2@valkey", "redis://me:hunter2@valkey", "rediss://:hunter2@valkey"] {
            let error = StoreAddress::parse(text).unwrap_err();
            assert!(!error.contains("hunter2"), "{error}");
        }
    }
}
