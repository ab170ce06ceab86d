//! Guards every request, in one row of checks: it is named and logged, admitted, bounded in size and time, and refused in one
//! format.
//!
//! The row is [`Stack::answer`], then `Guards::check`, then `Guards::ask_the_service`, each from top to bottom. The way back is
//! `Guards::finish`. The checks are plain calls and most decide at once, so a guard that is switched off costs one comparison,
//! and only a request that reaches the service becomes a future.

use std::convert::Infallible;
use std::future::{Future, poll_fn};
use std::net::IpAddr;
use std::ops::ControlFlow;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::Router;
use axum::body::HttpBody;
use axum::extract::Request;
use axum::http::header::{CONNECTION, CONTENT_LENGTH};
use axum::http::{HeaderName, HeaderValue, Method, StatusCode};
use axum::response::{IntoResponse, Response};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, timeout};
use tower::util::option_layer;
use tower::{Service, ServiceBuilder, ServiceExt, service_fn};
use tower_http::cors::CorsLayer;
use tracing::Span;

use super::admission::Admission;
use super::app::{Answering, App};
use super::count::{Counted, Counts};
use super::drain::Drain;
use super::one_format::refuse_in_one_format;
use super::pages::Pages;
use super::panics::{caught, caught_now};
use super::prices::ReadyPrices;
use super::problem::{Problem, Shed};
use super::request_id::{self, RequestId};
use super::request_log::{self, Line, RequestLogging};
use super::routes::matches;
use super::{browsers, client, form, host, no_such_path, stream};
use crate::caller::Peer;
use crate::metrics::InFlight;
use crate::settings::RequestLog;
use crate::settings::access::{AccessSettings, HostName, Network};
use crate::trace::{self, TraceContext, TraceParent};

/// The path of the page with the metrics.
pub(super) const METRICS: &str = "/metrics";

/// How long after the longest deadline that a client may ask for the backstop answers.
const BACKSTOP_DELAY: Duration = Duration::from_millis(500);

/// The most headers that a reply gets on its way back.
pub(super) const OWN_HEADERS: usize = 7;

const DEMO: HeaderName = HeaderName::from_static("quotefold-demo");

/// What the operator decides about the stack.
#[derive(Clone, Copy, Debug)]
pub struct StackLimits {
    /// The most requests in flight at once; more are shed.
    pub max_requests: usize,
    /// The longest deadline that a client may ask for. The backstop answers half a second later.
    pub max_timeout: Duration,
    /// The longest form of `POST /prices`, in bytes. Any other body may have 1 KiB.
    pub longest_form: usize,
    /// Which requests get a line in the log.
    pub requests: RequestLog,
}

/// A service behind its guards. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Stack(Arc<Guards>);

/// What the guards know.
#[derive(Debug)]
pub(super) struct Guards {
    /// Counts replies, if anything does.
    pub(super) counts: Option<Counts>,
    /// The patterns of the routes that a refusal may name.
    pub(super) served: Vec<&'static str>,
    /// Whether every price is invented.
    pub(super) is_demo: bool,
    /// The names that requests may use, if they are limited.
    pub(super) hosts: Option<Vec<HostName>>,
    drain: Drain,
    trusted_proxies: Vec<Network>,
    logging: RequestLogging,
    cors: Option<CorsLayer>,
    pages: Pages,
    /// Prices that need no work, if the service has any.
    pub(super) ready: Option<ReadyPrices>,
    admission: Admission,
    longest_form: usize,
    max_requests: usize,
    in_flight: Arc<Semaphore>,
    time: Duration,
    app: Router,
}

/// A place among the requests in flight, which is free again when this is dropped; `None` for what is not counted.
type Place = Option<(OwnedSemaphorePermit, Option<InFlight>)>;

/// What must be known of a request when its reply is there.
struct Asked {
    id: RequestId,
    started: Instant,
    line: Option<Line>,
    span: Span,
    route: Option<Counted>,
    is_head: bool,
}

/// Guards the routes of a service and its pages.
///
/// Every refusal on the way leaves as a [`Problem`], whichever guard or library made it.
pub fn wrap(app: Router, pages: Pages, limits: StackLimits, access: &AccessSettings, drain: Drain) -> Stack {
    Stack::new(Guards::new(app, pages, limits, access, drain))
}

