//! Sends one call and reads its reply: status, bounded body, unpacking, rows.
//!
//! The leaf of a source's stack. It returns what the reply means, never a half-read response, so that every guard around it
//! covers the body too.

pub mod connector;
mod encoding;
mod kept;
mod listing;
pub mod mirrors;
pub mod resolver;
mod page;
mod repeats;
mod reply;
mod trouble;
mod written;

use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use reqwest::header::AGE;
use reqwest::{Client, RequestBuilder, Response, StatusCode, Url};
use secrecy::ExposeSecret;
use tokio::sync::Semaphore;
use tokio::time::Instant;
use tower::Service;
use tracing::Span;

use super::BoxFuture;
use super::batch::{Batch, Reply};
use super::sandbox::Sandbox;
use crate::board::{Board, Update};
use crate::clock::skew::Host;
use crate::clock::{Clock, Moment, cpu};
use crate::failure::SourceError;
use crate::profile::Profile;
use crate::provider::charset::Charset;
use crate::provider::extract::RawReply;
use crate::provider::proxy::Proxy;
use crate::provider::spelling::HttpRequest;
use crate::reply_memory::{Held, ReplyMemory};
use crate::symbol::Symbol;
use crate::trace;
use connector::Connector;
use encoding::DecodeError;
use kept::{Kept, may_be_kept};
use mirrors::Mirrors;
use repeats::{Connection, Heard, Repeated, Repeats};
pub(in crate::source) use trouble::host;
use trouble::{Fault, Trouble, trouble};
use written::Written;

/// Bodies longer than this are unpacked and filtered off the threads that serve requests.
const LARGE_BODY: usize = 64 << 10;

/// Memory that other replies hold may be free again after this time.
const SOON: Duration = Duration::from_secs(1);

/// Sends calls of one source. Cheap to clone.
#[derive(Clone)]
pub struct Fetch(Arc<Inner>);

struct Inner {
    connector: Connector,
    profile: Arc<Profile>,
    clock: Clock,
    large_bodies: Arc<Semaphore>,
    reply_memory: ReplyMemory,
    sandboxes: Sandboxes,
    /// Where quotes that turn out to be another symbol's are taken back.
    board: Option<Arc<Board>>,
    /// Which of its vendor's addresses is asked first.
    mirrors: Arc<Mirrors>,
    repeats: Repeats,
    kept: Kept,
}

/// Where the filters of a source run, if not in this process.
#[derive(Default)]
pub(super) struct Sandboxes {
    /// The one that reads prices.
    pub(super) prices: Option<Sandbox>,
    /// The one that reads lists of what the vendor trades.
    pub(super) lists: Option<Sandbox>,
}

/// One exchange over the wire.
struct Exchanged {
    reply: RawReply,
    /// The connection that the reply came on.
    connection: Option<Connection>,
    /// The memory that the reply's body holds.
    _held: Held,
}

impl Fetch {
    /// The leaf for one source without a board. `large_bodies` has a permit per core, and all sources share it.
    pub fn new(connector: Connector, profile: Arc<Profile>, clock: Clock, large_bodies: Arc<Semaphore>) -> Self {
        Self::landing_on(None, connector, profile, clock, large_bodies, ReplyMemory::unbounded(), Sandboxes::default())
    }

    /// The leaf for one source whose quotes land on a board. All sources share `reply_memory`, which bounds what bodies may hold.
    /// With a sandbox, a filter runs in a process of its own.
    pub(super) fn landing_on(
        board: Option<Arc<Board>>,
        connector: Connector,
        profile: Arc<Profile>,
        clock: Clock,
        large_bodies: Arc<Semaphore>,
        reply_memory: ReplyMemory,
        sandboxes: Sandboxes,
    ) -> Self {
        let (mirrors, repeats, kept) = (Arc::default(), Repeats::default(), Kept::default());
        let inner =
            Inner { connector, profile, clock, large_bodies, reply_memory, sandboxes, board, mirrors, repeats, kept };
        Fetch(Arc::new(inner))
    }

    /// Which of its vendor's addresses is asked first.
    pub fn mirrors(&self) -> &Arc<Mirrors> {
        &self.0.mirrors
    }

    /// One exchange over the wire, without reading what it means: for inspecting a source by hand.
    ///
    /// # Errors
    /// There was no connection, or the reply was not complete, too long or not readable.
    pub async fn exchange(&self, asked: &[Symbol]) -> Result<RawReply, SourceError> {
        self.0.ask(asked, None).await.map(|exchanged| exchanged.reply)
    }
}

