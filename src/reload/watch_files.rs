//! Notices that the files of the configuration have other contents, and reads them again.
//!
//! A folder that an orchestrator mounts changes by a link that suddenly points elsewhere, and an editor writes a file in
//! steps. So contents are compared, through links, and a change counts once two looks in a row have found the same.

use std::sync::Arc;
use std::time::Duration;

use tokio::task::spawn_blocking;
use tokio::time::sleep;

use super::{Reloads, look};

/// How often to look.
const EVERY: Duration = Duration::from_secs(5);

/// Looks at the files again and again, as long as `server.watch_config` says so. Never returns.
pub async fn watch_files(reloads: Reloads) {
    let mut seen = None;
    loop {
        sleep(EVERY).await;
        if !reloads.current().get().settings().server.watch_config {
            continue;
        }
        let inner = Arc::clone(&reloads.0);
        let Ok(now) = spawn_blocking(move || look(&inner.options).0).await else { continue };
        let differs = now != *reloads.0.contents.lock();
        if differs && seen.as_ref() == Some(&now) {
            // a wrong configuration is tried once, and again when it has changed
            let _ = reloads.reload("watch_config").await;
        }
        seen = Some(now);
    }
}
