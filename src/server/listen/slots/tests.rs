//! Which connection is let go, compared with a naive model; and what one client may hold.

use std::net::{IpAddr, Ipv4Addr};

use proptest::prelude::*;

use super::*;

/// The naive model that the table is compared with: every connection, with its client and since when it is idle.
#[derive(Clone, Debug)]
struct Known {
    client: Caller,
    state: Arc<State>,
    /// [`BUSY`], or since when; `None` once it was asked to close.
    idle_since: Option<u64>,
}

fn client(number: u8) -> Caller {
    Caller::at(Some(Ipv4Addr::new(10, 0, 0, number).into()))
}

/// The connection that should close for a newcomer, found by looking at all of them.
fn expected(known: &[Known], newcomer: Caller) -> Option<usize> {
    let held = |client| known.iter().filter(|one| one.client == client).count();
    let idle = |at: &usize| known[*at].idle_since.is_some_and(|since| since != BUSY);
    let most = (0..known.len()).filter(idle).max_by_key(|at| (held(known[*at].client), Reverse(known[*at].idle_since)));
    most.filter(|at| held(known[*at].client) >= held(newcomer))
}

#[tokio::test]
async fn a_connection_that_passes_to_another_client_counts_as_that_clients() {
    let limits = Limits { max_connections_per_client: Some(2), ..Limits::default() };
    let slots = Arc::new(Slots::new(&limits));
    let peer = |number: u8| Peer::Address(Ipv4Addr::new(10, 0, 0, number).into());
    let mut held = [slots.take(peer(1)).await.unwrap(), slots.take(peer(1)).await.unwrap()];
    assert!(slots.take(peer(1)).await.is_none());
    assert!(held.iter_mut().all(|slot| slot.passes_to(peer(2))));
    assert!(slots.take(peer(2)).await.is_none());
    let mut another = slots.take(peer(1)).await.unwrap();
    assert!(!another.passes_to(peer(2)) && another.passes_to(peer(3)));
    drop((held, another));
    assert!(slots.table.lock().clients.is_empty());
}

#[tokio::test]
async fn when_something_else_runs_short_the_longest_idle_tenth_is_let_go() {
    let slots = Arc::new(Slots::new(&Limits { max_connections: 1000, ..Limits::default() }));
    let mut held = Vec::new();
    for _ in 0..25 {
        held.push(slots.take(IpAddr::from(Ipv4Addr::LOCALHOST).into()).await.unwrap());
    }
    held[0].begin_work();
    slots.ask_a_tenth_to_close();
    let mut asked = Vec::new();
    for (number, slot) in held.iter().enumerate() {
        if tokio::time::timeout(Duration::ZERO, slot.asked_to_close()).await.is_ok() {
            asked.push(number);
        }
    }
    assert_eq!(asked, [1, 2, 3], "the first is busy");
}

proptest! {
    #[test]
    fn the_client_that_holds_most_loses_its_longest_idle_connection(
        steps in proptest::collection::vec((0..5u8, 0..6u8, any::<prop::sample::Index>()), 1..200),
    ) {
        let (mut table, mut known) = (Table::default(), Vec::<Known>::new());
        for (tick, (step, number, index)) in (BUSY + 1..).zip(steps) {
            let at = (!known.is_empty()).then(|| index.index(known.len()));
            match (step, at) {
                (0 | 1, _) => {
                    let (client, state) = (client(number), Arc::new(State::idle_since(tick)));
                    table.enter(client, &state);
                    known.push(Known { client, state, idle_since: Some(tick) });
                }
                (2, Some(at)) => {
                    let gone = known.swap_remove(at);
                    table.leave(gone.client, &gone.state);
                }
                (3, Some(at)) => {
                    let one = &mut known[at];
                    if one.idle_since.unwrap_or(BUSY) == BUSY {
                        one.idle_since = Some(tick);
                        if one.state.end_work(tick) {
                            table.list(one.client, &one.state);
                        }
                    } else {
                        one.state.begin_work();
                        one.idle_since = Some(BUSY);
                    }
                }
                _ => {
                    let expected = expected(&known, client(number));
                    let asked = table.longest_idle(Some(client(number)));
                    let is_expected = |asked: &Arc<State>| {
                        expected.is_some_and(|at| Arc::ptr_eq(&known[at].state, asked))
                    };
                    prop_assert_eq!(asked.is_some(), expected.is_some());
                    prop_assert!(asked.as_ref().is_none_or(is_expected));
                    if let Some(at) = expected {
                        known[at].idle_since = None;
                    }
                }
            }
            for number in 0..6 {
                let held = known.iter().filter(|one| one.client == client(number)).count();
                prop_assert_eq!(table.held_by(client(number)), held);
            }
        }
        for one in known.drain(..) {
            table.leave(one.client, &one.state);
        }
        prop_assert!(table.clients.is_empty() && table.ranks.is_empty());
    }
}