impl Service<Batch> for Fetch {
    type Response = Reply;
    type Error = SourceError;
    type Future = BoxFuture<Result<Reply, SourceError>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), SourceError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, batch: Batch) -> Self::Future {
        let inner = Arc::clone(&self.0);
        Box::pin(async move {
            let asked = batch.connect();
            trace::note_number(&Span::current(), "symbols", asked.len());
            if batch.is_for_list() {
                batch.deliver(inner.list(&batch).await?);
                return Ok(Reply { rows: Vec::new() });
            }
            if asked.is_empty() {
                // the source was retired, and all callers have been told
                return Err(SourceError::Reconfigured);
            }
            let Exchanged { reply, connection, _held } = inner.ask(&asked, Some(&batch)).await?;
            let received = inner.clock.now();
            // only a reply about one symbol can be recognised as another symbol's
            let repeatable = connection.filter(|_| asked.len() == 1);
            let repeatable = repeatable.map(|connection| (connection, inner.repeats.hash(&reply.body)));
            let reply = Arc::clone(&inner).read(reply, asked).await?;
            if let Some((connection, body)) = repeatable {
                inner.refuse_repeated(&connection, body, &reply)?;
            }
            inner.hear_time(&reply, received);
            Ok(reply)
        })
    }
}

impl Inner {
    /// One exchange over the wire that asks for these symbols.
    async fn ask(&self, asked: &[Symbol], batch: Option<&Batch>) -> Result<Exchanged, SourceError> {
        let call = self.profile.extractor.spelling().request(asked);
        self.send(&call, self.profile.settings.max_body, batch).await
    }

    /// One exchange over the wire, of a body of at most `limit` bytes. The batch is told when the request is written, and when
    /// the reply begins.
    async fn send(&self, call: &HttpRequest, limit: usize, batch: Option<&Batch>) -> Result<Exchanged, SourceError> {
        let sent = Instant::now();
        let under_way = self.kept.begin();
        let response = self.reach(call, batch).await?;
        if let Some(batch) = batch {
            batch.begin_reply();
        }
        let (connection, may_be_kept) = (Connection::of(&response, sent), may_be_kept(&response));
        let status = response.status().as_u16();
        trace::note_number(&Span::current(), "status", status.into());
        let date = reply::date(response.headers());
        let retry_after = reply::retry_after(response.headers(), date.unwrap_or_else(|| self.clock.now().wall));
        let redirect = reply::redirect(response.status(), response.headers(), response.url());
        let succeeded = response.status().is_success();
        let mut held = self.reply_memory.hold_nothing();
        let body = match self.body(response, limit, &mut held).await {
            Ok(body) if succeeded && page::is_page(&body, self.profile.settings.reply) => {
                return Err(SourceError::Malformed("the reply is a web page, not data".to_owned()));
            }
            Ok(body) => body,
            Err(error) if succeeded => return Err(error),
            // a body that cannot be read says nothing beyond the status
            Err(_) => Vec::new(),
        };
        if let Some(connection) = &connection {
            let is_kept = may_be_kept && self.keeps_connections_to(&connection.host);
            if under_way.ends_on(connection, is_kept) {
                self.stop_keeping(&connection.host);
            }
        }
        let received_at = self.clock.now().wall;
        let reply = RawReply { status, body, retry_after, redirect, date, received_at, latency: sent.elapsed() };
        Ok(Exchanged { reply, connection, _held: held })
    }

