//! Notices when connections to a vendor do not last although no reply says that they end.
//!
//! A connection on which a response comes twice is dropped: at once if it is idle, otherwise when the response comes that its
//! call waits for. So connections that do not last show what no reply shows by itself. A vendor may also close them
//! silently; then nothing is lost by not keeping them.

use std::time::Duration;

use parking_lot::Mutex;
use reqwest::header::CONNECTION;
use reqwest::{Response, Version};
use tokio::time::Instant;

use super::repeats::Connection;

/// How many of the calls that should have found a kept connection are looked at.
const CALLS: u32 = 20;

/// If this many of them found none, connections are no longer kept.
const MOST_LOST: u32 = 5;

/// After this time a connection is kept again for other calls.
const SOONEST: Duration = Duration::from_millis(1);

/// Most servers keep idle connections for at least this time.
const LATEST: Duration = Duration::from_secs(5);

/// What became of the connections of one source.
#[derive(Debug, Default)]
pub(super) struct Kept(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    in_flight: usize,
    /// The connection that should be used next, and since when it is idle.
    idle: Option<(Connection, Instant)>,
    /// The last calls that should have found a kept connection, a bit for each: whether it was lost. The latest is the lowest.
    lost: u32,
}

/// A call in flight.
#[derive(Debug)]
pub(super) struct Call<'k> {
    kept: &'k Kept,
    expected: Option<Connection>,
}

impl Kept {
    /// Begins a call. If it is the only one, it should find the connection of the call before it.
    pub(super) fn begin(&self) -> Call<'_> {
        let mut state = self.0.lock();
        let idle = state.idle.take().filter(|_| state.in_flight == 0);
        let expected = idle.filter(|(_, since)| (SOONEST..LATEST).contains(&since.elapsed()));
        state.in_flight += 1;
        Call { kept: self, expected: expected.map(|(connection, _)| connection) }
    }
}

impl Call<'_> {
    /// Ends the call: its reply was read to the end, on a connection that is kept or not. Returns whether too many connections
    /// are lost.
    pub(super) fn ends_on(mut self, connection: &Connection, is_kept: bool) -> bool {
        let mut state = self.kept.0.lock();
        state.idle = is_kept.then(|| (connection.clone(), Instant::now()));
        let Some(expected) = self.expected.take().filter(|expected| expected.host == connection.host) else {
            return false;
        };
        state.lost = (state.lost << 1 | u32::from(expected.local != connection.local)) & ((1 << CALLS) - 1);
        let are_many = state.lost.count_ones() >= MOST_LOST;
        if are_many {
            state.lost = 0;
        }
        are_many
    }
}

impl Drop for Call<'_> {
    fn drop(&mut self) {
        self.kept.0.lock().in_flight -= 1;
    }
}

/// Whether a vendor allows the connection of a reply to be kept.
pub(super) fn may_be_kept(response: &Response) -> bool {
    let mut values = response.headers().get_all(CONNECTION).iter().filter_map(|value| value.to_str().ok());
    let closes = values.any(|value| value.split(',').any(|word| word.trim().eq_ignore_ascii_case("close")));
    response.version() == Version::HTTP_11 && !closes
}

#[cfg(test)]
mod tests {
    use tokio::time::advance;

    use super::*;

    fn on(port: u16) -> Connection {
        Connection::at(([127, 0, 0, 1], port).into(), tokio::time::Instant::now())
    }

    /// Makes calls one after the other on connections with these ports; whether too many were lost in the end.
    async fn calls(kept: &Kept, ports: impl IntoIterator<Item = u16>, pause: Duration) -> bool {
        let mut are_many = false;
        for port in ports {
            advance(pause).await;
            are_many |= kept.begin().ends_on(&on(port), true);
        }
        are_many
    }

    const PAUSE: Duration = Duration::from_millis(20);

    #[tokio::test(start_paused = true)]
    async fn five_lost_connections_among_twenty_calls_are_too_many() {
        assert!(!calls(&Kept::default(), 1..=5, PAUSE).await, "the first call expects no connection");
        assert!(calls(&Kept::default(), 1..=6, PAUSE).await);
        // every third connection is lost
        assert!(calls(&Kept::default(), (0..30).map(|call| call / 3), PAUSE).await);
        // and every tenth
        assert!(!calls(&Kept::default(), (0..300).map(|call| call / 10), PAUSE).await);
    }

    #[tokio::test(start_paused = true)]
    async fn a_connection_that_was_idle_for_long_or_is_not_back_yet_is_not_expected() {
        for pause in [Duration::ZERO, Duration::from_secs(6)] {
            assert!(!calls(&Kept::default(), 1..=100, pause).await);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn calls_at_the_same_time_need_connections_of_their_own() {
        let kept = Kept::default();
        for round in 0..100 {
            advance(PAUSE).await;
            let (first, second) = (kept.begin(), kept.begin());
            // the connection that was used last is taken first
            let ports = if round % 2 == 0 { (1, 2) } else { (2, 1) };
            assert!(!first.ends_on(&on(ports.0), true) && !second.ends_on(&on(ports.1), true), "{round}");
        }
        assert_eq!(kept.0.lock().in_flight, 0);
    }
}
