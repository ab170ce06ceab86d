//! Completes each source with the proxies that follow from its own key, from `server.proxy` and from the environment.

use std::sync::Arc;

use super::Environment;
use crate::provider::description::SourceSettings;
use crate::provider::proxy::{Proxies, ProxySetting, ProxyVariables};
use crate::settings::error::{ConfigError, Report};

/// What the choice of proxies depends on, and what it has used of that so far.
pub(super) struct Choice<'a> {
    server: Option<&'a ProxySetting>,
    variables: ProxyVariables,
    /// Whether a source has a proxy, and whether a source goes by the variables alone.
    has_proxy: bool,
    goes_by_variables: bool,
}

impl<'a> Choice<'a> {
    pub(super) fn new(server: Option<&'a ProxySetting>, environment: &Environment) -> Self {
        Choice { server, variables: ProxyVariables::read(environment), has_proxy: false, goes_by_variables: false }
    }

    /// Sets the proxies of a source.
    pub(super) fn complete(&mut self, source: &mut SourceSettings) {
        let proxies = Proxies::choose(source.proxy.as_ref(), self.server, &self.variables);
        self.has_proxy |= !proxies.is_empty();
        self.goes_by_variables |= source.proxy.is_none() && self.server.is_none();
        source.proxies = Arc::new(proxies);
    }

    /// The variables that count for the sources so far, for people. Reports those that count and are no proxies: a call
    /// that was meant to go through a proxy must not go past it.
    pub(super) fn read(&self, report: &mut Report<'_>) -> Vec<String> {
        if self.goes_by_variables {
            let errors = self.variables.wrong.iter().map(|(variable, message)| ConfigError {
                file: variable.clone(),
                line: None,
                key: String::new(),
                message: format!("{message}; or set server.proxy = \"none\""),
            });
            report.add(errors);
        }
        let counts =
            |name: &&str| if name.eq_ignore_ascii_case("NO_PROXY") { self.has_proxy } else { self.goes_by_variables };
        self.variables.names().filter(counts).map(|name| format!("variable {name}")).collect()
    }
}
