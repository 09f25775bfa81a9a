use std::{fmt, str::FromStr};

use serde::{Serialize, Serializer};

/// What clients reach this registry by: scheme and authority only, such as `https://registry.example.com:8443`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublicUrl(String);

/// The text is no such URL.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be a URL without path, such as https://registry.example.com:8443")]
pub struct PublicUrlError;

impl PublicUrl {
    /// Without a trailing slash, so that a path can follow.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for PublicUrl {
    type Err = PublicUrlError;

    fn from_str(text: &str) -> Result<Self, PublicUrlError> {
        let url = text.strip_suffix('/').unwrap_or(text);
        let authority =
            url.strip_prefix("https://").or_else(|| url.strip_prefix("http://")).ok_or(PublicUrlError)?;
        // It goes into a Location header: whatever could end the header or the authority stays out.
        let allowed = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b':' | b'[' | b']');
        if authority.is_empty() || !authority.bytes().all(allowed) {
            return Err(PublicUrlError);
        }
        Ok(Self(url.to_owned()))
    }
}

impl fmt::Display for PublicUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Serialize for PublicUrl {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("https://registry.example.com", "https://registry.example.com")]
    #[case("http://[::1]:5000/", "http://[::1]:5000")]
    fn reads(#[case] text: &str, #[case] expected: &str) {
        assert_eq!(text.parse::<PublicUrl>().unwrap().as_str(), expected);
    }

    #[rstest]
    #[case("registry.example.com")]
    #[case("https://")]
    #[case("https://a/b")]
    #[case("https://user@a")]
    #[case("https://a\r\nSet-Cookie: x")]
    fn refuses(#[case] text: &str) {
        assert_eq!(text.parse::<PublicUrl>(), Err(PublicUrlError));
    }
}