    /// Sends a call to the first of the vendor's addresses that can be reached. Nothing has reached those before it, so for the
    /// vendor it is one call. Whatever happens after a connection ends the call, and so does a refused certificate.
    async fn reach(&self, call: &HttpRequest, batch: Option<&Batch>) -> Result<Response, SourceError> {
        let (urls, mirrors) = (call.urls().collect::<Vec<_>>(), &self.mirrors);
        let order: Vec<usize> = mirrors.order(urls.len()).collect();
        let mut unreachable: Vec<String> = Vec::new();
        let mut faults: Vec<Fault> = Vec::new();
        for place in order.iter().copied() {
            if !unreachable.is_empty() {
                mirrors.prefer(place);
            }
            let sent = self.clock.now();
            let url = Url::parse(urls[place]);
            let client = self.client(url.as_ref().ok()).await?;
            let request = match url {
                Ok(url) => client.request(call.verb(), url),
                // sending it says what is wrong with it
                Err(_) => client.request(call.verb(), urls[place]),
            };
            let ended = match self.filled(request, call, batch).send().await {
                Ok(response) if let Some(proxy) = self.refused_by_proxy(&response) => {
                    let Fault { why, passing } = Fault::refused_user(proxy);
                    Err(SourceError::Proxy { detail: self.shown(&why), passing })
                }
                Ok(response) => {
                    self.hear_date(&response, sent);
                    Ok(response)
                }
                Err(error) => match self.trouble(&error, error.url()) {
                    Trouble::Unreachable(host, why) => {
                        unreachable.push(self.shown(&format!("{host}: {why}")));
                        continue;
                    }
                    Trouble::Proxy(host, fault) => {
                        unreachable.push(self.shown(&format!("{host}: {}", fault.why)));
                        faults.push(fault);
                        continue;
                    }
                    Trouble::Tls(why) => {
                        // an address with an invalid certificate must not become the preferred one
                        if place != order[0] {
                            mirrors.prefer(order[0]);
                        }
                        return Err(SourceError::Tls(self.shown(&why)));
                    }
                    Trouble::Broken(why) => Err(SourceError::Connection(self.shown(&why))),
                },
            };
            self.tell(place, &unreachable);
            return ended;
        }
        // if no address can be reached, none has proved better than another
        order.first().inspect(|first| mirrors.prefer(**first));
        let intro = if urls.len() > 1 { "no address can be reached: " } else { "cannot reach " };
        let detail = format!("{intro}{}", unreachable.join("; "));
        let is_proxies_fault = !faults.is_empty() && faults.len() == unreachable.len();
        Err(if is_proxies_fault {
            SourceError::Proxy { detail, passing: faults.iter().any(|fault| fault.passing) }
        } else {
            SourceError::Connection(detail)
        })
    }

    /// The proxy that refused to pass a call on: with a 407, or with a 401 to a call that carries credentials for the proxy alone,
    /// as tinyproxy does. Through a tunnel, such a reply is the vendor's.
    fn refused_by_proxy(&self, response: &Response) -> Option<&Proxy> {
        let proxy = self.connector.proxies().of(response.url()).filter(|proxy| !proxy.tunnels(response.url()))?;
        let is_refused = match response.status() {
            StatusCode::PROXY_AUTHENTICATION_REQUIRED => true,
            StatusCode::UNAUTHORIZED => proxy.has_credentials() && !self.profile.settings.sends_key(),
            _ => false,
        };
        is_refused.then_some(proxy)
    }

    /// Tells the clock what a reply says about the time. A reply out of a cache is as old as the cache says, or older.
    fn hear_date(&self, response: &Response, sent: Moment) {
        let (headers, url) = (response.headers(), response.url());
        let (Some(date), Some(name)) = (reply::date(headers), url.host_str()) else { return };
        if !headers.contains_key(AGE) {
            let host = Host::new(name, url.port_or_known_default());
            self.clock.hear_date(&self.profile.settings.account, host, date, sent, self.clock.now());
        }
    }

    /// Tells the clock the newest time that a reply states in its quotes.
    fn hear_time(&self, reply: &Reply, received: Moment) {
        let quotes = reply.rows.iter().filter_map(|(_, read)| read.as_ref().ok());
        if let Some(time) = quotes.filter_map(|quote| quote.observed_at.max(quote.book_at)).max() {
            self.clock.hear_time(&self.profile.settings.account, time, received);
        }
    }

    /// Logs once that the vendor is asked at another address.
    fn tell(&self, place: usize, unreachable: &[String]) {
        if self.mirrors.is_news(place) {
            let (source, hosts, unreachable) =
                (self.profile.name(), self.mirrors.hosts(&self.profile), unreachable.join("; "));
            let host = hosts.first().map(String::as_str).unwrap_or_default();
            tracing::warn!(source, host, unreachable, "the source is asked at another of its addresses from now on");
        }
    }

    /// The client for a URL. Its connections are kept, unless the source forbids that or the host's connections mixed up replies.
    async fn client(&self, url: Option<&Url>) -> Result<Client, SourceError> {
        let host = url.map(host).unwrap_or_default();
        if self.keeps_connections_to(&host) {
            return Ok(self.connector.client.clone());
        }
        let single = self.connector.single().await;
        single.map_err(|error| SourceError::Internal(format!("no client for single calls can be made: {error}")))
    }

    fn keeps_connections_to(&self, host: &str) -> bool {
        self.profile.settings.reuse && self.connector.trusts(host)
    }

