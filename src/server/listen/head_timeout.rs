//! Gives up on a client whose request head has begun and does not become whole; a client that says nothing may stay longer.
//!
//! hyper knows only one time for both, and does not tell how much of a head it holds. So the bytes that it reads are followed here:
//! where a head ends can be seen in them, and how long a body is shows when the request comes.

use std::error::Error;
use std::io::{self, IoSlice};
use std::mem::take;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use memchr::memchr_iter;
use parking_lot::Mutex;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Sleep, sleep};

/// A request head did not become whole in time.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("the request head did not become whole in time")]
pub(super) struct HeadTooSlow;

impl HeadTooSlow {
    /// Whether it is what is behind an error of a stream.
    pub(super) fn is_behind(error: &io::Error) -> bool {
        error.get_ref().is_some_and(<dyn Error + Send + Sync>::is::<Self>)
    }
}

/// How far a client has come with its requests.
#[derive(Debug, Default)]
pub(super) struct Heads(Mutex<Progress>);

#[derive(Debug, Default)]
struct Progress {
    place: Place,
    /// The last bytes of the head, or of what follows the head of a chunked request.
    last: [u8; 3],
    /// What came after the end of a head whose request is not known yet.
    rest: Vec<u8>,
    /// How many bytes of the body are still to come.
    body: u64,
    /// Whether the request is chunked: only its last bytes show where it ends.
    is_chunked: bool,
    /// Whether a request is being answered.
    is_answering: bool,
    /// How many requests have come.
    requests: u64,
}

/// Where in a head the client is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Place {
    /// Nothing of it has come, apart from empty lines.
    #[default]
    Before,
    /// It has begun.
    Within,
    /// All of it has come.
    Behind,
}

impl Heads {
    /// Records bytes that the client has sent.
    fn came(&self, bytes: &[u8]) {
        self.0.lock().came(bytes);
    }

    /// Records that the head is whole, and how long the request's body is; `None` if it is chunked.
    pub(super) fn request_came(&self, body: Option<u64>) {
        self.0.lock().request_came(body);
    }

    /// Records that the request has its reply.
    pub(super) fn was_answered(&self) {
        self.0.lock().was_answered();
    }

    /// The number of the head that has begun and is not whole, if there is one.
    fn begun(&self) -> Option<u64> {
        let progress = self.0.lock();
        // a head that hyper does not take for whole is not whole, whatever it looks like
        let has_begun = !progress.is_answering && progress.body == 0 && progress.place != Place::Before;
        has_begun.then_some(progress.requests)
    }
}

impl Progress {
    fn came(&mut self, bytes: &[u8]) {
        let of_body = usize::try_from(self.body).unwrap_or(usize::MAX).min(bytes.len());
        self.body -= of_body as u64;
        let bytes = &bytes[of_body..];
        if self.is_chunked {
            self.remember_the_end(bytes);
        } else {
            self.follow(bytes);
        }
    }

    fn request_came(&mut self, body: Option<u64>) {
        let (rest, requests) = (take(&mut self.rest), self.requests + 1);
        let (is_chunked, body) = (body.is_none(), body.unwrap_or(0));
        *self = Progress { is_answering: true, is_chunked, body, requests, ..Progress::default() };
        self.came(&rest);
    }

    fn was_answered(&mut self) {
        self.is_answering = false;
        // the last chunk is followed by an empty line, as a head is
        if take(&mut self.is_chunked) {
            if ends_with_empty_line(self.last) {
                self.last = [0; 3];
            } else {
                self.place = Place::Within;
            }
        }
    }

    /// Follows bytes that belong to no body.
    fn follow(&mut self, mut bytes: &[u8]) {
        if self.place == Place::Before {
            let is_break = |byte: &&u8| matches!(byte, b'\r' | b'\n');
            bytes = &bytes[bytes.iter().take_while(is_break).count()..];
            if bytes.is_empty() {
                return;
            }
            self.place = Place::Within;
        }
        if self.place == Place::Behind {
            self.rest.extend_from_slice(bytes);
            return;
        }
        match self.end_of_head(bytes) {
            Some(end) => {
                self.place = Place::Behind;
                self.rest.extend_from_slice(&bytes[end..]);
            }
            None => self.remember_the_end(bytes),
        }
    }

