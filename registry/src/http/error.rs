use axum::{body::Body, response::Response};
use entrepot_oci::{ErrorBody, ErrorCode, ErrorEntry};
use http::{HeaderName, HeaderValue, StatusCode, header};
use serde_json::json;

use super::route::RouteError;
use crate::{
    auth::{AuthenticationError, Denial},
    domain::{DomainError, Violation},
    store::BodyError,
};

/// An answer that says no. The only place where an error becomes a status, and the only text of an error that
/// leaves the server.
#[derive(Debug, PartialEq, Eq)]
pub struct ApiError {
    status: StatusCode,
    errors: Vec<ErrorEntry>,
    headers: Vec<(HeaderName, HeaderValue)>,
}

impl ApiError {
    fn new(status: StatusCode, code: ErrorCode, message: impl Into<String>) -> Self {
        Self { status, errors: ErrorBody::new(code, message).errors, headers: Vec::new() }
    }

    /// Adds a header. A value that cannot be one is left out: the message says the same.
    pub(super) fn with(mut self, name: HeaderName, value: &str) -> Self {
        self.headers.extend(HeaderValue::from_str(value).ok().map(|value| (name, value)));
        self
    }

    /// 401. `tried`: a credential was there.
    pub(super) fn unauthorized(challenge: &str, tried: bool) -> Self {
        let message =
            if tried { "the user name or the password is wrong" } else { "authentication required" };
        Self::new(StatusCode::UNAUTHORIZED, ErrorCode::Unauthorized, message)
            .with(header::WWW_AUTHENTICATE, challenge)
    }

    /// A server that is told not to delete.
    pub(super) fn delete_disabled() -> Self {
        let message = "deleting is disabled in this registry's configuration (storage.delete.enabled)";
        Self::new(StatusCode::METHOD_NOT_ALLOWED, ErrorCode::Unsupported, message)
            .with(header::ALLOW, "GET, HEAD, OPTIONS")
    }

    /// A server that is about to stop.
    pub(super) fn stopping() -> Self {
        let message = "this registry is stopping and takes no more changes; try again in a few seconds";
        Self::new(StatusCode::SERVICE_UNAVAILABLE, ErrorCode::Unavailable, message)
            .with(header::RETRY_AFTER, "5")
    }

    /// A part of a blob that is not there.
    pub(super) fn unsatisfiable(size: u64) -> Self {
        let message = format!("the range lies outside the {size} bytes of the blob");
        Self::new(StatusCode::RANGE_NOT_SATISFIABLE, ErrorCode::RangeInvalid, message)
            .with(header::CONTENT_RANGE, &format!("bytes */{size}"))
    }

    /// A chunk whose place is no place.
    pub(super) fn chunk_range() -> Self {
        let message = "Content-Range must be FIRST-LAST, the offsets of the first and the last byte";
        Self::new(StatusCode::RANGE_NOT_SATISFIABLE, ErrorCode::RangeInvalid, message)
    }

    /// A task that died.
    pub(super) fn broken(error: &tokio::task::JoinError) -> Self {
        tracing::error!(%error, "a request died");
        let message = "the registry failed; its log says why";
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, ErrorCode::Unknown, message)
    }

    /// Whether the upload is somewhere else than the client thinks.
    pub(super) fn is_about_range(&self) -> bool {
        self.status == StatusCode::RANGE_NOT_SATISFIABLE
    }

    /// The answer; `head`: without its body, as HEAD wants it.
    pub(super) fn into_response(self, head: bool) -> Response {
        // Serialising strings to memory cannot fail; the status alone would still say enough.
        let body = serde_json::to_vec(&ErrorBody { errors: self.errors }).unwrap_or_default();
        let mut response = Response::new(Body::empty());
        *response.status_mut() = self.status;
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(header::CONTENT_LENGTH, body.len().into());
        headers.extend(self.headers);
        if !head {
            *response.body_mut() = body.into();
        }
        response
    }
}

impl From<RouteError> for ApiError {
    fn from(error: RouteError) -> Self {
        let (status, code) = match &error {
            RouteError::NotFound => (StatusCode::NOT_FOUND, ErrorCode::Unsupported),
            RouteError::Method { .. } => (StatusCode::METHOD_NOT_ALLOWED, ErrorCode::Unsupported),
            RouteError::Name(_) => (StatusCode::BAD_REQUEST, ErrorCode::NameInvalid),
            RouteError::Reference(entrepot_oci::ReferenceError::Tag(_)) => {
                (StatusCode::BAD_REQUEST, ErrorCode::TagInvalid)
            }
            RouteError::Reference(entrepot_oci::ReferenceError::Digest(_))
            | RouteError::Digest(_)
            | RouteError::MissingDigest => (StatusCode::BAD_REQUEST, ErrorCode::DigestInvalid),
            RouteError::Limit => (StatusCode::BAD_REQUEST, ErrorCode::PaginationNumberInvalid),
        };
        let api = Self::new(status, code, error.to_string());
        match error {
            RouteError::Method { allow } => api.with(header::ALLOW, allow),
            _ => api,
        }
    }
}

