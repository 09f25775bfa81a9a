use std::sync::Arc;

use axum::{
    Router,
    extract::{Request, State},
    response::{IntoResponse as _, Response},
};
use http::{HeaderName, HeaderValue, Method, Version, header, request::Parts};

use super::{
    action::Action,
    app::App,
    blobs,
    body::RequestBody,
    call::{Call, empty},
    error::ApiError,
    lists, manifests,
    record::Record,
    route::{RouteError, route},
    uploads,
};
use crate::auth::{Decision, Identity, Permission, decide};

const API_VERSION: HeaderName = HeaderName::from_static("docker-distribution-api-version");
const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Everything that the data port answers.
pub fn router(app: Arc<App>) -> Router {
    Router::new().fallback(answer).with_state(app)
}

async fn answer(State(app): State<Arc<App>>, request: Request) -> Response {
    let routed = route(request.method(), request.uri());
    let mut record = Record::start(&app.metrics, app.access_log, handler(&routed), &request);
    let (parts, body) = request.into_parts();
    let body = RequestBody::new(body);
    let head = parts.method == Method::HEAD;
    let answered = admit(&app, &parts, routed, &body, &mut record).await;
    let mut response = answered.unwrap_or_else(|error| error.into_response(head));
    let headers = response.headers_mut();
    if parts.uri.path().starts_with("/v2") {
        headers.insert(API_VERSION, HeaderValue::from_static("registry/2.0"));
    }
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.extend(HeaderValue::from_str(&record.id().to_string()).ok().map(|id| (REQUEST_ID, id)));
    if body.is_unread() {
        if parts.version < Version::HTTP_2 {
            headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        // HTTP/2 too: the stream would be reset at once, and curl 7 then shows no answer.
        tokio::spawn(body.drain());
    }
    record.follow(response)
}

/// From who asks to whether they may. Nothing stored is looked at before that is known.
async fn admit(
    app: &Arc<App>,
    parts: &Parts,
    routed: Result<Action, RouteError>,
    body: &RequestBody,
    record: &mut Record,
) -> Result<Response, ApiError> {
    let identity = match &routed {
        // These tell nothing, and need not wait for a password to be checked.
        Ok(Action::Home | Action::Options { .. }) => Identity::Unauthenticated,
        Err(RouteError::NotFound) if !parts.uri.path().starts_with("/v2/") => Identity::Unauthenticated,
        _ => known(app, parts).await?,
    };
    record.user(identity.name());
    let action = routed?;
    match decide(&identity, action.permission()) {
        Decision::Allow => {}
        Decision::Challenge => return Err(challenge(app, parts)),
        Decision::Deny(denial) => return Err(denial.into()),
    }
    let headers = parts.headers.clone();
    let head = parts.method == Method::HEAD;
    let call = Call { app: Arc::clone(app), identity, headers, head, body: body.clone() };
    if action.is_write() { change(call, action).await } else { perform(&call, &action).await }
}

/// Who asks, with 401 for whoever is nobody here, be the request's path right or wrong.
async fn known(app: &App, parts: &Parts) -> Result<Identity, ApiError> {
    let header = parts.headers.get(header::AUTHORIZATION).map(HeaderValue::as_bytes);
    let identity = app.authenticator.identify(header).await?;
    match decide(&identity, Permission::Known) {
        Decision::Allow => Ok(identity),
        Decision::Challenge => Err(challenge(app, parts)),
        Decision::Deny(denial) => Err(denial.into()),
    }
}

fn challenge(app: &App, parts: &Parts) -> ApiError {
    let tried = parts.headers.contains_key(header::AUTHORIZATION);
    ApiError::unauthorized(&app.authenticator.challenge(), tried)
}

/// Performs a change in a task of its own: a client that leaves must not stop it half-way, and whoever waits for all
/// changes to end must not be told so while one still writes.
async fn change(call: Call, action: Action) -> Result<Response, ApiError> {
    if matches!(action, Action::DeleteBlob { .. } | Action::DeleteManifest { .. }) && !call.app.delete_enabled
    {
        return Err(ApiError::delete_disabled());
    }
    let pass = call.app.gate.enter().ok_or_else(ApiError::stopping)?;
    let task = tokio::spawn(async move {
        let _pass = pass;
        perform(&call, &action).await
    });
    task.await.unwrap_or_else(|error| Err(ApiError::broken(&error)))
}

async fn perform(call: &Call, action: &Action) -> Result<Response, ApiError> {
    match action {
        Action::Home => Ok(empty(http::StatusCode::OK, [])),
        Action::Options { allow } => {
            Ok(empty(http::StatusCode::NO_CONTENT, [(header::ALLOW, (*allow).to_owned())]))
        }
        Action::CheckVersion => {
            Ok(([(header::CONTENT_TYPE, "application/json")], call.sized("{}", 2)).into_response())
        }
        Action::ListRepositories { page } => lists::repositories(call, page).await,
        Action::ListTags { repository, page } => lists::tags(call, repository, page).await,
        Action::GetBlob { repository, digest } => blobs::get(call, repository, digest).await,
        Action::DeleteBlob { repository, digest } => blobs::delete(call, repository, digest).await,
        Action::StartUpload { repository, start } => uploads::start(call, repository, start).await,
        Action::GetUpload(upload) => uploads::status(call, upload).await,
        Action::AppendUpload(upload) => uploads::append(call, upload).await,
        Action::FinishUpload { upload, digest } => uploads::end(call, upload, digest).await,
        Action::CancelUpload(upload) => uploads::cancel(call, upload).await,
        Action::GetManifest { repository, reference } => manifests::get(call, repository, reference).await,
        Action::PutManifest { repository, reference, tags } => {
            manifests::put(call, repository, reference, tags).await
        }
        Action::DeleteManifest { repository, reference } => {
            manifests::delete(call, repository, reference).await
        }
    }
}

/// The `handler` label of the metrics, named as distribution's.
fn handler(routed: &Result<Action, RouteError>) -> &'static str {
    match routed {
        Err(_) => "unknown",
        Ok(Action::Home | Action::Options { .. } | Action::CheckVersion) => "base",
        Ok(Action::ListRepositories { .. }) => "catalog",
        Ok(Action::ListTags { .. }) => "tags",
        Ok(Action::GetBlob { .. } | Action::DeleteBlob { .. }) => "blob",
        Ok(Action::StartUpload { .. }) => "blob_upload",
        Ok(
            Action::GetUpload(_)
            | Action::AppendUpload(_)
            | Action::FinishUpload { .. }
            | Action::CancelUpload(_),
        ) => "blob_upload_chunk",
        Ok(Action::GetManifest { .. } | Action::PutManifest { .. } | Action::DeleteManifest { .. }) => {
            "manifest"
        }
    }
}
