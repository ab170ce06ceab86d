//! Serves `GET /prices/stream`: server-sent events with prices as they change (HTML, section 9.2).

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use axum::Extension;
use axum::body::{Body, Bytes};
use axum::extract::{RawQuery, State};
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::http::{HeaderName, HeaderValue};
use axum::response::{IntoResponse, Response};
use futures_util::stream::unfold;
use secrecy::SecretString;
use tokio::time::{Instant, sleep, sleep_until};

use super::app::Streaming;
use super::drain::{Drain, Stage};
use super::pieces::piece_of_stream;
use super::problem::Problem;
use crate::answer::text_of_no_symbol;
use crate::caller::Caller;
use crate::clock::Clock;
use crate::events::reader::Reader;
use crate::events::{Events, Pass, Refused};
use crate::metrics::Metrics;
use crate::question::StreamQuestion;
use crate::reply_memory::ReplyMemory;
use crate::service::Quotefold;

/// The path.
pub(super) const PATH: &str = "/prices/stream";

/// How long a stream is silent at most. Proxies close what says nothing for a minute, some sooner.
const SILENCE: Duration = Duration::from_secs(15);

/// What fills the silence: a comment, which readers skip.
const COMMENT: &[u8] = b": \n\n";

/// Events are written together up to this many bytes. What else has changed is written when the client has taken these.
const AT_ONCE: usize = 16 * 1024;

/// How long streams take to end together when the listener closes, so that their clients do not come back together.
const ENDS_WITHIN: Duration = Duration::from_secs(1);

/// The least and the most that a client is asked to wait before it comes back, in milliseconds. Each is asked for a time of its
/// own.
const RETRY_MS: std::ops::RangeInclusive<u32> = 1_000..=5_000;

const BEFORE_ENTRY: &[u8] = b"event: price\ndata: ";
const AFTER_ENTRY: &[u8] = b"\n\n";

/// nginx would otherwise keep events back until it has a page of them.
const ACCEL_BUFFERING: HeaderName = HeaderName::from_static("x-accel-buffering");

/// What streams at one address need.
#[derive(Clone)]
pub(super) struct Streams {
    pub(super) events: Events,
    pub(super) drain: Drain,
    /// The keys of the public address; `None` for an address where none is asked for, whatever the settings say.
    pub(super) keys: Option<Vec<SecretString>>,
}

impl Streams {
    /// What a caller has shown to get here.
    fn pass(&self, caller: Caller) -> Pass {
        match (&self.keys, caller) {
            (None, _) => Pass::Operator,
            (Some(keys), Caller::Key(number)) => Pass::Client(keys.get(number as usize).cloned()),
            (Some(_), Caller::Address(_)) => Pass::Client(None),
        }
    }
}

/// `GET /prices/stream?symbols=AAPL,BTC-USD`
pub(super) async fn open(
    State(streams): State<Streams>,
    caller: Option<Extension<Caller>>,
    RawQuery(query): RawQuery,
) -> Result<Response, Problem> {
    let service = streams.events.service();
    let floor = service.settings().server.stream_floor;
    let question = StreamQuestion::parse(&query.unwrap_or_default(), service.bounds(), floor)?;
    let caller = caller.map_or(Caller::at(None), |Extension(caller)| caller);
    let reader = streams.events.open(&question, caller, streams.pass(caller))?;
    let stream = Stream {
        next: Next::Beginning(beginning(&question, &service)?),
        reader,
        every: question.every,
        has_written: false,
        rests_until: Instant::now(),
        silent_until: Instant::now() + SILENCE,
        closing: Box::pin(closing(streams.drain.clone(), service.settings().server.drain_timeout)),
        clock: service.clock().clone(),
        memory: service.reply_memory().clone(),
        metrics: service.metrics().clone(),
        is_simulated: service.is_simulated(),
    };
    let events = unfold(stream, |mut stream| async move {
        let piece = stream.next().await?;
        Some((Ok::<_, Infallible>(piece), stream))
    });
    let mut reply = Body::from_stream(events).into_response();
    let headers = reply.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store, no-transform"));
    headers.insert(ACCEL_BUFFERING, HeaderValue::from_static("no"));
    reply.extensions_mut().insert(Streaming);
    Ok(reply)
}

impl From<Refused> for Problem {
    fn from(refused: Refused) -> Self {
        match refused {
            Refused::AtLimit => Problem::Overloaded,
            Refused::TooMany => Problem::TooManyStreams,
            Refused::KeyGone => Problem::Unauthorized { wrong_key: true },
        }
    }
}

