//! Describes providers, and does the part of the work that needs only bytes: spells symbols, writes requests, and turns
//! replies into rows. Nothing here makes a call, reads a file or tells the time: there is no socket, no runtime and no
//! clock. A filter's budget of steps and CPU time is passed in ([`filter::Fuel`]).

pub mod catalogue;
pub mod charset;
pub mod description;
pub mod example;
pub mod extract;
pub mod filter;
pub mod instruments;
pub mod proxy;
pub mod scrub;
pub mod secrets;
pub mod spelling;