impl App for Stack {
    /// Leads a request through the guards, from top to bottom. Whatever is decided without waiting is answered at once.
    fn answer(&self, mut request: Request, peer: Option<Peer>) -> Answering {
        let guards = &*self.0;
        // Fairness comes before all of this: a connection gets one request answered per turn; see `listen/turns.rs`.

        // The id comes first: every log line and every refusal below carries it.
        let id = RequestId::of(request.headers());
        let started = Instant::now();
        // Finds the address that the log names and that rates count.
        let client = peer.and_then(|peer| client::address(peer, request.headers(), &guards.trusted_proxies));
        // Outside everything that can fail: it sees the status that the client sees, and clients that leave.
        let parent = TraceParent::of(request.headers());
        let (span, place) =
            trace::request(id.as_str(), request.method(), || guards.pattern(request.uri().path()), parent);
        let line = guards.logging.line(&request, &id, place, client, started);
        let route = guards.counts.as_ref().map(|counts| counts.route(request.uri().path()));
        let asked = Asked { id: id.clone(), started, line, span, route, is_head: *request.method() == Method::HEAD };

        let checked = id.scope_now(|| {
            // Everything below may trust the Host header.
            refuse(host::check(&request))?;
            // A CORS preflight carries no key but must still be answered, at no cost. A page that may read prices may also read
            // why it got none, so 401, 429 and 500 pass through here.
            match &guards.cors {
                None => ControlFlow::Continue(Some(guards.check(&mut request, client)?)),
                Some(_) => ControlFlow::Continue(None),
            }
        });
        match checked {
            ControlFlow::Break(reply) => Answering::done(guards.finish(asked, reply)),
            ControlFlow::Continue(passed) => {
                let stack = self.clone();
                Answering::under_way(async move {
                    let context = TraceContext::of(id.header(), request.headers(), place);
                    let answer = async {
                        match passed {
                            Some(place) => stack.0.ask_the_service(request, place).await,
                            None => Box::pin(stack.answer_behind_cors(request, client)).await,
                        }
                    };
                    let marked = request_log::mark_once_it_waits(answer, asked.span.clone());
                    let reply = context.scope(id.scope(marked)).await;
                    stack.0.finish(asked, reply)
                })
            }
        }
    }
}

impl Guards {
    pub(super) fn new(app: Router, pages: Pages, limits: StackLimits, access: &AccessSettings, drain: Drain) -> Self {
        Guards {
            counts: None,
            served: Vec::new(),
            is_demo: false,
            hosts: None,
            logging: RequestLogging { lines: limits.requests, drain: drain.clone() },
            drain,
            trusted_proxies: access.trusted_proxies.clone(),
            cors: browsers::cors(&access.cors),
            pages,
            ready: None,
            admission: Admission::new(access),
            longest_form: limits.longest_form,
            max_requests: limits.max_requests,
            in_flight: Arc::new(Semaphore::new(limits.max_requests.min(Semaphore::MAX_PERMITS))),
            time: limits.max_timeout + BACKSTOP_DELAY,
            app,
        }
    }

    /// Goes on with what the guards from before these settings have counted, where the settings for it are the same: requests in
    /// flight, and how often each caller has asked.
    pub(super) fn take_over(&mut self, before: &Guards) {
        if before.max_requests == self.max_requests {
            self.in_flight = Arc::clone(&before.in_flight);
        }
        self.admission.take_over(&before.admission);
    }

    /// The guards around pages and routes. They break with the answer, or let the request pass to the service.
    fn check(&self, request: &mut Request, client: Option<IpAddr>) -> ControlFlow<Response, Place> {
        // A panic costs one request, not the connection.
        caught_now(|| {
            // Health is outside the guards below: a server that sheds load is busy, not dead, and must be able to say so; and
            // probes have no key. A browser has none either when it loads the page that asks for it, and the description is as
            // public. Requests for unknown paths do pass through these guards.
            if let Some(page) = self.pages.at(request.uri().path()) {
                refuse(self.check_name(request))?;
                return ControlFlow::Break(page.read(request));
            }
            // Authenticate and rate-limit before reading the body or counting the request as in flight.
            let caller = refuse(self.admission.admit(request.headers(), client))?;
            request.extensions_mut().insert(caller);
            refuse(form::bound(request, self.longest_form))?;
            // Excess is refused at once: a queue would only make every request late.
            let place = refuse(self.place(request))?;
            refuse(self.check_name(request))?;
            // What is ready needs no work by the service.
            match self.ready.as_ref().and_then(|ready| ready.reply(request)) {
                Some(reply) => ControlFlow::Break(reply),
                None => ControlFlow::Continue(place),
            }
        })
    }

    /// The guards around the service's own work.
    async fn ask_the_service(&self, mut request: Request, _place: Place) -> Response {
        // Handlers see the id, too.
        if let Some(id) = RequestId::current() {
            request.extensions_mut().insert(id);
        }
        // The reply to a HEAD is that to the GET; its body is left out on the way back.
        if *request.method() == Method::HEAD {
            *request.method_mut() = Method::GET;
        }
        // A client's time starts when its whole form has arrived.
        let time = if form::is_in(&request) { self.time + form::TIME } else { self.time };
        let uri = request.uri().clone();
        // A panic costs one request, not the connection.
        caught(async {
            // Handlers keep their own deadlines. This one is the backstop for a handler that does not.
            let reply = within(time, self.app.clone().oneshot(request)).await;
            let reply = match reply {
                Some(reply) => reply.unwrap_or_else(|never| match never {}),
                None => Problem::NoAnswer.into_response(),
            };
            // axum refuses in plain text or with an empty body: a 404, a 405, a path that is not UTF-8, a 413.
            let no_such_path = || no_such_path::detail(uri.path(), |path| self.serves(path));
            refuse_in_one_format(no_such_path, reply).await
        })
        .await
    }

