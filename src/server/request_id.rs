//! Gives every request an id, by which a client's report can be matched with log lines.

use std::fmt;
use std::future::Future;

use axum::http::{HeaderMap, HeaderName, HeaderValue};
use serde::{Serialize, Serializer};

use crate::trace::REQUEST_ID;

/// The header that carries the id, in requests and in replies.
pub(crate) const HEADER: HeaderName = REQUEST_ID;

/// The length of an id that is made here.
const DIGITS: usize = 16;

/// Longer ids of clients are replaced: they would only bloat the log.
const MAX_LENGTH: usize = 128;

/// The id of one request: the client's own, or one made here. Cheap to clone. Handlers find it among the request's extensions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestId(Id);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Id {
    /// As the client sent it, printable.
    Sent(HeaderValue),
    /// Made here: hexadecimal digits.
    Made([u8; DIGITS]),
}

tokio::task_local! {
    /// Lets a problem state the id of its request, wherever in the stack it arises.
    static CURRENT: RequestId;
}

impl RequestId {
    /// The id that the client sent if it is printable, else a new one.
    pub fn of(headers: &HeaderMap) -> Self {
        match headers.get(&HEADER).filter(|id| is_printable(id.as_bytes())) {
            Some(id) => RequestId(Id::Sent(id.clone())),
            None => RequestId(Id::Made(hexadecimal(fastrand::u64(..)))),
        }
    }

    /// The id of the request that this task answers, if it answers one.
    pub fn current() -> Option<Self> {
        CURRENT.try_with(Clone::clone).ok()
    }

    /// Runs `answering` as work for this request.
    pub fn scope<F: Future>(&self, answering: F) -> impl Future<Output = F::Output> + use<F> {
        CURRENT.scope(self.clone(), answering)
    }

    /// As [`RequestId::scope`], for work that does not wait.
    pub(super) fn scope_now<T>(&self, answer: impl FnOnce() -> T) -> T {
        CURRENT.sync_scope(self.clone(), answer)
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        let text = match &self.0 {
            Id::Sent(id) => id.to_str().ok(),
            Id::Made(digits) => str::from_utf8(digits).ok(),
        };
        // both are ASCII
        text.unwrap_or_default()
    }

    /// The id as the value of a header.
    pub(super) fn header(&self) -> Option<HeaderValue> {
        match &self.0 {
            Id::Sent(id) => Some(id.clone()),
            Id::Made(digits) => HeaderValue::from_bytes(digits).ok(),
        }
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Serialize for RequestId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

fn hexadecimal(number: u64) -> [u8; DIGITS] {
    let (mut digits, mut rest) = ([0; DIGITS], number);
    for digit in digits.iter_mut().rev() {
        *digit = b"0123456789abcdef"[(rest % 16) as usize];
        rest /= 16;
    }
    digits
}

fn is_printable(id: &[u8]) -> bool {
    (1..=MAX_LENGTH).contains(&id.len()) && id.iter().all(u8::is_ascii_graphic)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id_for(sent: &str) -> RequestId {
        RequestId::of(&HeaderMap::from_iter([(HEADER, HeaderValue::from_bytes(sent.as_bytes()).unwrap())]))
    }

    #[test]
    fn a_printable_id_of_the_client_is_kept() {
        for id in ["1", "0b5a-77", &"x".repeat(128)] {
            assert_eq!(id_for(id).as_str(), id);
        }
    }

    #[test]
    fn an_id_made_here_is_a_number_in_hexadecimal() {
        for number in [0, 1, 0x0123_4567_89ab_cdef, u64::MAX] {
            assert_eq!(str::from_utf8(&hexadecimal(number)).unwrap(), format!("{number:016x}"));
        }
        let made = RequestId::of(&HeaderMap::new());
        assert_eq!(made.header().unwrap().to_str().unwrap(), made.as_str());
        assert_eq!(serde_json::to_value(&made).unwrap(), made.as_str());
    }

    #[test]
    fn any_other_id_is_replaced() {
        for id in ["", "two words", "tab\there", "größe", &"x".repeat(129)] {
            let made = id_for(id);
            assert_ne!(made.as_str(), id);
            assert_eq!(made.as_str().len(), 16);
        }
        assert_ne!(RequestId::of(&HeaderMap::new()), RequestId::of(&HeaderMap::new()));
    }
}
