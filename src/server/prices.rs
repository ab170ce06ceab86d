//! Serves `/prices`: reads the query, has the service answer it, and writes the reply.

use std::fmt;
use std::sync::Arc;

use axum::Extension;
use axum::body::Body;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, RawQuery, Request, State};
use axum::http::header::{ACCEPT, CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER, VARY};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use axum::response::{IntoResponse, Response};
use jiff::Timestamp;

use super::caching::{Wanted, note_packed, packed};
use super::form;
use super::pieces::{Pieces, in_parts};
use super::pricing::Pricing;
use super::problem::Problem;
use super::request_log::Lacking;
use crate::answer::{Answer, Completeness, Parts};
use crate::caller::Caller;
use crate::pace::Pace;
use crate::question::{Accepted, BadQuestion, Format, Question, longest_form};
use crate::ready::{Part, ReadyAnswer};
use crate::reply_memory::Full;
use crate::service::in_flight::Made;
use crate::service::joining::Joining;
use crate::service::{InTurn, Verdicts};
use crate::workload::Overloaded;

/// The header with an answer's completeness.
pub(super) const PRICES_STATUS: HeaderName = HeaderName::from_static("prices-status");

/// The most symbols whose ready answer the thread of the connections writes: other clients wait for it meanwhile.
const MOST_AT_ONCE: usize = 100;

/// `GET /prices?symbols=AAPL,MSFT`
pub(super) async fn many(
    State(pricing): State<Pricing>,
    caller: Option<Extension<Caller>>,
    headers: HeaderMap,
    RawQuery(query): RawQuery,
) -> Result<Response, Problem> {
    let (query, service) = (query.unwrap_or_default(), &pricing.service);
    let question = Question::parse(&query, service.bounds(), service.clock().now())?;
    let form = Form::of_list(question.format(accepted(&headers))?);
    // others are never ready, and those of spreadsheets never come again
    if form.is_json() {
        pricing.questions.remember(&query, &question);
    }
    let question = question.asked_by(caller.map(|Extension(caller)| caller));
    answer(&pricing, question, form, pricing.wanted(&headers)).await
}

/// `POST /prices`, with the parameters in a form: for lists that are too long for a URL. Like a GET, it is safe and idempotent.
pub(super) async fn form(State(pricing): State<Pricing>, request: Request) -> Result<Response, Problem> {
    let (bounds, caller) = (pricing.service.bounds(), request.extensions().get().copied());
    let accepted = accepted(request.headers());
    let parameters = form::read(request, longest_form(bounds.max_symbols)).await?;
    let question = Question::parse_form(&parameters, bounds, pricing.service.clock().now())?.asked_by(caller);
    let form = Form::of_list(question.format(accepted)?);
    answer(&pricing, question, form, Wanted::default()).await
}

/// `GET /prices/{symbol}`
pub(super) async fn one(
    State(pricing): State<Pricing>,
    caller: Option<Extension<Caller>>,
    headers: HeaderMap,
    symbol: Result<Path<String>, PathRejection>,
    RawQuery(query): RawQuery,
) -> Result<Response, Problem> {
    let Path(symbol) =
        symbol.map_err(|_| Problem::bad_query("symbol", "the percent-encoded symbol is not valid UTF-8"))?;
    let (bounds, now) = (pricing.service.bounds(), pricing.service.clock().now());
    let question = Question::parse_one(&symbol, &query.unwrap_or_default(), bounds, now)?;
    let form = Form::of_entry(question.format(accepted(&headers))?);
    let question = question.asked_by(caller.map(|Extension(caller)| caller));
    answer(&pricing, question, form, pricing.wanted(&headers)).await
}

/// The format that the headers of a request prefer.
fn accepted(headers: &HeaderMap) -> Accepted {
    let mut values = headers.get_all(ACCEPT).iter().filter_map(|value| value.to_str().ok()).peekable();
    match values.peek() {
        None => Accepted::Json,
        Some(_) => Accepted::of(values),
    }
}

/// Answers requests for prices that are ready, without a route, a task or a wait.
pub(super) struct ReadyPrices(Pricing);

impl ReadyPrices {
    pub(super) fn of(pricing: &Pricing) -> Self {
        ReadyPrices(pricing.clone())
    }

