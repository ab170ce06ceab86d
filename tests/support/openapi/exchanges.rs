//! Compares what the tests' client gets from services with the description, without the tests' doing.

use std::collections::{BTreeSet, HashMap};
use std::net::{SocketAddr, TcpStream};

use jiff::Timestamp;
use parking_lot::Mutex;
use quotefold::answer::Answer;

use super::super::client::Reply;
use super::{Description, Request};

/// Where services listen. Stand-ins for vendors and servers with routes of their own are not among them.
static SERVICES: Mutex<BTreeSet<SocketAddr>> = Mutex::new(BTreeSet::new());

/// What was asked on the connections whose replies have not been read yet.
static ASKED: Mutex<Option<HashMap<Connection, Request>>> = Mutex::new(None);

/// The two ends of a connection, ours first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Connection(SocketAddr, SocketAddr);

/// A service that listens until this is dropped.
#[derive(Debug)]
pub(crate) struct Listening(SocketAddr);

impl Listening {
    /// Compares every reply from this address from now on.
    pub(crate) fn at(address: SocketAddr) -> Self {
        SERVICES.lock().insert(address);
        Listening(address)
    }
}

impl Drop for Listening {
    fn drop(&mut self) {
        SERVICES.lock().remove(&self.0);
    }
}

impl Connection {
    pub(crate) fn of(stream: &TcpStream) -> Option<Self> {
        Some(Connection(stream.local_addr().ok()?, stream.peer_addr().ok()?))
    }

    /// Notes what is asked on a connection to a service.
    pub(crate) fn asks(self, words: &str) {
        let request = Request::read(words).filter(|_| SERVICES.lock().contains(&self.1));
        let mut asked = ASKED.lock();
        let asked = asked.get_or_insert_default();
        // an earlier connection may have had the same port, and its reply may not have been read
        match request {
            Some(request) => drop(asked.insert(self, request)),
            None => drop(asked.remove(&self)),
        }
    }

    /// Compares the first reply on a connection with the description.
    ///
    /// # Panics
    /// If they differ.
    pub(crate) fn gets(self, reply: &Reply) {
        let request = ASKED.lock().as_mut().and_then(|asked| asked.remove(&self));
        if let Some(request) = request {
            let found = Description::ours().differences(&request, reply);
            assert!(
                found.is_empty(),
                "the {} to {} {} is not as openapi.json says:\n  {}\n{reply:?}",
                reply.status,
                request.method,
                request.path,
                found.join("\n  ")
            );
        }
    }
}

/// Compares an answer that no server has sent with the description, in both of its forms.
///
/// # Panics
/// If they differ.
pub(crate) fn compare_answer(answer: &Answer, now: Timestamp) {
    let bodies = [("Answer", answer.body(now)), ("Entry", answer.single_body(now))];
    for (name, body) in bodies {
        let value = serde_json::from_slice(&body.expect("an answer in JSON")).expect("JSON");
        let schema = serde_json::json!({ "$ref": format!("#/components/schemas/{name}") });
        let found = Description::ours().schemas().differences("", &value, &schema);
        assert!(found.is_empty(), "an answer is not as openapi.json says:\n  {}\n{value:#}", found.join("\n  "));
    }
}
