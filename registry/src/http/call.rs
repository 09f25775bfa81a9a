use std::sync::Arc;

use axum::{
    body::Body,
    response::{IntoResponse as _, Response},
};
use http::{HeaderMap, HeaderName, StatusCode, header};

use super::{app::App, body::RequestBody, location::Locations};
use crate::{auth::Identity, domain::Registry};

/// `Docker-Content-Digest`: the digest of what an answer is about.
pub(super) const CONTENT_DIGEST: HeaderName = HeaderName::from_static("docker-content-digest");

/// One request that has been let in.
pub(super) struct Call {
    pub(super) app: Arc<App>,
    pub(super) identity: Identity,
    pub(super) headers: HeaderMap,
    /// HEAD: the answer goes without its body.
    pub(super) head: bool,
    pub(super) body: RequestBody,
}

impl Call {
    pub(super) fn registry(&self) -> &Registry {
        &self.app.registry
    }

    pub(super) fn locations(&self) -> &Locations {
        &self.app.locations
    }

    /// A header as text; `None` when it is absent or no text.
    pub(super) fn header(&self, name: &HeaderName) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// What `Content-Length` announces.
    pub(super) fn content_length(&self) -> Option<u64> {
        self.header(&header::CONTENT_LENGTH)?.parse().ok()
    }

    /// Whether the client has `etag` already.
    pub(super) fn has_current(&self, etag: &str) -> bool {
        let tags = self.header(&header::IF_NONE_MATCH).unwrap_or_default();
        tags.split(',').map(str::trim).any(|tag| tag == "*" || tag.trim_start_matches("W/") == etag)
    }

    /// `bytes`, or with HEAD only their length.
    pub(super) fn sized(&self, bytes: impl Into<Body>, length: u64) -> Response {
        let body = if self.head { Body::empty() } else { bytes.into() };
        ([(header::CONTENT_LENGTH, length.to_string())], body).into_response()
    }
}

/// An answer without a body.
pub(super) fn empty<const N: usize>(status: StatusCode, headers: [(HeaderName, String); N]) -> Response {
    (status, headers).into_response()
}