    /// Where the first empty line ends.
    fn end_of_head(&self, bytes: &[u8]) -> Option<usize> {
        let before = |at: usize, back: usize| match at.checked_sub(back) {
            Some(at) => bytes[at],
            None => self.last[self.last.len() + at - back],
        };
        let ends_here = |at: &usize| ends_with_empty_line([before(*at, 2), before(*at, 1), b'\n']);
        memchr_iter(b'\n', bytes).find(ends_here).map(|at| at + 1)
    }

    fn remember_the_end(&mut self, bytes: &[u8]) {
        for byte in &bytes[bytes.len().saturating_sub(self.last.len())..] {
            self.last = [self.last[1], self.last[2], *byte];
        }
    }
}

/// Whether bytes end with an empty line. A line may end with `\n` alone, as hyper reads it.
fn ends_with_empty_line(last: [u8; 3]) -> bool {
    matches!(last, [_, b'\n', b'\n'] | [b'\n', b'\r', b'\n'])
}

/// A stream whose reads fail if a head that has begun does not become whole.
#[derive(Debug)]
pub(super) struct HeadTimeout<S> {
    stream: S,
    timeout: Duration,
    heads: Arc<Heads>,
    /// Runs only while a read waits for the rest of the head with this number: most heads come whole and never start it.
    begun: Option<(u64, Pin<Box<Sleep>>)>,
}

impl<S> HeadTimeout<S> {
    /// Wraps `stream`; a read fails if it waits when a head has been unfinished for `timeout`.
    pub(super) fn new(stream: S, timeout: Duration, heads: Arc<Heads>) -> Self {
        HeadTimeout { stream, timeout, heads, begun: None }
    }

