use std::{borrow::Cow, collections::BTreeSet};

use entrepot_oci::{
    Digest, DigestError, NameError, Reference, ReferenceError, RepositoryName, Tag, TagError,
};
use http::{Method, Uri};
use percent_encoding::percent_decode_str;

use super::action::{Action, StartUpload, Upload};
use crate::domain::PageRequest;

/// Why a request asks for nothing that there is.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RouteError {
    /// No such path.
    #[error("nothing is served at this path; the API begins at /v2/")]
    NotFound,
    /// The path exists, for other methods.
    #[error("this method is not supported here; use {allow}")]
    Method {
        /// The value of `Allow`.
        allow: &'static str,
    },
    /// Malformed repository name.
    #[error(transparent)]
    Name(#[from] NameError),
    /// Malformed tag or digest in the path.
    #[error(transparent)]
    Reference(#[from] ReferenceError),
    /// Malformed digest in the path or the query.
    #[error(transparent)]
    Digest(#[from] DigestError),
    /// The end of an upload without its digest.
    #[error("the query must carry the digest of the upload, as in ?digest=sha256:…")]
    MissingDigest,
    /// Malformed `n`.
    #[error("`n` must be a number from 0 to {}", usize::MAX)]
    Limit,
}

/// What the path names.
enum Resource<'a> {
    Home,
    Version,
    Catalog,
    Tags(Cow<'a, str>),
    Blob(Cow<'a, str>, Cow<'a, str>),
    Uploads(Cow<'a, str>),
    Upload(Cow<'a, str>, Cow<'a, str>),
    Manifest(Cow<'a, str>, Cow<'a, str>),
}

/// What a request asks for. Repository names hold slashes, so a path is read from its end.
pub fn route(method: &Method, uri: &Uri) -> Result<Action, RouteError> {
    let resource = Resource::parse(uri.path()).ok_or(RouteError::NotFound)?;
    let allow = resource.allow();
    if method == Method::OPTIONS {
        return Ok(Action::Options { allow });
    }
    if !allow.split(", ").any(|allowed| allowed == method.as_str()) {
        return Err(RouteError::Method { allow });
    }
    resource.action(method, uri.query().unwrap_or_default())
}

impl<'a> Resource<'a> {
    fn parse(path: &'a str) -> Option<Self> {
        let rest = match path {
            "/" => return Some(Self::Home),
            "/v2" => "",
            path => path.strip_prefix("/v2/")?,
        };
        match rest {
            "" => return Some(Self::Version),
            "_catalog" => return Some(Self::Catalog),
            _ => {}
        }
        if let Some(name) = rest.strip_suffix("/tags/list") {
            return Some(Self::Tags(decode(name)));
        }
        if let Some(name) =
            rest.strip_suffix("/blobs/uploads/").or_else(|| rest.strip_suffix("/blobs/uploads"))
        {
            return Some(Self::Uploads(decode(name)));
        }
        let (rest, last) = rest.rsplit_once('/')?;
        let (name, kind) = rest.rsplit_once('/')?;
        match kind {
            "manifests" => Some(Self::Manifest(decode(name), decode(last))),
            "blobs" => Some(Self::Blob(decode(name), decode(last))),
            "uploads" => Some(Self::Upload(decode(name.strip_suffix("/blobs")?), decode(last))),
            _ => None,
        }
    }

    /// Every method that [`Resource::action`] knows, and `OPTIONS`.
    fn allow(&self) -> &'static str {
        match self {
            Self::Home | Self::Version | Self::Catalog | Self::Tags(_) => "GET, HEAD, OPTIONS",
            Self::Blob(..) => "GET, HEAD, DELETE, OPTIONS",
            Self::Uploads(_) => "POST, OPTIONS",
            Self::Upload(..) => "GET, PATCH, PUT, DELETE, OPTIONS",
            Self::Manifest(..) => "GET, HEAD, PUT, DELETE, OPTIONS",
        }
    }

    fn action(self, method: &Method, query: &str) -> Result<Action, RouteError> {
        Ok(match (self, method.as_str()) {
            (Self::Home, _) => Action::Home,
            (Self::Version, _) => Action::CheckVersion,
            (Self::Catalog, _) => Action::ListRepositories { page: page(query)? },
            (Self::Tags(name), _) => Action::ListTags { repository: name.parse()?, page: page(query)? },
            (Self::Blob(name, digest), method) => {
                let (repository, digest) = (name.parse()?, digest.parse()?);
                match method {
                    "DELETE" => Action::DeleteBlob { repository, digest },
                    _ => Action::GetBlob { repository, digest },
                }
            }
            (Self::Uploads(name), _) => {
                Action::StartUpload { repository: name.parse()?, start: start(query)? }
            }
            (Self::Upload(name, token), method) => {
                let upload = Upload { repository: name.parse()?, token: token.into_owned() };
                match method {
                    "PATCH" => Action::AppendUpload(upload),
                    "PUT" => Action::FinishUpload { upload, digest: required_digest(query)? },
                    "DELETE" => Action::CancelUpload(upload),
                    _ => Action::GetUpload(upload),
                }
            }
            (Self::Manifest(name, reference), method) => {
                let (repository, reference): (RepositoryName, Reference) =
                    (name.parse()?, reference.parse()?);
                match method {
                    "PUT" => Action::PutManifest { repository, reference, tags: tags(query)? },
                    "DELETE" => Action::DeleteManifest { repository, reference },
                    _ => Action::GetManifest { repository, reference },
                }
            }
        })
    }
}

/// Bytes that are no UTF-8 become a character that no name, tag or digest has.
fn decode(text: &str) -> Cow<'_, str> {
    percent_decode_str(text).decode_utf8_lossy()
}

fn parameter<'a>(query: &'a str, name: &str) -> Option<Cow<'a, str>> {
    form_urlencoded::parse(query.as_bytes()).find(|(key, _)| key == name).map(|(_, value)| value)
}

