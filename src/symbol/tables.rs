//! The tables that spellings are read with. Each is in a file of its own, which names its public source.

pub(super) mod coins;
pub(super) mod exchanges;
pub(super) mod gone;
pub(super) mod money;
pub(super) mod places;
pub(super) mod us_tails;

pub use exchanges::Exchange;
pub(super) use exchanges::{EXCHANGES, exchange};
pub(super) use money::{is_metal, is_money};
