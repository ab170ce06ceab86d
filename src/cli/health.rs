//! `quotefold health`: whether a running server is ready, or at least lives.

use std::io;
use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};

use super::body::body;
use super::get::KEY_VARIABLE;
use super::print::{complain, print};
use super::{Exit, Health, options, settings};
use crate::provider::secrets::mask_url;
use crate::settings::Settings;

/// The longest wait for a reply. A health check must end before the container's own timeout does.
const PATIENCE: Duration = Duration::from_secs(5);

pub(super) fn run(arguments: &Health) -> io::Result<Exit> {
    let options = options(&arguments.file);
    // a key that cannot be sent is left out: health is answered without one, too
    let can_be_sent = |key: &&String| !key.is_empty() && key.bytes().all(|byte| byte.is_ascii_graphic());
    let own_key = options.environment.get(KEY_VARIABLE).filter(can_be_sent);
    let own_key = own_key.map(|key| SecretString::from(key.clone()));
    let (base, key) = match &arguments.url {
        Some(url) => match check_url(url) {
            Ok(()) => (url.clone(), own_key),
            Err(why) => {
                complain(&why);
                return Ok(Exit::Usage);
            }
        },
        None => match settings(&options) {
            Ok(settings) => {
                (format!("http://{}", reachable(address(&settings))), settings.access.keys.first().cloned().or(own_key))
            }
            Err(exit) => return Ok(exit),
        },
    };
    let asked = if arguments.live { "live" } else { "ready" };
    let url = format!("{}/health/{asked}", base.trim_end_matches('/'));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    match runtime.block_on(ask(&url, key.as_ref())) {
        Ok((true, page)) => {
            print(&format!("{}\n", page.trim_end()))?;
            Ok(Exit::Done)
        }
        Ok((false, page)) => {
            complain(page.trim_end());
            Ok(Exit::NotWhole)
        }
        Err(why) => {
            complain(&format!("{} does not answer: {why}", mask_url(&url)));
            Ok(Exit::NotWhole)
        }
    }
}

/// The address to ask: the operator's if there is one, since clients cannot take all of its connections.
fn address(settings: &Settings) -> &str {
    let admin = settings.access.admin_listen.as_deref().filter(|address| !address.ends_with(":0"));
    admin.unwrap_or(&settings.server.listen)
}

/// Whether the reply is a 2xx, and its body.
async fn ask(url: &str, key: Option<&SecretString>) -> Result<(bool, String), String> {
    let why = |error: reqwest::Error| root_cause(&error.without_url());
    let client = reqwest::Client::builder().no_proxy().timeout(PATIENCE).build().map_err(why)?;
    let request = client.get(url);
    // health needs no key, but gives its reasons only to callers with one
    let request = match key {
        Some(key) => request.bearer_auth(key.expose_secret()),
        None => request,
    };
    let reply = request.send().await.map_err(why)?;
    let is_success = reply.status().is_success();
    Ok((is_success, String::from_utf8_lossy(&body(reply).await?).into_owned()))
}

/// Checks that a text is the URL of a server: a wrong command line is not the same as a server that is down.
pub(super) fn check_url(url: &str) -> Result<(), String> {
    match reqwest::Url::parse(url) {
        Ok(parsed) if matches!(parsed.scheme(), "http" | "https") && parsed.has_host() => Ok(()),
        _ => Err(format!("{:?} is not a server's URL; write one such as \"http://127.0.0.1:8080\"", mask_url(url))),
    }
}

/// The address at which this machine reaches a server that listens here; all interfaces include the loopback one.
pub(super) fn reachable(listen: &str) -> String {
    listen
        .strip_prefix("0.0.0.0:")
        .map(|port| format!("127.0.0.1:{port}"))
        .unwrap_or_else(|| listen.replace("[::]:", "[::1]:"))
}

/// The root cause of an error: "Connection refused (os error 111)" says more than the layers above it.
pub(super) fn root_cause(error: &dyn std::error::Error) -> String {
    let mut cause = error;
    while let Some(deeper) = cause.source() {
        cause = deeper;
    }
    cause.to_string()
}

#[cfg(test)]
mod tests {
    use super::reachable;

    #[test]
    fn a_server_on_all_interfaces_is_asked_on_this_machine() {
        assert_eq!(reachable("0.0.0.0:8080"), "127.0.0.1:8080");
        assert_eq!(reachable("[::]:8080"), "[::1]:8080");
        assert_eq!(reachable("prices.internal:80"), "prices.internal:80");
    }
}
