//! The ways in which clients behave. Each client has one manner, and keeps it.

use std::fmt;

/// What a client does with its requests and the replies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Manner {
    /// Asks for a few symbols, sometimes for up to thirty, and reads the answer.
    Asks,
    /// Asks for 100 symbols, most of them invented.
    AsksForMany,
    /// Asks for invented symbols, different ones each time.
    AsksForJunk,
    /// Has everything fetched again.
    Refreshes,
    /// Waits for 50 ms.
    IsImpatient,
    /// Leaves before the answer comes.
    LeavesEarly,
    /// Asks for 500 symbols, and reads a few KB of the answer each second.
    ReadsSlowly,
    /// Asks for 500 symbols, and stops reading for a while in the middle of the answer.
    StopsReading,
    /// Closes its side of the connection after its request.
    ClosesItsSide,
    /// Sends its request in small pieces, and sometimes no more than half of it.
    SendsSlowly,
}

/// How many of twenty clients have each manner.
const OF_TWENTY: [(Manner, usize); 10] = [
    (Manner::Asks, 7),
    (Manner::AsksForMany, 2),
    (Manner::AsksForJunk, 2),
    (Manner::Refreshes, 2),
    (Manner::IsImpatient, 2),
    (Manner::LeavesEarly, 1),
    (Manner::ReadsSlowly, 1),
    (Manner::StopsReading, 1),
    (Manner::ClosesItsSide, 1),
    (Manner::SendsSlowly, 1),
];

impl Manner {
    /// The manner of the client with this number.
    pub(crate) fn of(number: usize) -> Self {
        let all: Vec<Manner> =
            OF_TWENTY.iter().flat_map(|(manner, share)| std::iter::repeat_n(*manner, *share)).collect();
        // seven is coprime to twenty, so that small crowds are mixed, too
        all[number * 7 % all.len()]
    }
}

impl fmt::Display for Manner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Manner::Asks => "asks",
            Manner::AsksForMany => "asks for many",
            Manner::AsksForJunk => "asks for junk",
            Manner::Refreshes => "refreshes",
            Manner::IsImpatient => "is impatient",
            Manner::LeavesEarly => "leaves early",
            Manner::ReadsSlowly => "reads slowly",
            Manner::StopsReading => "stops reading",
            Manner::ClosesItsSide => "closes its side",
            Manner::SendsSlowly => "sends slowly",
        })
    }
}