/// What every stream begins with: when to come back after its end, and why some texts are no symbols.
fn beginning(question: &StreamQuestion, service: &Quotefold) -> Result<Vec<u8>, Problem> {
    let mut bytes = format!("retry: {}\n\n", fastrand::u32(RETRY_MS)).into_bytes();
    for not in &question.not_symbols {
        let as_of = service.clock().now().wall;
        let entry = text_of_no_symbol(not, question.quotes, as_of).map_err(|_| Problem::Internal)?;
        bytes.extend_from_slice(BEFORE_ENTRY);
        bytes.extend_from_slice(&entry);
        if service.is_simulated() {
            note_simulated(&mut bytes);
        }
        bytes.extend_from_slice(AFTER_ENTRY);
    }
    Ok(bytes)
}

/// Says in an entry that was just written that its price is invented.
fn note_simulated(bytes: &mut Vec<u8>) {
    bytes.pop();
    bytes.extend_from_slice(br#","simulated":true}"#);
}

/// Waits until the listener has closed, and then for the part of a second that falls to this stream.
async fn closing(drain: Drain, drain_timeout: Duration) {
    drain.reached(Stage::Closing).await;
    let spread = ENDS_WITHIN.min(drain_timeout / 2);
    sleep(spread * fastrand::u32(0..1_000) / 1_000).await;
}

/// One stream, as its connection reads it.
struct Stream {
    next: Next,
    reader: Reader,
    every: Duration,
    /// Whether events were written in the reader's present round.
    has_written: bool,
    /// Until when no event may be written.
    rests_until: Instant,
    /// Until when nothing need be written.
    silent_until: Instant,
    closing: Pin<Box<dyn Future<Output = ()> + Send>>,
    clock: Clock,
    memory: ReplyMemory,
    metrics: Metrics,
    is_simulated: bool,
}

/// What comes next in a stream.
enum Next {
    /// What it begins with.
    Beginning(Vec<u8>),
    Events,
    /// Nothing: the client has been told that it ends.
    End,
}

impl Stream {
    /// The next piece; `None` at the end. While the client takes nothing, this is not called, so that changes wait in the
    /// reader's slots.
    async fn next(&mut self) -> Option<Bytes> {
        match std::mem::replace(&mut self.next, Next::Events) {
            Next::Beginning(bytes) => return Some(self.piece(bytes)),
            Next::Events => {}
            Next::End => {
                self.next = Next::End;
                return None;
            }
        }
        loop {
            let (rests_until, silent_until, reader) = (self.rests_until, self.silent_until, &self.reader);
            let changed = async {
                sleep_until(rests_until).await;
                reader.changed().await;
            };
            tokio::select! {
                biased;
                () = &mut self.closing => return Some(self.bye("closing")),
                () = reader.ended() => return Some(self.bye("key_removed")),
                () = changed => if let Some(piece) = self.changes() { return Some(piece) },
                () = sleep_until(silent_until) => return Some(self.piece(COMMENT.to_vec())),
            }
        }
    }

    /// What has changed, in as many bytes as are written at once; `None` if nothing the reader wants to hear of has.
    fn changes(&mut self) -> Option<Bytes> {
        if self.memory.is_full() {
            // the changes stay in their slots
            self.rests_until = Instant::now() + self.every;
            return None;
        }
        let (mut bytes, now, is_simulated) = (Vec::new(), self.clock.now().wall, self.is_simulated);
        let mut written = 0;
        let is_round_over = self.reader.take(|text| {
            bytes.extend_from_slice(BEFORE_ENTRY);
            text.write(now, &mut bytes);
            if is_simulated {
                note_simulated(&mut bytes);
            }
            bytes.extend_from_slice(AFTER_ENTRY);
            written += 1;
            bytes.len() >= AT_ONCE
        });
        self.has_written |= written > 0;
        if is_round_over && std::mem::take(&mut self.has_written) {
            self.rests_until = Instant::now() + self.every;
        }
        self.metrics.stream_events(written);
        (!bytes.is_empty()).then(|| self.piece(bytes))
    }

    fn bye(&mut self, reason: &str) -> Bytes {
        self.next = Next::End;
        self.piece(format!("event: bye\ndata: {{\"reason\":\"{reason}\"}}\n\n").into_bytes())
    }

    /// A piece, counted as held memory until the connection has sent it.
    fn piece(&mut self, bytes: Vec<u8>) -> Bytes {
        self.silent_until = Instant::now() + SILENCE;
        piece_of_stream(&self.memory, bytes)
    }
}
