//! Notices that the files of the configuration have other contents, and reads them again.
//!
//! A folder that an orchestrator mounts changes by a link that suddenly points elsewhere, and an editor writes a file in
//! steps. So contents are compared, through links, and a change counts once two looks in a row have found the same.

use std::time::Duration;

use tokio::task::spawn_blocking;
use tokio::time::sleep;

use super::Reloads;
use crate::fingerprint::Fingerprint;
use crate::settings::load::{LoadOptions, load};

/// How often to look.
const EVERY: Duration = Duration::from_secs(5);

/// Looks at the files again and again, as long as `server.watch_config` says so. Never returns.
pub async fn watch_files(reloads: Reloads) {
    let mut holds = reloads.current().get().settings().contents.clone();
    let mut seen = holds.clone();
    loop {
        sleep(EVERY).await;
        if !reloads.current().get().settings().server.watch_config {
            continue;
        }
        let Some(now) = look(reloads.0.options.clone()).await else { continue };
        if now != holds && now == seen {
            // a wrong configuration is tried once, and again when it has changed
            let _ = reloads.reload("watch_config").await;
            holds = now.clone();
        }
        seen = now;
    }
}

/// What the files say now: of a configuration that is wrong, what is wrong with it.
async fn look(options: LoadOptions) -> Option<Fingerprint> {
    let looked = spawn_blocking(move || match load(&options) {
        Ok(settings) => settings.contents,
        Err(errors) => Fingerprint::of([errors.to_string().as_str()], 16),
    });
    looked.await.ok()
}
