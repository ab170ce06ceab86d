//! Describes providers, and does with bytes alone what can be done with a description: spells symbols, writes the request, and
//! makes rows of the reply. Nothing here makes a call: there is no socket, no runtime, and the only clock is the thread's own, which
//! bounds a filter.

pub mod catalogue;
pub mod description;
pub mod example;
pub mod extract;
pub mod filter;
pub mod scrub;
pub mod secrets;
pub mod spelling;
