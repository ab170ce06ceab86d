//! Goes on with other settings: makes the service that follows, and retires the sources that it does not have.

use std::sync::Arc;

use super::Quotefold;
use crate::gather::LeftBehind;
use crate::reply_memory::ReplyMemory;
use crate::settings::Settings;
use crate::source::{SetupError, Source, Surroundings};
use crate::workload::Workload;

impl Quotefold {
    /// The service with other settings. The board, the accounts with what they have spent, the metrics, and every source that is
    /// still described alike go on in it, with all that is in flight. Requests that began before finish here, with the settings
    /// that they began with.
    ///
    /// # Errors
    /// A source cannot be set up. Then nothing has changed.
    pub(crate) fn following(&self, settings: Settings) -> Result<Quotefold, SetupError> {
        let around = Surroundings {
            board: Arc::clone(&self.board),
            clock: self.clock.clone(),
            tasks: self.tasks.clone(),
            budget: settings.server.timeout,
        };
        let (old, new) = (&self.settings.server, &settings.server);
        let reply_memory = match new.max_reply_memory == old.max_reply_memory {
            true => self.reply_memory.clone(),
            false => ReplyMemory::new(new.max_reply_memory),
        };
        let (workload, left_behind) = match new.max_weight == old.max_weight {
            true => (Arc::clone(&self.workload), self.left_behind.clone()),
            false => (Arc::new(Workload::new(new.max_weight)), LeftBehind::new(&self.tasks, new.max_weight)),
        };
        let sources = self.common.set_up(&settings, &around, &self.metrics, &reply_memory, &self.sources)?;
        let next = Self::over(settings, sources, &around, self.metrics.clone());
        let (common, generation, is_simulated) = (Arc::clone(&self.common), self.generation + 1, self.is_simulated);
        Ok(Quotefold { workload, left_behind, reply_memory, common, generation, is_simulated, ..next })
    }

    /// Retires the sources that the service after this one does not have, or has only by name. Returns their names.
    pub(crate) fn retire_for(&self, next: &Quotefold) -> Vec<String> {
        let goes_on = |source: &&Arc<Source>| next.sources.iter().any(|other| other.goes_on_as(source));
        let retired = self.sources.iter().filter(|source| !goes_on(source));
        let retire = |source: &Arc<Source>| {
            source.coalescer.retire();
            // an alert for a source that is gone would never end
            self.metrics.circuit(source.profile.name(), false);
            source.profile.name().to_owned()
        };
        retired.map(retire).collect()
    }

    /// The names of the sources that the service after this one has in addition, or describes differently.
    pub(crate) fn new_in(&self, next: &Quotefold) -> Vec<String> {
        let is_known = |source: &&Arc<Source>| self.sources.iter().any(|other| other.goes_on_as(source));
        next.sources.iter().filter(|source| !is_known(source)).map(|source| source.profile.name().to_owned()).collect()
    }
}
