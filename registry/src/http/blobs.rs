use axum::{
    body::Body,
    response::{IntoResponse as _, Response},
};
use entrepot_oci::{Digest, RepositoryName};
use http::{HeaderName, StatusCode, header};

use super::{
    call::{CONTENT_DIGEST, Call, empty},
    error::ApiError,
    range::{Selection, select},
};

/// Content that has its own digest for a name never changes.
const FOREVER: &str = "max-age=31536000";

pub(super) async fn get(
    call: &Call,
    repository: &RepositoryName,
    digest: &Digest,
) -> Result<Response, ApiError> {
    let etag = format!("\"{digest}\"");
    let common = common_headers(digest, &etag);
    if call.head {
        let blob = call.registry().stat_blob(repository, digest).await?;
        let status = if call.has_current(&etag) { StatusCode::NOT_MODIFIED } else { StatusCode::OK };
        return Ok((status, common, call.sized(Body::empty(), blob.size)).into_response());
    }
    let blob = call.registry().open_blob(repository, digest).await?;
    if call.has_current(&etag) {
        return Ok((StatusCode::NOT_MODIFIED, common).into_response());
    }
    let size = blob.size();
    match select(wanted_range(call, &etag), size) {
        Selection::Whole => {
            let whole = call.sized(Body::from_stream(blob.stream(0..size)), size);
            Ok((common, whole).into_response())
        }
        Selection::Part(part) => {
            let range = format!("bytes {}-{}/{size}", part.start, part.end - 1);
            let length = part.end - part.start;
            let bytes = call.sized(Body::from_stream(blob.stream(part)), length);
            let range = [(header::CONTENT_RANGE, range)];
            Ok((StatusCode::PARTIAL_CONTENT, common, range, bytes).into_response())
        }
        Selection::Unsatisfiable => Err(ApiError::unsatisfiable(size)),
    }
}

pub(super) async fn delete(
    call: &Call,
    repository: &RepositoryName,
    digest: &Digest,
) -> Result<Response, ApiError> {
    call.registry().delete_blob(repository, digest).await?;
    Ok(empty(StatusCode::ACCEPTED, [(CONTENT_DIGEST, digest.to_string())]))
}

fn common_headers(digest: &Digest, etag: &str) -> [(HeaderName, String); 5] {
    [
        (header::CONTENT_TYPE, "application/octet-stream".into()),
        (header::ACCEPT_RANGES, "bytes".into()),
        (header::CACHE_CONTROL, FOREVER.into()),
        (header::ETAG, etag.into()),
        (CONTENT_DIGEST, digest.to_string()),
    ]
}

/// `Range`, unless `If-Range` names other content.
fn wanted_range<'a>(call: &'a Call, etag: &str) -> Option<&'a str> {
    let current = call.headers.get(header::IF_RANGE).is_none_or(|value| value.as_bytes() == etag.as_bytes());
    call.header(&header::RANGE).filter(|_| current)
}