    /// The reply to `GET /prices` if its query has come before and its answer is ready. Any other request goes its usual way.
    pub(super) fn reply(&self, request: &Request) -> Option<Response> {
        let is_asked = request.uri().path() == form::PATH && matches!(*request.method(), Method::GET | Method::HEAD);
        let question = self.0.questions.known(request.uri().query().filter(|_| is_asked)?)?;
        let form = Form::of_list(question.format(accepted(request.headers())).ok()?);
        ready(&self.0, &question, form, &self.0.wanted(request.headers())).map(IntoResponse::into_response)
    }
}

impl fmt::Debug for ReadyPrices {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ReadyPrices")
    }
}

/// How an answer is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Form {
    format: Format,
    /// Whether it is JSON without the envelope: the only entry.
    is_entry: bool,
}

impl Form {
    /// The form of an answer of `/prices`.
    fn of_list(format: Format) -> Self {
        Form { format, is_entry: false }
    }

    /// The form of an answer of `/prices/{symbol}`. Only JSON has an envelope to leave out.
    fn of_entry(format: Format) -> Self {
        Form { format, is_entry: format == Format::Json }
    }

    /// Whether it is JSON, so that it can be kept ready.
    fn is_json(self) -> bool {
        self.format == Format::Json
    }

    /// The body in parts, so that other tasks can run in between.
    fn parts(self, answer: &Answer, now: Timestamp) -> Parts<'_> {
        if self.is_entry {
            Box::new(std::iter::once(answer.single_body(now)))
        } else {
            answer.parts_in(self.format, now)
        }
    }

    fn media_type(self) -> HeaderValue {
        HeaderValue::from_static(match self.format {
            Format::Json => "application/json",
            Format::Csv(_) => "text/csv; charset=utf-8; header=present",
            Format::Ndjson => "application/x-ndjson",
            Format::Text => "text/plain; charset=utf-8",
        })
    }
}

/// An answer, written.
#[derive(Clone, Debug)]
pub(super) struct Written {
    form: Form,
    code: u16,
    completeness: Completeness,
    retry_after: Option<u64>,
    /// With a 503, what lacks a price.
    lacking: Option<Lacking>,
    body: Pieces,
    /// What everyone who is given it counts; `None` if it is for its own caller alone.
    verdicts: Option<Verdicts>,
}

impl Written {
    /// The reply to someone who is given the answer.
    pub(super) fn reply(self) -> Result<Response, Problem> {
        self.verdicts.iter().for_each(Verdicts::count);
        let mut reply = reply(self.form, self.code, self.completeness, self.retry_after, Body::new(self.body))?;
        if let Some(lacking) = self.lacking {
            reply.extensions_mut().insert(lacking);
        }
        Ok(reply)
    }
}

/// Answers from what is ready, or has the service answer, and writes the reply. The caller's deadline counts from the arrival of
/// the query, and includes the time in the queue.
async fn answer(pricing: &Pricing, question: Question, form: Form, wanted: Wanted) -> Result<Response, Problem> {
    if pricing.service.reply_memory().is_full() {
        return Err(Full.into());
    }
    if let Some(ready) = ready(pricing, &question, form, &wanted) {
        return ready;
    }
    let (question, wanted) = (Arc::new(question), Arc::new(wanted));
    let make = |joining: Option<Arc<Joining>>| {
        let (pricing, question, wanted) = (pricing.clone(), Arc::clone(&question), Arc::clone(&wanted));
        async move {
            let ready = form.is_json().then(|| pricing.service.ready_answer(&question)).flatten();
            if let Some(ready) = ready {
                return (write_ready(&pricing, &question, &ready, form, &wanted), Made::ForOne);
            }
            match write(&pricing, &question, form, joining.as_deref()).await {
                Ok(written) => {
                    let is_for_all = written.verdicts.is_some();
                    let made = if is_for_all { Made::ForAll(written.clone()) } else { Made::ForOne };
                    (written.reply(), made)
                }
                Err(problem) => (Err(problem), Made::Refused),
            }
        }
    };
    pricing.answer((&question, form), make).await
}

