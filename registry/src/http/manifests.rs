use std::collections::BTreeSet;

use axum::{
    body::Body,
    response::{IntoResponse as _, Response},
};
use entrepot_oci::{Reference, RepositoryName, Tag};
use http::{HeaderName, HeaderValue, StatusCode, header};

use super::{
    call::{CONTENT_DIGEST, Call, empty},
    error::ApiError,
};
use crate::domain::MANIFEST_LIMIT;

/// `OCI-Tag`: a tag of the query that was set, one line each.
const TAG: HeaderName = HeaderName::from_static("oci-tag");

/// Answers with the stored bytes whatever `Accept` says: they are the only form that has this digest, and a client
/// that cannot read them finds out by itself.
pub(super) async fn get(
    call: &Call,
    repository: &RepositoryName,
    reference: &Reference,
) -> Result<Response, ApiError> {
    let manifest = call.registry().manifest(repository, reference).await?;
    let etag = format!("\"{}\"", manifest.digest);
    let current = call.has_current(&etag);
    let headers = [
        (header::CONTENT_TYPE, manifest.media_type),
        (header::ETAG, etag),
        (CONTENT_DIGEST, manifest.digest.to_string()),
    ];
    let length = manifest.bytes.len() as u64;
    let status = if current { StatusCode::NOT_MODIFIED } else { StatusCode::OK };
    if call.head {
        return Ok((status, headers, call.sized(Body::empty(), length)).into_response());
    }
    if current {
        return Ok((status, headers).into_response());
    }
    Ok((headers, call.sized(manifest.bytes, length)).into_response())
}

pub(super) async fn put(
    call: &Call,
    repository: &RepositoryName,
    reference: &Reference,
    tags: &BTreeSet<Tag>,
) -> Result<Response, ApiError> {
    let bytes = call.body.collect(call.content_length(), MANIFEST_LIMIT).await?;
    let content_type = call.header(&header::CONTENT_TYPE);
    let digest = call.registry().put_manifest(repository, reference, tags, content_type, bytes).await?;
    let location = call.locations().manifest(repository, &digest);
    let headers = [(header::LOCATION, location), (CONTENT_DIGEST, digest.to_string())];
    let mut response = empty(StatusCode::CREATED, headers);
    for tag in tags.iter().filter_map(|tag| HeaderValue::from_str(tag.as_str()).ok()) {
        response.headers_mut().append(TAG, tag);
    }
    Ok(response)
}

pub(super) async fn delete(
    call: &Call,
    repository: &RepositoryName,
    reference: &Reference,
) -> Result<Response, ApiError> {
    match reference {
        Reference::Tag(tag) => call.registry().delete_tag(repository, tag).await?,
        Reference::Digest(digest) => call.registry().delete_manifest(repository, digest).await?,
    }
    Ok(empty(StatusCode::ACCEPTED, []))
}
