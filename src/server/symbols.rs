//! Serves `/symbols`: finds symbols by what was typed, without a call to any source.

use std::sync::Arc;

use axum::extract::{RawQuery, State};
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};

use super::pieces::Pieces;
use super::pricing::Pricing;
use super::problem::Problem;
use crate::search::Search;

/// `GET /symbols?q=app`
pub(super) async fn search(State(pricing): State<Pricing>, RawQuery(query): RawQuery) -> Result<Response, Problem> {
    let search = Search::parse(&query.unwrap_or_default())?;
    let service = Arc::clone(&pricing.service);
    // thousands of names take too long for the thread of the connections
    let found = pricing.run(async move { service.search(&search).await }).await;
    let mut body = Pieces::new(pricing.service.reply_memory());
    body.push(&serde_json::to_vec(&found).map_err(|_| Problem::Internal)?)?;
    Ok(([(CONTENT_TYPE, "application/json"), (CACHE_CONTROL, "no-store")], body.finish()?).into_response())
}
