//! Stands in for the store in a build without the feature `shared`, which the settings refuse to share anything with.

use std::convert::Infallible;

use super::script::Script;
use super::{Server, StoreError};
use crate::settings::SharedSettings;

/// A store that cannot be.
pub(super) struct Store(Infallible);

impl Store {
    pub(super) fn new(_: &SharedSettings) -> Option<Self> {
        None
    }

    pub(super) fn listening(_: &SharedSettings, _: impl Fn(String) + Send + Sync + 'static) -> Option<Self> {
        None
    }

    #[allow(clippy::unused_async, reason = "as the real one")]
    pub(super) async fn subscribe(&self, _: &str) -> Result<(), StoreError> {
        match self.0 {}
    }

    #[allow(clippy::unused_async, reason = "as the real one")]
    pub(super) async fn agree_on(&self, _: &str, _: &str) -> Result<String, StoreError> {
        match self.0 {}
    }

    #[allow(clippy::unused_async, reason = "as the real one")]
    pub(super) async fn values(&self, _: &str) -> Result<Vec<String>, StoreError> {
        match self.0 {}
    }

    #[allow(clippy::unused_async, reason = "as the real one")]
    pub(super) async fn connect(&self) -> Result<Server, StoreError> {
        match self.0 {}
    }

    pub(super) fn disconnect(&self) {
        match self.0 {}
    }

    #[allow(clippy::unused_async, reason = "as the real one")]
    pub(super) async fn run(&self, _: &Script, _: &[&str], _: &[String]) -> Result<Vec<String>, StoreError> {
        match self.0 {}
    }
}
