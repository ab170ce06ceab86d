//! Lists the sources that are switched on, in the order by which everything else numbers them.

use std::sync::Arc;

use super::Profile;
use crate::symbol::QuickMap;

/// The profiles of all sources. A request identifies each source by its place in this list.
pub struct Profiles {
    all: Vec<Arc<Profile>>,
    places: QuickMap<String, usize>,
}

impl Profiles {
    /// A list of these profiles, in this order.
    pub fn new(all: Vec<Arc<Profile>>) -> Self {
        let places = all.iter().enumerate().map(|(place, profile)| (profile.name().to_owned(), place)).collect();
        Profiles { all, places }
    }

    /// How many sources there are.
    pub fn len(&self) -> usize {
        self.all.len()
    }

    /// Whether no source is switched on.
    pub fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    /// The source at a place.
    pub fn get(&self, place: usize) -> Option<&Profile> {
        self.all.get(place).map(Arc::as_ref)
    }

    /// The place of a source, by its name.
    pub fn place(&self, name: &str) -> Option<usize> {
        self.places.get(name).copied()
    }

    /// All sources with their places.
    pub fn iter(&self) -> impl Iterator<Item = (usize, &Profile)> {
        self.all.iter().map(Arc::as_ref).enumerate()
    }
}
