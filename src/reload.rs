//! Reads the configuration again while the service runs, and puts what it says in the place of what it said before.
//!
//! A configuration that is wrong changes nothing: it says why, and the service goes on as before.

mod watch_files;

use std::sync::{Arc, OnceLock};

use parking_lot::Mutex;
use serde::Serialize;
use tokio::task::{JoinError, spawn_blocking};

use crate::fingerprint::Fingerprint;
use crate::logging;
use crate::profile::Profile;
use crate::service::Quotefold;
use crate::service::current::Current;
use crate::settings::Settings;
use crate::settings::error::ConfigErrors;
use crate::settings::load::{LoadOptions, load};
use crate::source::examples::wrong_examples;
use crate::source::sandbox::Program;
use crate::source::{SetupError, profiles_of_own_filters};

pub use watch_files::watch_files;

/// Makes everything that a service needs to be served, and returns what puts it in its place.
pub type Prepare = Box<dyn Fn(&Arc<Quotefold>) -> Box<dyn FnOnce() + Send> + Send + Sync>;

/// Reads the configuration of a running service again. Cheap to clone; all clones are of the same service.
#[derive(Clone)]
pub struct Reloads(Arc<Inner>);

struct Inner {
    options: LoadOptions,
    current: Current,
    prepare: OnceLock<Prepare>,
    /// Reloads are one at a time.
    turn: tokio::sync::Mutex<()>,
    standing: Mutex<Standing>,
    /// What the configuration said when it was read last, whether it was right or wrong.
    contents: Mutex<Fingerprint>,
}

/// How the last reload went, and what it left to do.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Standing {
    /// Why it failed; `None` if it did not.
    pub failed: Option<ReloadError>,
    /// The keys that have other values now, which take effect with the next start.
    pub waits_for_restart: Vec<&'static str>,
}

impl Standing {
    /// What an operator should look at, in words; `None` if nothing.
    pub(crate) fn in_words(&self) -> Option<String> {
        // anyone may read this, and what is wrong may name hosts and files
        let failed = self.failed.as_ref().map(|failed| match failed {
            ReloadError::Configuration(_) => {
                "the configuration is wrong, so the one before still holds; the log says more"
            }
            ReloadError::Unable(_) => "the configuration could not be read again; the log says more",
        });
        let failed = failed.map(str::to_owned);
        let waits = (!self.waits_for_restart.is_empty())
            .then(|| format!("changed, and waits for a restart: {}", self.waits_for_restart.join(", ")));
        let all: Vec<String> = failed.into_iter().chain(waits).collect();
        (!all.is_empty()).then(|| all.join("; "))
    }
}

/// What a reload has changed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Reloaded {
    /// The sources that are new, or are described differently than before.
    pub new_sources: Vec<String>,
    /// The sources that are no longer there, or not as they were. Their quotes are dropped.
    pub ended_sources: Vec<String>,
    /// The keys that have other values now, which take effect with the next start.
    pub waits_for_restart: Vec<&'static str>,
}

/// Why a configuration could not be put in the place of the one before, which still holds.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReloadError {
    /// It is wrong, or cannot be read.
    #[error("{0}")]
    Configuration(String),
    /// The service is shutting down, or a thread for the work could not be started.
    #[error("the configuration could not be read again: {0}")]
    Unable(String),
}

/// A configuration that was read again, and is right as far as can be told without running a filter.
struct Read {
    settings: Settings,
    waits_for_restart: Vec<&'static str>,
    /// What is known of the sources whose filters are not the catalogue's.
    own: Vec<Profile>,
}

impl From<JoinError> for ReloadError {
    fn from(error: JoinError) -> Self {
        ReloadError::Unable(error.to_string())
    }
}

impl From<ConfigErrors> for ReloadError {
    fn from(errors: ConfigErrors) -> Self {
        ReloadError::Configuration(errors.to_string().trim_end().to_owned())
    }
}

impl From<SetupError> for ReloadError {
    fn from(error: SetupError) -> Self {
        ReloadError::Configuration(error.to_string())
    }
}

impl Reloads {
    /// Reads the configuration of a service from where it was read at the start.
    pub fn new(options: LoadOptions, current: &Current) -> Self {
        let service = current.get();
        service.metrics().reloaded(true, service.clock().now().wall);
        let settings = service.settings();
        let inner = Inner {
            options: options.again(settings.file.as_deref()),
            current: current.clone(),
            prepare: OnceLock::new(),
            turn: tokio::sync::Mutex::default(),
            standing: Mutex::default(),
            contents: Mutex::new(settings.contents.clone()),
        };
        Reloads(Arc::new(inner))
    }

