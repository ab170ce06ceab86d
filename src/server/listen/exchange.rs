//! Answers one request on a connection, unless its client leaves first, and says whether the connection is worth keeping.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::http::header::CONNECTION;
use axum::http::{HeaderValue, StatusCode};
use axum::response::Response;
use hyper::body::Incoming;
use tokio::time::timeout;
use tower::ServiceExt;

use super::places::Place;
use super::stream::Shared;
use crate::gather::Waiting;

/// A request that has not said that it waits for a source is taken to wait for something after this time.
const NO_WAIT: Duration = Duration::from_secs(1);

/// A client that has left before its reply.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("the client left before its reply")]
pub(super) struct Left;

/// The reply to a request.
///
/// A client that closes its side may have left, or may only have nothing more to say: some proxies, and `nc -N`, close it
/// right after the request. So that is not looked at while the reply needs no wait. Once a source has to be waited for, it
/// counts as leaving: a call would be spent for a client that may be gone.
pub(super) async fn answer(
    app: Router,
    request: Request<Incoming>,
    client: Shared,
    place: Arc<Place>,
) -> Result<Response, Left> {
    place.begins_work();
    let waiting = Waiting::default();
    let left = async {
        let _ = timeout(NO_WAIT, waiting.begun()).await;
        client.closed_by_the_client().await;
    };
    let mut reply = tokio::select! {
        biased;
        Ok(reply) = waiting.scope(app.oneshot(request.map(Body::new))) => reply,
        () = left => return Err(Left),
    };
    place.ends_work();
    // the place serves others better than a client that is turned away
    let turned_away = matches!(reply.status(), StatusCode::UNAUTHORIZED | StatusCode::TOO_MANY_REQUESTS);
    if turned_away && place.is_wanted_by_others() {
        reply.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    }
    Ok(reply)
}
