//! Serves `/prices`: reads the question, lets the service answer it, writes the reply.

use std::sync::Arc;

use axum::Extension;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, RawQuery, Request, State};
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER};
use axum::http::{HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};

use super::form;
use super::problem::Problem;
use crate::Quotefold;
use crate::answer::Answer;
use crate::question::{BadQuestion, Caller, Question, longest_form};

/// The header with an answer's completeness.
pub(super) const PRICES_STATUS: HeaderName = HeaderName::from_static("prices-status");

/// `GET /prices?symbols=AAPL,MSFT`
pub(super) async fn many(
    State(service): State<Arc<Quotefold>>,
    caller: Option<Extension<Caller>>,
    RawQuery(query): RawQuery,
) -> Result<Response, Problem> {
    let question = Question::parse(&query.unwrap_or_default(), &service.bounds(), service.clock.now())?;
    let question = question.asked_by(caller.map(|Extension(caller)| caller));
    let answer = service.answer(&question).await;
    Ok(reply(&answer, answer.body(service.clock.now().wall)))
}

/// `POST /prices`, with the parameters in a form: for lists that are too long for a URL. Like a GET, it changes nothing.
pub(super) async fn form(State(service): State<Arc<Quotefold>>, request: Request) -> Result<Response, Problem> {
    let (bounds, caller) = (service.bounds(), request.extensions().get().copied());
    let form = form::read(request, longest_form(bounds.max_symbols)).await?;
    let question = Question::parse_form(&form, &bounds, service.clock.now())?.asked_by(caller);
    let answer = service.answer(&question).await;
    Ok(reply(&answer, answer.body(service.clock.now().wall)))
}

/// `GET /prices/{symbol}`
pub(super) async fn one(
    State(service): State<Arc<Quotefold>>,
    caller: Option<Extension<Caller>>,
    symbol: Result<Path<String>, PathRejection>,
    RawQuery(query): RawQuery,
) -> Result<Response, Problem> {
    let Path(symbol) =
        symbol.map_err(|_| Problem::bad_query("symbol", "what stands behind the percent signs is not UTF-8"))?;
    let question = Question::parse_one(&symbol, &query.unwrap_or_default(), &service.bounds(), service.clock.now())?;
    let question = question.asked_by(caller.map(|Extension(caller)| caller));
    let answer = service.answer(&question).await;
    Ok(reply(&answer, answer.single_body(service.clock.now().wall)))
}

fn reply(answer: &Answer, body: serde_json::Result<Vec<u8>>) -> Response {
    let (Ok(body), Ok(code)) = (body, StatusCode::from_u16(answer.code)) else {
        return Problem::Internal.into_response();
    };
    let mut reply = (code, body).into_response();
    let headers = reply.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    // the board is the cache: a second one in between could only be older
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(PRICES_STATUS, HeaderValue::from_static(answer.completeness.as_str()));
    if let Some(seconds) = answer.retry_after {
        headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
    }
    reply
}

impl From<BadQuestion> for Problem {
    fn from(bad: BadQuestion) -> Self {
        Problem::bad_query(bad.field, bad.detail)
    }
}