impl From<Denial> for ApiError {
    fn from(denial: Denial) -> Self {
        Self::new(StatusCode::FORBIDDEN, ErrorCode::Denied, denial.to_string())
    }
}

impl From<AuthenticationError> for ApiError {
    fn from(error: AuthenticationError) -> Self {
        match error {
            AuthenticationError::Busy => {
                Self::new(StatusCode::TOO_MANY_REQUESTS, ErrorCode::TooManyRequests, error.to_string())
                    .with(header::RETRY_AFTER, "1")
            }
            AuthenticationError::Worker => {
                Self::new(StatusCode::INTERNAL_SERVER_ERROR, ErrorCode::Unknown, error.to_string())
            }
        }
    }
}

impl From<BodyError> for ApiError {
    fn from(error: BodyError) -> Self {
        let (status, code) = match &error {
            BodyError::Interrupted(_) => (StatusCode::BAD_REQUEST, ErrorCode::BlobUploadInvalid),
            BodyError::Slow => (StatusCode::REQUEST_TIMEOUT, ErrorCode::BlobUploadInvalid),
            BodyError::Length { .. } => (StatusCode::BAD_REQUEST, ErrorCode::SizeInvalid),
        };
        Self::new(status, code, error.to_string())
    }
}

impl From<DomainError> for ApiError {
    fn from(error: DomainError) -> Self {
        use DomainError as E;
        let (status, code) = match &error {
            E::BlobUnknown { .. } => (StatusCode::NOT_FOUND, ErrorCode::BlobUnknown),
            E::BlobReferenced { .. } => (StatusCode::METHOD_NOT_ALLOWED, ErrorCode::Unsupported),
            E::ManifestUnknown { .. } => (StatusCode::NOT_FOUND, ErrorCode::ManifestUnknown),
            E::RepositoryUnknown { .. } => (StatusCode::NOT_FOUND, ErrorCode::NameUnknown),
            E::ManifestInvalid(_) | E::ManifestUnverified(_) => {
                (StatusCode::BAD_REQUEST, ErrorCode::ManifestInvalid)
            }
            E::ManifestTooLarge { .. } => (StatusCode::PAYLOAD_TOO_LARGE, ErrorCode::ManifestInvalid),
            E::DigestMismatch { .. } => (StatusCode::BAD_REQUEST, ErrorCode::DigestInvalid),
            E::UploadUnknown => (StatusCode::NOT_FOUND, ErrorCode::BlobUploadUnknown),
            E::UploadBusy => (StatusCode::CONFLICT, ErrorCode::BlobUploadInvalid),
            E::RangeInvalid { .. } => (StatusCode::RANGE_NOT_SATISFIABLE, ErrorCode::RangeInvalid),
            E::Full => (StatusCode::INSUFFICIENT_STORAGE, ErrorCode::Unavailable),
            E::ShuttingDown => return Self::stopping(),
            E::Body(_) | E::Store(_) => (StatusCode::INTERNAL_SERVER_ERROR, ErrorCode::Unknown),
        };
        let api = Self::new(status, code, error.to_string());
        match error {
            E::BlobReferenced { .. } => api.with(header::ALLOW, "GET, HEAD, OPTIONS"),
            E::UploadBusy => api.with(header::RETRY_AFTER, "1"),
            E::RangeInvalid { current } => api.with(header::RANGE, &super::location::received(current)),
            E::ManifestUnverified(violations) => {
                Self { errors: violations.iter().map(violation).collect(), ..api }
            }
            E::Body(error) => error.into(),
            E::Store(error) => {
                tracing::error!(%error, "a request failed");
                let message = "the registry could not read or write its storage; its log says why";
                Self::new(status, code, message)
            }
            _ => api,
        }
    }
}

fn violation(violation: &Violation) -> ErrorEntry {
    let (code, digest) = match violation {
        Violation::Absent { digest } => (ErrorCode::ManifestBlobUnknown, digest),
        Violation::Size { digest, .. } => (ErrorCode::ManifestInvalid, digest),
    };
    ErrorEntry { code, message: violation.to_string(), detail: Some(json!({ "digest": digest })) }
}
