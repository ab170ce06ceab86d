//! Tables by symbol that are looked up many times for each quote of an answer.
//!
//! Their hash is several times quicker than the standard library's, and protects less against keys that were chosen to collide.
//! So they hold only what is bounded: the symbols of one request, the latest of one source, names from the
//! settings. A table that requests fill keeps the standard hash.

use std::collections::{HashMap, HashSet};

use foldhash::fast::RandomState;

/// A table with few keys.
pub(crate) type QuickMap<K, V> = HashMap<K, V, RandomState>;

/// A set of few keys.
pub(crate) type QuickSet<K> = HashSet<K, RandomState>;
