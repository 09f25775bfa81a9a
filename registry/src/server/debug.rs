use std::sync::Arc;

use axum::{
    Router,
    extract::State,
    response::{IntoResponse as _, Response},
    routing::get,
};
use entrepot_registry_config::Prometheus;
use http::{StatusCode, header};

use crate::{health::Health, metrics::Metrics};

const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Health and metrics: what the debug listener answers.
pub fn router(health: Arc<Health>, metrics: Arc<Metrics>, prometheus: &Prometheus) -> Router {
    let router = Router::new()
        .route("/livez", get(|| async { "ok" }))
        .route("/readyz", get(ready))
        .route("/debug/health", get(ready))
        .with_state(health);
    if !prometheus.enabled {
        return router;
    }
    let encode = move || async move { ([(header::CONTENT_TYPE, OPEN_METRICS)], metrics.encode()) };
    // Not a route of axum's, in whose patterns a configured path could mean something else, or clash and panic.
    let path = prometheus.path.clone();
    router.fallback(move |uri: http::Uri| async move {
        if uri.path() == path {
            encode().await.into_response()
        } else {
            StatusCode::NOT_FOUND.into_response()
        }
    })
}

/// As distribution answers: nothing when all is well, else each reason under its name.
async fn ready(State(health): State<Arc<Health>>) -> Response {
    let reasons = health.reasons();
    let status = if reasons.is_empty() { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    let body = serde_json::json!(reasons).to_string();
    (status, [(header::CONTENT_TYPE, "application/json")], body).into_response()
}
