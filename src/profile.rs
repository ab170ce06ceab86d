//! Knows what can be said about a source without calling it: what it covers, and how its quotes are judged.

pub mod fingerprint;
pub mod profiles;
pub mod waits;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use crate::fingerprint::Fingerprint;
use crate::provider::description::SourceSettings;
use crate::provider::extract::Extractor;
use crate::quote::Origin;
use crate::settings::Settings;
use crate::symbol::{Class, Symbol};
use waits::Waits;

/// Everything about a source that can be known without a call.
pub struct Profile {
    /// The source's settings.
    pub settings: SourceSettings,
    /// How it spells symbols, and what its replies mean.
    pub extractor: Extractor,
    origins: BTreeMap<Class, Arc<Origin>>,
    plain: Arc<Origin>,
    meaning: Fingerprint,
    waits: Waits,
}

impl Profile {
    /// The profile of a source; `settings` holds those of the whole service.
    pub fn new(source: SourceSettings, extractor: Extractor, settings: &Settings) -> Self {
        let origin = |lag_ms, by_isin| {
            let (name, account) = (source.name.clone(), source.account.clone());
            Arc::new(Origin { source: name, account, role: source.role, lag_ms, by_isin })
        };
        let lag_ms = |class| {
            let usable_for = settings.of_class(class).usable_for;
            milliseconds(source.lag) + milliseconds(source.usable_for.unwrap_or(usable_for)) - milliseconds(usable_for)
        };
        let by_isin = |class| extractor.spelling().is_asked_by_isin(class);
        let origins = source.classes.iter().map(|class| (*class, origin(lag_ms(*class), by_isin(*class)))).collect();
        let plain = origin(milliseconds(source.lag), false);
        let meaning = fingerprint::of_meaning(&source, settings);
        let waits = Waits::new(&source, settings);
        Profile { settings: source, extractor, origins, plain, meaning, waits }
    }

    /// The source's name.
    pub fn name(&self) -> &str {
        &self.settings.name
    }

    /// How long after its latest quote the source still counts as serving: the longest `fallback_for` of its classes.
    pub(crate) fn serves_for(&self) -> Duration {
        self.waits.serves_for()
    }

    /// A fingerprint of what its quotes are about: after a restart, a different source may have the same name.
    pub fn meaning(&self) -> &Fingerprint {
        &self.meaning
    }

    /// How long its failures are believed.
    pub fn waits(&self) -> &Waits {
        &self.waits
    }

    /// Whether it may be asked for a symbol of a class at all.
    pub fn covers(&self, symbol: &Symbol, class: Class) -> bool {
        self.settings.means(symbol) && self.extractor.spelling().covers(symbol, class)
    }

    /// What is known of the source when its quotes of a class are judged.
    pub fn origin(&self, class: Class) -> Arc<Origin> {
        Arc::clone(self.origins.get(&class).unwrap_or(&self.plain))
    }

    /// The same where the class does not matter.
    pub fn plain_origin(&self) -> &Arc<Origin> {
        &self.plain
    }
}

fn milliseconds(span: Duration) -> i64 {
    i64::try_from(span.as_millis()).unwrap_or(i64::MAX / 4)
}
