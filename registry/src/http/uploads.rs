use axum::response::Response;
use entrepot_oci::{Digest, RepositoryName};
use http::{HeaderName, StatusCode, header};

use super::{
    action::{self, StartUpload},
    call::{CONTENT_DIGEST, Call, empty},
    error::ApiError,
    location::received,
    range::ChunkRange,
};
use crate::{
    auth::{Access, Decision, Permission, decide},
    domain::{Blob, Chunk, Upload},
};

/// `Docker-Upload-UUID`: which upload it is, for clients that keep more than its URL.
const UPLOAD_ID: HeaderName = HeaderName::from_static("docker-upload-uuid");

pub(super) async fn start(
    call: &Call,
    repository: &RepositoryName,
    start: &StartUpload,
) -> Result<Response, ApiError> {
    match start {
        StartUpload::Whole { digest } => return whole(call, repository, digest).await,
        StartUpload::Mount { digest, from: Some(from) } if may_pull(call, from) => {
            if let Some(blob) = call.registry().mount_blob(repository, from, digest).await? {
                return Ok(created(call, repository, &blob));
            }
        }
        // A blob to mount that is not there, or not for this caller: the two look alike, and the client uploads it.
        StartUpload::Session | StartUpload::Mount { .. } => {}
    }
    let upload = call.registry().start_upload(repository, call.identity.principal());
    Ok(progress(StatusCode::ACCEPTED, call, repository, &upload))
}

async fn whole(call: &Call, repository: &RepositoryName, digest: &Digest) -> Result<Response, ApiError> {
    let principal = call.identity.principal();
    let upload = call.registry().start_upload(repository, principal);
    let finished = finish(call, repository, &upload.token, digest).await;
    if finished.is_err() {
        // The client was never told its name, so nobody could go on with it. Often it is gone already.
        let _ = call.registry().cancel_upload(repository, principal, &upload.token).await;
    }
    finished
}

pub(super) async fn status(call: &Call, upload: &action::Upload) -> Result<Response, ApiError> {
    let principal = call.identity.principal();
    let status = call.registry().upload_status(&upload.repository, principal, &upload.token).await?;
    Ok(progress(StatusCode::NO_CONTENT, call, &upload.repository, &status))
}

pub(super) async fn append(call: &Call, upload: &action::Upload) -> Result<Response, ApiError> {
    let (principal, chunk) = (call.identity.principal(), chunk(call)?);
    let appended = call.registry().append_upload(&upload.repository, principal, &upload.token, chunk).await;
    let progressed = appended.map_err(|error| at(call, upload, error.into()))?;
    Ok(progress(StatusCode::ACCEPTED, call, &upload.repository, &progressed))
}

pub(super) async fn end(call: &Call, upload: &action::Upload, digest: &Digest) -> Result<Response, ApiError> {
    let finished = finish(call, &upload.repository, &upload.token, digest).await;
    finished.map_err(|error| at(call, upload, error))
}

pub(super) async fn cancel(call: &Call, upload: &action::Upload) -> Result<Response, ApiError> {
    call.registry().cancel_upload(&upload.repository, call.identity.principal(), &upload.token).await?;
    Ok(empty(StatusCode::NO_CONTENT, []))
}

async fn finish(
    call: &Call,
    repository: &RepositoryName,
    token: &str,
    digest: &Digest,
) -> Result<Response, ApiError> {
    let (principal, chunk) = (call.identity.principal(), chunk(call)?);
    let blob = call.registry().finish_upload(repository, principal, token, digest, chunk).await?;
    Ok(created(call, repository, &blob))
}

fn may_pull(call: &Call, from: &RepositoryName) -> bool {
    decide(&call.identity, Permission::Repository(from, Access::Pull)) == Decision::Allow
}

fn chunk(call: &Call) -> Result<Chunk<'static>, ApiError> {
    let range = match call.headers.get(header::CONTENT_RANGE) {
        None => None,
        Some(value) => {
            let parsed = value.to_str().ok().and_then(ChunkRange::parse);
            Some(parsed.ok_or_else(ApiError::chunk_range)?)
        }
    };
    // Without a range a `Content-Length` needs no second check: the connection reads no more than it says.
    let length = range.map(|range| range.length).or_else(|| call.content_length());
    Ok(Chunk { offset: range.map(|range| range.start), length, body: call.body.stream() })
}

fn created(call: &Call, repository: &RepositoryName, blob: &Blob) -> Response {
    let location = call.locations().blob(repository, &blob.digest);
    let digest = blob.digest.to_string();
    empty(StatusCode::CREATED, [(header::LOCATION, location), (CONTENT_DIGEST, digest)])
}

fn progress(status: StatusCode, call: &Call, repository: &RepositoryName, upload: &Upload) -> Response {
    let location = call.locations().upload(repository, &upload.token);
    let range = received(upload.size);
    let headers = [(header::LOCATION, location), (header::RANGE, range), (UPLOAD_ID, upload.token.clone())];
    empty(status, headers)
}

/// After a refusal the client goes on where the upload is.
fn at(call: &Call, upload: &action::Upload, error: ApiError) -> ApiError {
    let location = call.locations().upload(&upload.repository, &upload.token);
    if error.is_about_range() { error.with(header::LOCATION, &location) } else { error }
}