    /// Gives each call to a host a connection of its own for a while, because its connections do not last.
    fn stop_keeping(&self, host: &str) {
        self.connector.distrust(host);
        let (source, host) = (self.profile.name(), self.shown(host));
        tracing::warn!(
            source,
            host,
            "this host drops kept connections, as after duplicate responses; for an hour each call opens one of its own"
        );
    }

    /// Refuses a reply that came on the same connection for another symbol before, and takes that one back as well: nothing
    /// tells which of the two it belongs to. Later replies on that connection may be wrong too, so they are refused or taken
    /// back, and the host's connections are not used again.
    fn refuse_repeated(&self, connection: &Connection, body: u64, reply: &Reply) -> Result<(), SourceError> {
        let Some(Repeated { symbol, withdrawn }) = self.repeats.hear(connection, body, reply) else { return Ok(()) };
        let refused = |words: &str| SourceError::Connection(self.shown(words));
        if withdrawn.is_empty() {
            let words =
                format!("its connection gave the reply for {symbol} to another call as well; no later one is used");
            return Err(refused(&words));
        }
        self.connector.distrust(&connection.host);
        self.repeats.close(connection);
        let (source, host, origin) = (self.profile.name(), self.shown(&connection.host), self.profile.plain_origin());
        let other = reply.rows.first().map(|(symbol, _)| symbol.to_string()).unwrap_or_default();
        tracing::warn!(
            source,
            host,
            "the replies for {symbol} and {other} are the same, so one probably came twice; neither is used, and for an \
             hour each call to this host opens a connection of its own"
        );
        for Heard { symbol, received_at, .. } in &withdrawn {
            let why = refused(&format!("its connection gave the same reply for {other}; neither is used"));
            if let Some(board) = &self.board {
                board.land(origin, symbol, Update::Withdrawal(*received_at, why), self.clock.now());
            }
        }
        Err(refused(&format!("its connection gave the same reply for {symbol}; neither is used")))
    }

    /// A request with the headers and the body of a call. A source of ours is told for which request it is.
    fn filled(&self, mut request: RequestBuilder, call: &HttpRequest, batch: Option<&Batch>) -> RequestBuilder {
        for (name, value) in &call.headers {
            request = request.header(name, value.expose_secret());
        }
        if let Some(batch) = batch.filter(|_| self.profile.settings.propagate) {
            let is_stated = |name: &str| call.headers.iter().any(|(stated, _)| stated.eq_ignore_ascii_case(name));
            let told = batch.context().headers().into_iter().filter(|(name, _)| !is_stated(name.as_str()));
            request = told.fold(request, |request, (name, value)| request.header(name, value));
        }
        request.body(reqwest::Body::wrap(Written::new(call.body.clone(), batch.cloned())))
    }

    /// Reads a body, unpacks it, and turns it into UTF-8. Neither the bytes on the wire nor the unpacked ones, nor those
    /// in UTF-8, may be more than the limit.
    async fn body(&self, response: Response, limit: usize, held: &mut Held) -> Result<Vec<u8>, SourceError> {
        let declared = reply::charset(response.headers());
        let body = self.unpacked(response, limit, held).await?;
        let stated = self.profile.settings.charset;
        let Some(charset) = Charset::of(&body, stated, declared.as_deref()) else { return Ok(body) };
        let is_large = body.len() > LARGE_BODY;
        let in_utf8 = move || charset.to_utf8(&body).into_owned().into_bytes();
        let text = if is_large { self.aside(in_utf8).await? } else { in_utf8() };
        if text.len() > limit {
            return Err(SourceError::TooLarge { limit });
        }
        hold(held, text.len())?;
        Ok(text)
    }

    /// Reads a body and unpacks it.
    async fn unpacked(&self, response: Response, limit: usize, held: &mut Held) -> Result<Vec<u8>, SourceError> {
        let codings = encoding::codings(response.headers());
        let body = self.received(response, limit, held).await?;
        if !encoding::is_packed(&body, &codings) {
            return Ok(body);
        }
        let failed = |error| match error {
            DecodeError::TooLong => SourceError::TooLarge { limit },
            other => SourceError::Malformed(self.shown(&other.to_string())),
        };
        if body.len() <= LARGE_BODY {
            let decoded = encoding::decode(&body, &codings, limit.min(LARGE_BODY));
            if limit <= LARGE_BODY || decoded != Err(DecodeError::TooLong) {
                return decoded.map_err(failed);
            }
        }
        let decoded = self.aside(move || encoding::decode(&body, &codings, limit)).await?.map_err(failed)?;
        hold(held, decoded.len())?;
        Ok(decoded)
    }

