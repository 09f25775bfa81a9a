use axum::response::{IntoResponse as _, Response};
use entrepot_oci::RepositoryName;
use http::{HeaderValue, header};
use serde_json::json;

use super::{call::Call, error::ApiError};
use crate::{
    auth::{Access, Decision, Permission, decide},
    domain::PageRequest,
};

/// `_catalog`: the repositories that the caller may pull from.
pub(super) async fn repositories(call: &Call, page: &PageRequest) -> Result<Response, ApiError> {
    let may_see = |repository: &RepositoryName| {
        decide(&call.identity, Permission::Repository(repository, Access::Pull)) == Decision::Allow
    };
    let listing = call.registry().repositories(page, may_see).await?;
    let body = json!({ "repositories": listing.items });
    Ok(answer(call, &body, "/v2/_catalog", listing.next.as_ref()))
}

pub(super) async fn tags(
    call: &Call,
    repository: &RepositoryName,
    page: &PageRequest,
) -> Result<Response, ApiError> {
    let listing = call.registry().tags(repository, page).await?;
    let body = json!({ "name": repository, "tags": listing.items });
    Ok(answer(call, &body, &format!("/v2/{repository}/tags/list"), listing.next.as_ref()))
}

fn answer(call: &Call, body: &serde_json::Value, path: &str, next: Option<&PageRequest>) -> Response {
    let text = body.to_string();
    let length = text.len() as u64;
    let mut response =
        ([(header::CONTENT_TYPE, "application/json")], call.sized(text, length)).into_response();
    // A name, a tag and an encoded query are all ASCII.
    let link = next.and_then(|next| HeaderValue::from_str(&call.locations().next(path, next)).ok());
    response.headers_mut().extend(link.map(|link| (header::LINK, link)));
    response
}
