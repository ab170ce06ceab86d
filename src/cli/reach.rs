//! Where a running server is, and how this machine reaches it.

use std::path::{Path, PathBuf};

use reqwest::ClientBuilder;

use crate::provider::secrets::mask_url;
use crate::settings::{fault_of_address, socket_path};

/// How a server is reached.
#[derive(Clone, Debug)]
pub(super) struct Reach {
    /// The beginning of its URLs.
    base: String,
    /// The socket that leads there, if no port does.
    socket: Option<PathBuf>,
    /// Where it is, as it may be shown.
    shown: String,
}

impl Reach {
    /// The server that a command line names: by its URL, or by `unix:` and the path of its socket.
    ///
    /// # Errors
    /// What is wrong with the text. A wrong command line is not the same as a server that is down.
    pub(super) fn named(text: &str) -> Result<Self, String> {
        if let Some(path) = socket_path(text) {
            return match fault_of_address(text, "") {
                None => Ok(Reach::through(path)),
                Some(fault) => Err(fault),
            };
        }
        match reqwest::Url::parse(text) {
            Ok(parsed) if matches!(parsed.scheme(), "http" | "https") && parsed.has_host() => {
                let base = text.trim_end_matches('/').to_owned();
                Ok(Reach { base, socket: None, shown: mask_url(text) })
            }
            _ => Err(format!(
                "{:?} is not a server's URL; write one such as \"http://127.0.0.1:8080\", or \"unix:\" and the path of its socket",
                mask_url(text)
            )),
        }
    }

    /// The server that listens at an address of the configuration.
    pub(super) fn listening_at(address: &str) -> Self {
        match socket_path(address) {
            Some(path) => Reach::through(path),
            None => {
                let base = format!("http://{}", reachable(address));
                Reach { shown: base.clone(), base, socket: None }
            }
        }
    }

    fn through(path: &Path) -> Self {
        // every server takes this name, and no name server is asked for it
        let base = "http://localhost".to_owned();
        Reach { base, socket: Some(path.to_owned()), shown: format!("unix:{}", path.display()) }
    }

    /// The URL of a path there.
    pub(super) fn url(&self, path: &str) -> String {
        format!("{}{path}", self.base)
    }

    /// Where it is, as it may be shown.
    pub(super) fn shown(&self) -> &str {
        &self.shown
    }

    /// Has a client reach it.
    pub(super) fn set_up(&self, client: ClientBuilder) -> ClientBuilder {
        match &self.socket {
            Some(path) => client.unix_socket(path.clone()),
            None => client,
        }
    }
}

/// The address at which this machine reaches a server that listens here; all interfaces include the loopback one.
fn reachable(listen: &str) -> String {
    listen
        .strip_prefix("0.0.0.0:")
        .map(|port| format!("127.0.0.1:{port}"))
        .unwrap_or_else(|| listen.replace("[::]:", "[::1]:"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_on_all_interfaces_is_asked_on_this_machine() {
        assert_eq!(reachable("0.0.0.0:8080"), "127.0.0.1:8080");
        assert_eq!(reachable("[::]:8080"), "[::1]:8080");
        assert_eq!(reachable("prices.internal:80"), "prices.internal:80");
    }

    #[test]
    fn a_server_is_named_by_its_url_or_by_its_socket() {
        for (text, url) in [("http://x:80/", "http://x:80/prices"), ("unix:/run/q.sock", "http://localhost/prices")] {
            let reach = Reach::named(text).unwrap();
            assert_eq!((reach.url("/prices").as_str(), reach.shown()), (url, text));
        }
        for wrong in ["x:80", "unix:q.sock", "unix:", "ftp://x", "/run/q.sock"] {
            assert!(Reach::named(wrong).is_err(), "{wrong}");
        }
    }
}
