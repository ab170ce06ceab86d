//! Compares the connections that a service may have with the files that the system lets it open (`ulimit -n`): each connection is
//! one.

use rustix::process::{Resource, getrlimit};

use crate::settings::ServerSettings;

/// The files that a service opens besides its connections: to sources, to the processes of filters, the log, the state.
const BESIDES: u64 = 128;

/// What to say if the system allows fewer files than the settings allow connections; `None` if it allows enough.
pub(super) fn too_few_for(server: &ServerSettings) -> Option<String> {
    getrlimit(Resource::Nofile).current.and_then(|limit| too_few(server.max_connections, limit))
}

fn too_few(connections: usize, limit: u64) -> Option<String> {
    let needed = u64::try_from(connections).unwrap_or(u64::MAX).saturating_add(BESIDES);
    (needed > limit).then(|| {
        let fit = limit.saturating_sub(BESIDES);
        format!(
            "server.max_connections is {connections}, but this process may open only {limit} files (ulimit -n), so about {fit} \
             connections fit; raise the limit to {needed} (LimitNOFILE in systemd), or lower max_connections"
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_and_what_else_is_open_must_fit() {
        assert_eq!(too_few(896, 1024), None);
        let said = too_few(4096, 1024).unwrap();
        assert!(said.contains("about 896 connections fit") && said.contains("to 4224 "), "{said}");
        assert!(too_few(usize::MAX, 1024).is_some() && too_few(1, 0).is_some());
    }
}