    /// Sets what prepares a service to be served. Without it, a reload changes the service alone.
    pub fn serve_with(&self, prepare: Prepare) {
        // it is set once, before the first reload
        let _ = self.0.prepare.set(prepare);
    }

    /// The service as it is configured now.
    pub fn current(&self) -> &Current {
        &self.0.current
    }

    /// How the last reload went.
    pub fn standing(&self) -> Standing {
        self.0.standing.lock().clone()
    }

    /// Reads the configuration again, and puts it in the place of the one before. `by` says in the log what asked for it.
    ///
    /// # Errors
    /// The configuration is wrong. Then the one before still holds.
    pub async fn reload(&self, by: &'static str) -> Result<Reloaded, ReloadError> {
        let _turn = self.0.turn.lock().await;
        let reloaded = self.replace_service().await;
        self.note(by, &reloaded);
        reloaded
    }

    async fn replace_service(&self) -> Result<Reloaded, ReloadError> {
        let inner = Arc::clone(&self.0);
        // files may be slow, and filters take long to compile
        let read = spawn_blocking(move || inner.read()).await;
        let Read { settings, waits_for_restart, own } = read??;
        let wrong_examples = wrong_examples(own.iter(), &Program::running()).await;
        if !wrong_examples.is_empty() {
            return Err(ReloadError::Configuration(wrong_examples.join("\n\n")));
        }
        let inner = Arc::clone(&self.0);
        spawn_blocking(move || inner.follow(settings, waits_for_restart)).await?
    }

    fn note(&self, by: &'static str, reloaded: &Result<Reloaded, ReloadError>) {
        let service = self.0.current.get();
        service.metrics().reloaded(reloaded.is_ok(), service.clock().now().wall);
        let mut standing = self.0.standing.lock();
        match reloaded {
            Ok(Reloaded { new_sources, ended_sources, waits_for_restart }) => {
                let (new, ended) = (new_sources.join(", "), ended_sources.join(", "));
                tracing::info!(by, new, ended, "the configuration was read again and holds from now on");
                if !waits_for_restart.is_empty() {
                    tracing::warn!("changed, and waits for a restart: {}", waits_for_restart.join(", "));
                }
                *standing = Standing { failed: None, waits_for_restart: waits_for_restart.clone() };
            }
            Err(error) => {
                tracing::error!(by, "the configuration before still holds: {error}");
                standing.failed = Some(error.clone());
            }
        }
    }
}

/// The configuration as it is now, and a fingerprint of it: of one that is wrong, of what is wrong with it.
fn look(options: &LoadOptions) -> (Fingerprint, Result<Settings, ConfigErrors>) {
    let read = load(options);
    let contents = match &read {
        Ok(settings) => settings.contents.clone(),
        Err(errors) => Fingerprint::of([errors.to_string().as_str()], 16),
    };
    (contents, read)
}

impl Inner {
    fn read(&self) -> Result<Read, ReloadError> {
        let (contents, read) = look(&self.options);
        *self.contents.lock() = contents;
        let (settings, waits_for_restart) = read?.after_start(self.current.get().settings());
        let own = profiles_of_own_filters(&settings)?;
        Ok(Read { settings, waits_for_restart, own })
    }

    fn follow(&self, settings: Settings, waits_for_restart: Vec<&'static str>) -> Result<Reloaded, ReloadError> {
        let before = self.current.get();
        settings.remarks.iter().for_each(|remark| tracing::warn!("{remark}"));
        let next = Arc::new(before.following(settings)?);
        let new_sources = before.new_in(&next);
        let switch = self.prepare.get().map(|prepare| prepare(&next));
        // A source that is described differently may not quote under the new description what it said under the old one. In
        // the moment between these steps, requests find it neither here nor there.
        let ended_sources = before.retire_for(&next);
        logging::follow(&next.settings().log);
        // first what keeps the state, so that it keeps no quote of the new sources as one of the old
        self.current.replace(next);
        switch.into_iter().for_each(|switch| switch());
        Ok(Reloaded { new_sources, ended_sources, waits_for_restart })
    }
}
