use std::fmt;
use std::str::FromStr;

use crate::{Digest, DigestError, Tag, TagError};

/// What stands after `/manifests/`: a tag, or a digest, which alone has a colon.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Reference {
    /// A tag.
    Tag(Tag),
    /// A digest.
    Digest(Digest),
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tag(tag) => tag.fmt(f),
            Self::Digest(digest) => digest.fmt(f),
        }
    }
}

impl FromStr for Reference {
    type Err = ReferenceError;

    fn from_str(text: &str) -> Result<Self, ReferenceError> {
        Ok(if text.contains(':') { Self::Digest(text.parse()?) } else { Self::Tag(text.parse()?) })
    }
}

/// Why a text is no reference.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReferenceError {
    /// It has a colon and is no digest.
    #[error(transparent)]
    Digest(#[from] DigestError),
    /// It has no colon and is no tag.
    #[error(transparent)]
    Tag(#[from] TagError),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_colon_makes_it_a_digest() {
        assert_eq!(
            "sha256:abc".parse::<Reference>().unwrap_err().to_string(),
            "a sha256 digest has 64 hex digits; this one has 3 characters"
        );
        assert_eq!("v1".parse(), Ok::<_, ReferenceError>(Reference::Tag("v1".parse().unwrap())));
        let digest = Digest::of(crate::Algorithm::Sha256, b"x");
        assert_eq!(digest.to_string().parse(), Ok::<_, ReferenceError>(Reference::Digest(digest)));
    }
}
