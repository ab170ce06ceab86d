//! `quotefold health`: whether a running server is ready, or at least lives.

use std::io;
use std::time::Duration;

use secrecy::SecretString;

use super::get::KEY_VARIABLE;
use super::print::{complain, print};
use super::reach::{Asked, Reach};
use super::{Exit, Health, options, settings};
use crate::settings::load::LoadOptions;

/// The longest wait for a reply. A health check must end before the container's own timeout does.
const PATIENCE: Duration = Duration::from_secs(5);

pub(super) fn run(arguments: &Health) -> io::Result<Exit> {
    let options = LoadOptions { without_identity: true, ..options(&arguments.file) };
    // a key that cannot be sent is left out: health is answered without one, too
    let can_be_sent = |key: &&String| !key.is_empty() && key.bytes().all(|byte| byte.is_ascii_graphic());
    let own_key = options.environment.get(KEY_VARIABLE).filter(can_be_sent);
    let own_key = own_key.map(|key| SecretString::from(key.clone()));
    let (reach, key) = match &arguments.url {
        Some(url) => match Reach::named(url) {
            Ok(reach) => (reach, own_key),
            Err(why) => {
                complain(&why);
                return Ok(Exit::Usage);
            }
        },
        None => match settings(&options) {
            Ok(settings) => {
                // the operator's address if there is one, since clients cannot take all of its connections
                let reach = Reach::admin(&settings).unwrap_or_else(|| Reach::public(&settings));
                (reach, settings.access.keys.first().cloned().or(own_key))
            }
            Err(exit) => return Ok(exit),
        },
    };
    let asked = if arguments.live { "live" } else { "ready" };
    let path = format!("/health/{asked}");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    match runtime.block_on(ask(&reach, &path, key.as_ref())) {
        Ok((true, page)) => {
            print(&format!("{}\n", page.trim_end()))?;
            Ok(Exit::Done)
        }
        Ok((false, page)) => {
            complain(page.trim_end());
            Ok(Exit::NotWhole)
        }
        Err(why) => {
            complain(&format!("{} does not answer: {why}", reach.shown_at(&path)));
            Ok(Exit::NotWhole)
        }
    }
}

/// Whether the reply is a 2xx, and its body.
async fn ask(reach: &Reach, path: &str, key: Option<&SecretString>) -> Result<(bool, String), String> {
    // health needs no key, but gives its reasons only to callers with one
    let reply = reach.ask(Asked { target: path, form: None, key, patience: PATIENCE, is_redirected: true }).await?;
    Ok((reply.status.is_success(), String::from_utf8_lossy(&reply.body?).into_owned()))
}

/// The root cause of an error: "Connection refused (os error 111)" says more than the layers above it.
pub(super) fn root_cause(error: &dyn std::error::Error) -> String {
    let mut cause = error;
    while let Some(deeper) = cause.source() {
        cause = deeper;
    }
    cause.to_string()
}