fn tags(query: &str) -> Result<BTreeSet<Tag>, ReferenceError> {
    let tags = form_urlencoded::parse(query.as_bytes()).filter(|(key, _)| key == "tag");
    Ok(tags.map(|(_, tag)| tag.parse()).collect::<Result<_, TagError>>()?)
}

fn page(query: &str) -> Result<PageRequest, RouteError> {
    let n = parameter(query, "n").map(|n| n.parse().map_err(|_| RouteError::Limit)).transpose()?;
    let last = parameter(query, "last").filter(|last| !last.is_empty()).map(Cow::into_owned);
    Ok(PageRequest { n, last })
}

fn start(query: &str) -> Result<StartUpload, RouteError> {
    if let Some(digest) = parameter(query, "mount") {
        let from = parameter(query, "from").and_then(|from| from.parse().ok());
        return Ok(StartUpload::Mount { digest: digest.parse()?, from });
    }
    Ok(match parameter(query, "digest") {
        Some(digest) => StartUpload::Whole { digest: digest.parse()? },
        None => StartUpload::Session,
    })
}

fn required_digest(query: &str) -> Result<Digest, RouteError> {
    Ok(parameter(query, "digest").ok_or(RouteError::MissingDigest)?.parse()?)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rstest::rstest;

    use super::*;
    use crate::auth::{Access, Permission};

    const DIGEST: &str = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    fn ask(method: &str, uri: &str) -> Result<Action, RouteError> {
        route(&method.parse().unwrap(), &uri.replace("DIGEST", DIGEST).parse().unwrap())
    }

    fn name(text: &str) -> RepositoryName {
        text.parse().unwrap()
    }

    fn digest() -> Digest {
        DIGEST.parse().unwrap()
    }

    fn upload(repository: &str, token: &str) -> Upload {
        Upload { repository: name(repository), token: token.into() }
    }

    fn tag(text: &str) -> Reference {
        text.parse().unwrap()
    }

    fn page(n: Option<usize>, last: Option<&str>) -> PageRequest {
        PageRequest { n, last: last.map(Into::into) }
    }

    #[rstest]
    #[case("GET /", Action::Home)]
    #[case("GET /v2/", Action::CheckVersion)]
    #[case("HEAD /v2", Action::CheckVersion)]
    #[case("GET /v2/_catalog", Action::ListRepositories { page: page(None, None) })]
    #[case("GET /v2/_catalog?n=5&last=a%2Fb", Action::ListRepositories { page: page(Some(5), Some("a/b")) })]
    #[case("GET /v2/a/b/tags/list?n=0&last=", Action::ListTags { repository: name("a/b"), page: page(Some(0), None) })]
    #[case("GET /v2/tags/list/tags/list", Action::ListTags { repository: name("tags/list"), page: page(None, None) })]
    #[case("GET /v2/a/blobs/DIGEST", Action::GetBlob { repository: name("a"), digest: digest() })]
    #[case("HEAD /v2/a/blobs/uploads/blobs/DIGEST", Action::GetBlob { repository: name("a/blobs/uploads"), digest: digest() })]
    #[case("DELETE /v2/a/blobs/DIGEST", Action::DeleteBlob { repository: name("a"), digest: digest() })]
    #[case("POST /v2/a/b/blobs/uploads/", Action::StartUpload { repository: name("a/b"), start: StartUpload::Session })]
    #[case("POST /v2/a/blobs/uploads", Action::StartUpload { repository: name("a"), start: StartUpload::Session })]
    #[case("POST /v2/a/blobs/uploads/?digest=DIGEST", Action::StartUpload { repository: name("a"), start: StartUpload::Whole { digest: digest() } })]
    #[case("POST /v2/a/blobs/uploads/?mount=DIGEST&from=b/c", Action::StartUpload { repository: name("a"), start: StartUpload::Mount { digest: digest(), from: Some(name("b/c")) } })]
    #[case("POST /v2/a/blobs/uploads/?from=B&mount=DIGEST", Action::StartUpload { repository: name("a"), start: StartUpload::Mount { digest: digest(), from: None } })]
    #[case("GET /v2/a/blobs/uploads/xyz", Action::GetUpload(upload("a", "xyz")))]
    #[case("PATCH /v2/a/blobs/uploads/xyz?_state=1", Action::AppendUpload(upload("a", "xyz")))]
    #[case("PUT /v2/a/blobs/uploads/xyz?digest=DIGEST", Action::FinishUpload { upload: upload("a", "xyz"), digest: digest() })]
    #[case("DELETE /v2/a/blobs/uploads/xyz", Action::CancelUpload(upload("a", "xyz")))]
    #[case("GET /v2/a/manifests/v1", Action::GetManifest { repository: name("a"), reference: tag("v1") })]
    #[case("HEAD /v2/a/manifests/sha256%3Ae3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855", Action::GetManifest { repository: name("a"), reference: Reference::Digest(digest()) })]
    #[case("PUT /v2/manifests/manifests/manifests", Action::PutManifest { repository: name("manifests"), reference: tag("manifests"), tags: [].into() })]
    #[case("PUT /v2/a/manifests/DIGEST?tag=v1&x=y&tag=latest&tag=v1", Action::PutManifest { repository: name("a"), reference: Reference::Digest(digest()), tags: ["latest", "v1"].map(|tag| tag.parse().unwrap()).into() })]
    #[case("DELETE /v2/a/manifests/v1", Action::DeleteManifest { repository: name("a"), reference: tag("v1") })]
    #[case("OPTIONS /v2/a/manifests/v1", Action::Options { allow: "GET, HEAD, PUT, DELETE, OPTIONS" })]
    fn knows_every_route(#[case] request: &str, #[case] expected: Action) {
        let (method, uri) = request.split_once(' ').unwrap();
        assert_eq!(ask(method, uri), Ok(expected));
    }

    #[rstest]
    #[case("GET /v1/", "nothing is served at this path; the API begins at /v2/")]
    #[case("GET /v2/a", "nothing is served at this path; the API begins at /v2/")]
    #[case("GET /v2/a/uploads/b", "nothing is served at this path; the API begins at /v2/")]
    #[case("POST /v2/", "this method is not supported here; use GET, HEAD, OPTIONS")]
    #[case(
        "POST /v2/a/manifests/v1",
        "this method is not supported here; use GET, HEAD, PUT, DELETE, OPTIONS"
    )]
    #[case(
        "GET /v2/a/manifests/-x",
        "`-x` is no tag: use letters, digits, `_`, `.` and `-`, and start with a letter, a digit or `_`"
    )]
    #[case(
        "PUT /v2/a/manifests/DIGEST?tag=v1&tag=",
        "`` is no tag: use letters, digits, `_`, `.` and `-`, and start with a letter, a digit or `_`"
    )]
    #[case("GET /v2/a/manifests/sha256:x", "a sha256 digest has 64 hex digits; this one has 1 characters")]
    #[case(
        "GET /v2/a/blobs/x",
        "a digest is written `algorithm:hex`, for example sha256:e3b0…; there is no colon here"
    )]
    #[case(
        "GET /v2/A/tags/list",
        "`A` cannot be a part of a repository name: use lower-case letters and digits, joined by single `.`, `_`, `__` or dashes, with `/` between the parts"
    )]
    #[case(
        "GET /v2/a/../b/tags/list",
        "`..` cannot be a part of a repository name: use lower-case letters and digits, joined by single `.`, `_`, `__` or dashes, with `/` between the parts"
    )]
    #[case(
        "GET /v2/a/%2e%2e/manifests/x",
        "`..` cannot be a part of a repository name: use lower-case letters and digits, joined by single `.`, `_`, `__` or dashes, with `/` between the parts"
    )]
    #[case(
        "PUT /v2/a/blobs/uploads/x",
        "the query must carry the digest of the upload, as in ?digest=sha256:…"
    )]
    #[case("GET /v2/_catalog?n=-1", "`n` must be a number from 0 to 18446744073709551615")]
    #[case(
        "POST /v2/a/blobs/uploads/?mount=x&from=b",
        "a digest is written `algorithm:hex`, for example sha256:e3b0…; there is no colon here"
    )]
    fn says_what_is_wrong(#[case] request: &str, #[case] expected: &str) {
        let (method, uri) = request.split_once(' ').unwrap();
        assert_eq!(ask(method, uri).unwrap_err().to_string(), expected);
    }

    #[test]
    fn every_route_has_its_permission() {
        let (a, permission) = (name("a"), |request: &str| {
            let (method, uri) = request.split_once(' ').unwrap();
            let action = ask(method, uri).unwrap();
            (format!("{:?}", action.permission()), action.is_write())
        });
        let expected = [
            ("GET /", Permission::Open, false),
            ("OPTIONS /v2/a/manifests/v1", Permission::Open, false),
            ("GET /v2/", Permission::Known, false),
            ("GET /v2/_catalog", Permission::Catalog, false),
            ("GET /v2/a/tags/list", Permission::Repository(&a, Access::Pull), false),
            ("GET /v2/a/blobs/DIGEST", Permission::Repository(&a, Access::Pull), false),
            ("GET /v2/a/manifests/v1", Permission::Repository(&a, Access::Pull), false),
            ("POST /v2/a/blobs/uploads/", Permission::Repository(&a, Access::Push), true),
            ("GET /v2/a/blobs/uploads/x", Permission::Repository(&a, Access::Push), true),
            ("PATCH /v2/a/blobs/uploads/x", Permission::Repository(&a, Access::Push), true),
            ("PUT /v2/a/blobs/uploads/x?digest=DIGEST", Permission::Repository(&a, Access::Push), true),
            ("DELETE /v2/a/blobs/uploads/x", Permission::Repository(&a, Access::Push), true),
            ("PUT /v2/a/manifests/v1", Permission::Repository(&a, Access::Push), true),
            ("DELETE /v2/a/blobs/DIGEST", Permission::Repository(&a, Access::Delete), true),
            ("DELETE /v2/a/manifests/v1", Permission::Repository(&a, Access::Delete), true),
        ];
        for (request, needed, write) in expected {
            assert_eq!(permission(request), (format!("{needed:?}"), write), "{request}");
        }
    }

    proptest! {
        #[test]
        fn never_panics(method in "[A-Z]{1,7}", path in "(/v2)?(/[a-z._%:-]{0,12}){0,6}/?", query in "[a-z=&%]{0,20}") {
            let uri = format!("/{}?{query}", path.trim_start_matches('/'));
            if let Ok(uri) = uri.parse() {
                let _ = route(&method.parse().unwrap(), &uri);
            }
        }

        #[test]
        fn a_name_of_any_depth_is_found(
            name in "[a-z]{1,8}(/(blobs|uploads|manifests|tags|list|_catalog|[a-z]{1,8})){0,5}",
            tag in "[a-z]{1,8}",
        ) {
            let found = ask("GET", &format!("/v2/{name}/manifests/{tag}"));
            match name.parse() {
                Ok(repository) => {
                    prop_assert_eq!(found, Ok(Action::GetManifest { repository, reference: tag.parse().unwrap() }));
                }
                Err(error) => prop_assert_eq!(found, Err(RouteError::Name(error))),
            }
        }
    }
}