    /// A body as it comes over the wire, up to the first byte beyond the limit.
    async fn received(&self, mut response: Response, limit: usize, held: &mut Held) -> Result<Vec<u8>, SourceError> {
        let too_large = || SourceError::TooLarge { limit };
        if response.content_length().is_some_and(|length| length > limit as u64) {
            return Err(too_large());
        }
        // what it declares may not come, so that is not trusted with more than a small body's memory
        let declared = usize::try_from(response.content_length().unwrap_or_default()).unwrap_or(usize::MAX);
        let mut body = Vec::with_capacity(declared.min(LARGE_BODY));
        while let Some(chunk) = response.chunk().await.transpose() {
            let chunk = chunk.map_err(|error| self.broken(&error, response.url()))?;
            if body.len() + chunk.len() > limit {
                return Err(too_large());
            }
            hold(held, body.len() + chunk.len())?;
            body.extend_from_slice(&chunk);
        }
        Ok(body)
    }

    /// Makes rows of a reply. A large reply, or one whose filter takes long, is filtered off the threads that serve requests.
    async fn read(self: Arc<Self>, reply: RawReply, asked: Vec<Symbol>) -> Result<Reply, SourceError> {
        if let Some(sandbox) = &self.sandboxes.prices {
            return self.read_apart(sandbox, reply, asked).await;
        }
        if reply.body.len() <= LARGE_BODY
            && let Some(rows) = self.profile.extractor.read_at_once(&reply, &asked, cpu::timer)
        {
            return Ok(Reply { rows: rows?.outcomes });
        }
        let profile = Arc::clone(&self.profile);
        let rows = self.aside(move || profile.extractor.read(&reply, &asked, cpu::timer)).await??;
        Ok(Reply { rows: rows.outcomes })
    }

    /// Makes rows of a reply in the filter's own process. Its result is short, so little is left to do here.
    async fn read_apart(&self, sandbox: &Sandbox, reply: RawReply, asked: Vec<Symbol>) -> Result<Reply, SourceError> {
        let filtered = sandbox.run(&self.profile.extractor.job(&reply, &asked)).await?;
        let is_large = reply.body.len().max(filtered.len()) > LARGE_BODY;
        let profile = Arc::clone(&self.profile);
        let read = move || profile.extractor.read_rows(&reply, &asked, &filtered.rows()?);
        let rows = if is_large { self.aside(read).await?? } else { read()? };
        Ok(Reply { rows: rows.outcomes })
    }

    /// Works on a large body off the threads that serve requests, on as many at once as there are cores.
    async fn aside<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Result<T, SourceError> {
        let permit = Arc::clone(&self.large_bodies).acquire_owned().await;
        let working = tokio::task::spawn_blocking(move || {
            // the work goes on when its call is cancelled, and must keep its permit
            let _permit = permit;
            work()
        });
        working.await.map_err(|_| SourceError::Internal("reading the reply failed".to_owned()))
    }

    /// Why a body broke off.
    fn broken(&self, error: &reqwest::Error, url: &Url) -> SourceError {
        match self.trouble(error, Some(url)) {
            Trouble::Tls(why) => SourceError::Tls(self.shown(&why)),
            Trouble::Unreachable(_, why) | Trouble::Broken(why) => SourceError::Connection(self.shown(&why)),
            // the reply had begun, so the vendor may have broken off as well
            Trouble::Proxy(_, fault) => SourceError::Connection(self.shown(&fault.why)),
        }
    }

    /// What an HTTP error means.
    fn trouble(&self, error: &reqwest::Error, url: Option<&Url>) -> Trouble {
        trouble(error, url, &self.connector, self.profile.settings.authority.is_some())
    }

    /// A text without secrets: a host may be made of a key, and a certificate may say anything.
    fn shown(&self, words: &str) -> String {
        self.profile.extractor.scrub().clean(words)
    }
}

/// Holds memory for a body of this many bytes. A small body is not counted: there are no more of them than calls at once, and so
/// sources can still be read when slow readers use up the memory.
fn hold(held: &mut Held, bytes: usize) -> Result<(), SourceError> {
    if bytes <= LARGE_BODY {
        return Ok(());
    }
    let full = |_| SourceError::Throttled { limit: "server.max_reply_memory".to_owned(), retry_after: SOON };
    held.grow_to(bytes).map_err(full)
}