    /// The stream itself.
    pub(super) fn into_inner(self) -> S {
        self.stream
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for HeadTimeout<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let read = Pin::new(&mut self.stream).poll_read(context, buffer);
        if read.is_ready() {
            self.heads.came(&buffer.filled()[before..]);
            return read;
        }
        let Some(head) = self.heads.begun() else {
            self.begun = None;
            return read;
        };
        let timeout = self.timeout;
        let started = self.begun.take().filter(|(of, _)| *of == head);
        let (_, time) = self.begun.insert(started.unwrap_or_else(|| (head, Box::pin(sleep(timeout)))));
        time.as_mut().poll(context).map(|()| Err(io::Error::other(HeadTooSlow)))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for HeadTimeout<S> {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
    use tokio::time::Instant;

    use super::*;

    const TIMEOUT: Duration = Duration::from_secs(5);

    fn reader() -> (HeadTimeout<DuplexStream>, Arc<Heads>, DuplexStream) {
        let (ours, theirs) = duplex(1 << 16);
        let heads = Arc::new(Heads::default());
        (HeadTimeout::new(ours, TIMEOUT, Arc::clone(&heads)), heads, theirs)
    }

    /// Reads until nothing comes for an hour, or the time for a head is over.
    async fn gives_up(reader: &mut HeadTimeout<DuplexStream>) -> bool {
        let mut buffer = [0; 1024];
        loop {
            match tokio::time::timeout(Duration::from_secs(3600), reader.read(&mut buffer)).await {
                Ok(Ok(_)) => {}
                Ok(Err(error)) => {
                    assert!(HeadTooSlow::is_behind(&error), "{error}");
                    return true;
                }
                Err(_) => return false,
            }
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_has_begun_no_head_may_be_silent() {
        for said in ["", "\r\n", "\n\r\n"] {
            let (mut reader, _, mut client) = reader();
            client.write_all(said.as_bytes()).await.unwrap();
            assert!(!gives_up(&mut reader).await, "{said:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_head_that_drips_is_given_up_on_time() {
        let (mut reader, _, mut client) = reader();
        let dripping = tokio::spawn(async move {
            while client.write_all(b"x").await.is_ok() {
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
        });
        let started = Instant::now();
        assert!(gives_up(&mut reader).await);
        assert_eq!(started.elapsed(), TIMEOUT);
        dripping.abort();
    }

    #[tokio::test(start_paused = true)]
    async fn the_head_after_a_request_has_its_own_time_from_the_reply_on() {
        let (mut reader, heads, mut client) = reader();
        client.write_all(b"GET / HTTP/1.1\r\nHost:").await.unwrap();
        assert!(tokio::time::timeout(Duration::from_secs(3), reader.read_exact(&mut [0; 100])).await.is_err());
        client.write_all(b" x\r\n\r\nGET / HT").await.unwrap();
        assert!(reader.read(&mut [0; 100]).await.unwrap() > 0);
        heads.request_came(Some(0));
        tokio::time::sleep(Duration::from_secs(60)).await;
        heads.was_answered();
        let started = Instant::now();
        assert!(gives_up(&mut reader).await);
        assert_eq!(started.elapsed(), TIMEOUT);
    }

    #[tokio::test(start_paused = true)]
    async fn a_chunked_request_is_followed_by_silence_or_by_a_head() {
        let chunked = "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3\r\na=b\r\n0\r\n\r\n";
        for (next, is_begun) in [("", false), ("GET / HT", true)] {
            let (mut reader, heads, mut client) = reader();
            client.write_all(format!("{chunked}{next}").as_bytes()).await.unwrap();
            assert!(reader.read(&mut [0; 1024]).await.unwrap() > 0);
            heads.request_came(None);
            assert!(!gives_up(&mut reader).await, "while it is answered");
            heads.was_answered();
            assert_eq!(gives_up(&mut reader).await, is_begun, "{next:?}");
        }
    }

    /// Requests as clients write them, with the length of their bodies.
    fn request() -> impl Strategy<Value = (String, usize)> {
        let body = proptest::collection::vec(prop::sample::select(vec!["a", "\r\n", "\r\n\r\n", "\n\n"]), 0..6);
        (0..4_u8, body).prop_map(|(kind, body)| match kind {
            0 => ("GET / HTTP/1.1\r\nHost: x\r\n\r\n".to_owned(), 0),
            1 => ("GET / HTTP/1.1\nHost: x\n\n".to_owned(), 0),
            2 => ("\r\n\r\nGET / HTTP/1.1\r\n\r\n".to_owned(), 0),
            _ => (format!("POST / HTTP/1.1\r\nHost: x\r\n\r\n{}", body.concat()), body.concat().len()),
        })
    }

    proptest! {
        /// Compares with a reader that is told where every request begins and ends.
        #[test]
        fn a_head_has_begun_exactly_if_some_of_it_came_and_not_all(
            requests in proptest::collection::vec(request(), 1..6),
            cuts in proptest::collection::vec(1..40_usize, 1..60),
        ) {
            let stream: String = requests.iter().map(|(text, _)| text.as_str()).collect();
            let heads = Heads::default();
            let (mut came, mut answered, mut is_answering) = (0, 0, false);
            for cut in cuts {
                let next = (came + cut).min(stream.len());
                heads.came(&stream.as_bytes()[came..next]);
                came = next;
                // hyper reads no head while it answers, but all that it has read
                while let Some((text, body)) = requests.get(answered) {
                    let begins: usize = requests[..answered].iter().map(|(text, _)| text.len()).sum();
                    if came < begins + text.len() - body {
                        break;
                    }
                    if !is_answering {
                        heads.request_came(Some(*body as u64));
                        is_answering = true;
                    }
                    if came < begins + text.len() {
                        break;
                    }
                    heads.was_answered();
                    is_answering = false;
                    answered += 1;
                }
                let begins: usize = requests[..answered].iter().map(|(text, _)| text.len()).sum();
                let has_begun = !is_answering && !stream[begins..came].trim_start_matches(['\r', '\n']).is_empty();
                prop_assert_eq!(heads.begun().is_some(), has_begun, "{:?}", &stream[begins..came]);
            }
        }
    }
}