/// Has the service answer, and writes the answer in pieces.
async fn write(
    pricing: &Pricing,
    question: &Question,
    form: Form,
    joining: Option<&Joining>,
) -> Result<Written, Problem> {
    let service = &*pricing.service;
    let InTurn { answer, verdicts, .. } = &service.answer_in_turn(question, joining).await?;
    pricing.readiness.refresh(service);
    let (mut body, mut pace) = (Pieces::new(service.reply_memory()), Pace::default());
    for part in form.parts(answer, service.clock().now().wall) {
        body.push_own(part.map_err(|_| Problem::Internal)?)?;
        pace.step(service.sources().len()).await;
    }
    let Answer { code, completeness, retry_after, .. } = *answer;
    let lacking = (code == 503).then(|| Lacking(answer.lacking().into()));
    let (body, verdicts) = (body.complete()?, verdicts.clone());
    Ok(Written { form, code, completeness, retry_after, lacking, body, verdicts })
}

/// The reply to a question whose answer is ready, written by the thread of the connections; `None` also if that would take it
/// too long: for many symbols, and for a body that must be packed.
fn ready(pricing: &Pricing, question: &Question, form: Form, wanted: &Wanted) -> Option<Result<Response, Problem>> {
    if question.symbols.len() > MOST_AT_ONCE || !form.is_json() {
        return None;
    }
    let answer = pricing.service.ready_answer(question)?;
    if wanted.packs(answer.len(question)) {
        return None;
    }
    Some(write_ready(pricing, question, &answer, form, wanted))
}

/// The reply to a question whose answer is ready: all of it, or that the client has it already.
fn write_ready(
    pricing: &Pricing,
    question: &Question,
    answer: &ReadyAnswer,
    form: Form,
    wanted: &Wanted,
) -> Result<Response, Problem> {
    let (service, now) = (&*pricing.service, pricing.service.clock().now());
    let caching = wanted.caching.filter(|_| answer.code == 200).map(|caching| (caching, answer.tag(question)));
    let mut written = if caching.as_ref().is_some_and(|(_, tag)| wanted.has(tag)) {
        answer.note_use(question);
        let mut same = reply(form, StatusCode::NOT_MODIFIED.as_u16(), answer.completeness, None, Body::empty())?;
        // it has no body whose type it could state (RFC 9110, section 15.4.5)
        same.headers_mut().remove(CONTENT_TYPE);
        same
    } else {
        let parts = if form.is_entry {
            vec![Part::Own(answer.single_body(question, now.wall))]
        } else {
            answer.parts(question, now.wall).map_err(|_| Problem::Internal)?
        };
        let length = parts.iter().map(|part| part.as_ref().len()).sum();
        let packed = if wanted.packs(length) { packed(&parts) } else { None };
        let is_packed = packed.is_some();
        let body = in_parts(service.reply_memory(), packed.map_or(parts, |packed| vec![Part::Own(packed)]))?;
        let mut reply = reply(form, answer.code, answer.completeness, None, body)?;
        if is_packed {
            note_packed(&mut reply);
        }
        reply
    };
    if let Some((caching, tag)) = caching {
        caching.mark(&mut written, answer.lasts(question, now), &tag);
    }
    Ok(written)
}

fn reply(
    form: Form,
    code: u16,
    completeness: Completeness,
    retry_after: Option<u64>,
    body: Body,
) -> Result<Response, Problem> {
    let code = StatusCode::from_u16(code).map_err(|_| Problem::Internal)?;
    let mut reply = (code, body).into_response();
    let headers = reply.headers_mut();
    headers.insert(CONTENT_TYPE, form.media_type());
    headers.insert(VARY, HeaderValue::from_static("Accept"));
    // the board is the cache: another one in between could only be older
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(PRICES_STATUS, HeaderValue::from_static(completeness.as_str()));
    if let Some(seconds) = retry_after {
        headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
    }
    Ok(reply)
}

impl From<Full> for Problem {
    fn from(_: Full) -> Self {
        Problem::Overloaded
    }
}

impl From<Overloaded> for Problem {
    fn from(_: Overloaded) -> Self {
        Problem::Overloaded
    }
}

impl From<BadQuestion> for Problem {
    fn from(bad: BadQuestion) -> Self {
        Problem::bad_query(bad.field, bad.detail)
    }
}