    /// The pattern of the route or page at a path; "none" if there is no such thing. The path itself may hold symbols, or anything.
    fn pattern<'p>(&self, path: &'p str) -> &'p str {
        let is_fixed = |pattern: &&&'static str| **pattern == path;
        let fits = |pattern: &&&'static str| matches(pattern, path);
        let served = self.served.iter().find(is_fixed).or_else(|| self.served.iter().find(fits));
        let page = || self.pages.at(path).map_or("none", |_| path);
        served.copied().unwrap_or_else(page)
    }

    /// Whether there is a page or a route at a path.
    fn serves(&self, path: &str) -> bool {
        self.pages.at(path).is_some() || self.served.iter().any(|pattern| matches(pattern, path))
    }

    /// The way back to the client, from bottom to top.
    fn finish(&self, asked: Asked, mut reply: Response) -> Response {
        if asked.is_head {
            leave_out_the_body(&mut reply);
        }
        trace::note_number(&asked.span, "status", reply.status().as_u16().into());
        reply.headers_mut().reserve(OWN_HEADERS);
        // Every reply gets these headers. They are outside CORS because they depend on what it allows.
        browsers::protect(&mut reply);
        if let Some(line) = asked.line {
            line.answered(reply.status(), reply.extensions().get().cloned());
        }
        // Until the listener closes, requests are served, but every client is told to reconnect for its next one.
        if self.drain.has_begun() {
            reply.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
        }
        if let Some(id) = asked.id.header() {
            reply.headers_mut().insert(request_id::HEADER, id);
        }
        // Counted under its route's pattern, never under the path: symbols must not become labels.
        if let (Some(counts), Some(route)) = (&self.counts, asked.route) {
            if reply.status() == StatusCode::SERVICE_UNAVAILABLE && reply.extensions().get::<Shed>().is_some() {
                counts.shed();
            }
            counts.count(route, reply.status().as_u16(), asked.started.elapsed());
        }
        // No reply of a simulation may be mistaken for a real one.
        if self.is_demo {
            reply.headers_mut().insert(DEMO, HeaderValue::from_static("true"));
        }
        reply
    }

    /// A place in flight, if one is free.
    fn place(&self, request: &Request) -> Result<Place, Problem> {
        // metrics are needed most when the server is busy; streams have a limit of their own, and are never done
        if matches!(request.uri().path(), METRICS | stream::PATH) {
            return Ok(None);
        }
        let place = Arc::clone(&self.in_flight).try_acquire_owned().map_err(|_| Problem::Overloaded)?;
        Ok(Some((place, self.counts.as_ref().map(Counts::in_flight))))
    }

    /// Refuses a name that is not among those that requests may use, if these are limited.
    fn check_name(&self, request: &Request) -> Result<(), Problem> {
        self.hosts.as_ref().map_or(Ok(()), |hosts| host::refuse_foreign(request, hosts))
    }
}

impl Stack {
    pub(super) fn new(guards: Guards) -> Self {
        Stack(Arc::new(guards))
    }

    /// The same, going on with what the stack before it has counted.
    pub(crate) fn after(self, before: &Stack) -> Self {
        match Arc::try_unwrap(self.0) {
            Ok(mut guards) => {
                guards.take_over(&before.0);
                Stack::new(guards)
            }
            // it serves already, and goes on with what it has counted itself
            Err(serving) => Stack(serving),
        }
    }

    /// Has the CORS layer answer preflights, and say in other replies which pages may read them. Everything below is inside it.
    async fn answer_behind_cors(&self, request: Request, client: Option<IpAddr>) -> Response {
        let stack = self.clone();
        let inside = service_fn(move |mut request: Request| {
            let stack = stack.clone();
            async move {
                Ok::<_, Infallible>(match stack.0.check(&mut request, client) {
                    ControlFlow::Break(reply) => reply,
                    ControlFlow::Continue(place) => stack.0.ask_the_service(request, place).await,
                })
            }
        });
        let answered = ServiceBuilder::new().layer(option_layer(self.0.cors.clone())).service(inside).oneshot(request);
        answered.await.unwrap_or_else(|never| match never {})
    }
}

/// The stack without a listener, for requests whose peer is unknown.
impl Service<Request> for Stack {
    type Response = Response;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request) -> Self::Future {
        let answer = self.answer(request, None);
        Box::pin(async { Ok(answer.await) })
    }
}

fn refuse<T>(checked: Result<T, Problem>) -> ControlFlow<Response, T> {
    match checked {
        Ok(passed) => ControlFlow::Continue(passed),
        Err(problem) => ControlFlow::Break(problem.into_response()),
    }
}

fn leave_out_the_body(reply: &mut Response) {
    let body = std::mem::take(reply.body_mut());
    if let Some(length) = body.size_hint().exact() {
        reply.headers_mut().entry(CONTENT_LENGTH).or_insert(length.into());
    }
}

/// Works for `time` at most. Work that is done at once needs no timer.
async fn within<W: Future>(time: Duration, work: W) -> Option<W::Output> {
    let mut work = pin!(work);
    if let Poll::Ready(done) = poll_fn(|context| Poll::Ready(work.as_mut().poll(context))).await {
        return Some(done);
    }
    timeout(time, work).await.ok()
}
