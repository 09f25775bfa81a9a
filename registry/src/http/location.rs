use entrepot_oci::{Digest, RepositoryName};
use entrepot_registry_config::PublicUrl;

use crate::domain::PageRequest;

/// Makes the URLs that answers carry.
#[derive(Clone, Debug, Default)]
pub struct Locations {
    /// Put before every path; empty: paths are relative to whatever the client asked, so that no proxy breaks them.
    prefix: String,
}

impl Locations {
    /// Absolute beneath `host`; relative without one.
    pub fn new(host: Option<&PublicUrl>) -> Self {
        Self { prefix: host.map(|host| host.as_str().to_owned()).unwrap_or_default() }
    }

    pub(super) fn blob(&self, repository: &RepositoryName, digest: &Digest) -> String {
        format!("{}/v2/{repository}/blobs/{digest}", self.prefix)
    }

    pub(super) fn upload(&self, repository: &RepositoryName, token: &str) -> String {
        format!("{}/v2/{repository}/blobs/uploads/{token}", self.prefix)
    }

    pub(super) fn manifest(&self, repository: &RepositoryName, digest: &Digest) -> String {
        format!("{}/v2/{repository}/manifests/{digest}", self.prefix)
    }

    /// The value of a `Link` header (RFC 5988) to the next part of the list at `path`.
    pub(super) fn next(&self, path: &str, page: &PageRequest) -> String {
        let mut query = form_urlencoded::Serializer::new(String::new());
        if let Some(n) = page.n {
            query.append_pair("n", &n.to_string());
        }
        if let Some(last) = &page.last {
            query.append_pair("last", last);
        }
        format!("<{}{path}?{}>; rel=\"next\"", self.prefix, query.finish())
    }
}

/// The value of `Range` for an upload that holds `size` bytes. For an empty one it is `0-0`, as in distribution: the
/// header has no way to say nothing.
pub(super) fn received(size: u64) -> String {
    format!("0-{}", size.saturating_sub(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn are_relative_without_a_host() {
        let next = PageRequest { n: Some(2), last: Some("a/b c".into()) };
        let link = |locations: Locations| locations.next("/v2/_catalog", &next);
        let absolute = Locations::new(Some(&"https://r.example.com/".parse().unwrap()));
        assert_eq!(link(Locations::default()), "</v2/_catalog?n=2&last=a%2Fb+c>; rel=\"next\"");
        assert_eq!(link(absolute), "<https://r.example.com/v2/_catalog?n=2&last=a%2Fb+c>; rel=\"next\"");
    }

    #[test]
    fn a_range_ends_with_the_last_byte() {
        assert_eq!([0, 1, 10].map(received), ["0-0", "0-0", "0-9"]);
    }
}
