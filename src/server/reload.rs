//! Serves `POST /admin/reload`, which reads the configuration again.

use axum::extract::State;
use axum::http::HeaderMap;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};

use super::browsers::refuse_foreign_page;
use super::problem::Problem;
use crate::reload::{ReloadError, Reloads};

/// The path.
pub(super) const PATH: &str = "/admin/reload";

/// Reads the configuration again, and says what that has changed.
pub(super) async fn reload(State(reloads): State<Reloads>, headers: HeaderMap) -> Result<Response, Problem> {
    refuse_foreign_page(&headers)?;
    // The work goes on if the client leaves: a reload that stops half way would be worse than one without a reader.
    let reloading = tokio::spawn(async move { reloads.reload(PATH).await });
    let reloaded = reloading.await.map_err(|_| Problem::Internal)??;
    let body = serde_json::to_string(&reloaded).map_err(|_| Problem::Internal)?;
    Ok(([(CONTENT_TYPE, "application/json"), (CACHE_CONTROL, "no-store")], body).into_response())
}

impl From<ReloadError> for Problem {
    fn from(error: ReloadError) -> Self {
        match error {
            ReloadError::Configuration(detail) => Problem::BadConfiguration { detail },
            ReloadError::Unable(_) => Problem::Internal,
        }
    }
}
