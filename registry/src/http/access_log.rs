/// Whether and how requests are logged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AccessLog {
    /// One line a request.
    Enabled,
    /// None.
    Disabled,
}

/// A path as it may be logged: the token of an upload is a right to go on with it, so only its beginning, which tells
/// uploads apart, is shown.
pub(super) fn without_token(path: &str) -> String {
    const MARK: &str = "/blobs/uploads/";
    const SHOWN: usize = 22;
    match path.rfind(MARK).map(|at| path.split_at(at + MARK.len())) {
        Some((start, token)) if token.len() > SHOWN => {
            let shown: String = token.chars().take(SHOWN).collect();
            format!("{start}{shown}…")
        }
        _ => path.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_token_is_logged_whole() {
        let path = "/v2/a/blobs/uploads/AAAAAAAAAAAAAAAAAAAAAAsecret";
        assert_eq!(without_token(path), "/v2/a/blobs/uploads/AAAAAAAAAAAAAAAAAAAAAA…");
        assert_eq!(without_token("/v2/a/blobs/uploads/"), "/v2/a/blobs/uploads/");
        assert_eq!(without_token("/v2/a/manifests/v1"), "/v2/a/manifests/v1");
    }
}
