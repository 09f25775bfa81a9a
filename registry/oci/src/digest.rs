use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::Hasher;

/// A digest algorithm that the image specification registers and we compute.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Algorithm {
    /// `sha256`, 64 hex digits.
    Sha256,
    /// `sha512`, 128 hex digits.
    Sha512,
}

impl Algorithm {
    /// Every algorithm, in the order of their names.
    pub const ALL: [Self; 2] = [Self::Sha256, Self::Sha512];

    /// The name that stands before the colon of a digest.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Sha256 => "sha256",
            Self::Sha512 => "sha512",
        }
    }

    /// The length of the encoded part, in characters.
    pub const fn hex_len(self) -> usize {
        match self {
            Self::Sha256 => 64,
            Self::Sha512 => 128,
        }
    }
}

impl fmt::Display for Algorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Algorithm {
    type Err = DigestError;

    fn from_str(text: &str) -> Result<Self, DigestError> {
        Self::ALL
            .into_iter()
            .find(|algorithm| algorithm.as_str() == text)
            .ok_or_else(|| DigestError::UnknownAlgorithm { algorithm: shortened(text) })
    }
}

/// `algorithm:hex`, lower case, of the algorithm's full length (image specification, descriptor.md, "Digests").
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Digest {
    algorithm: Algorithm,
    hex: Box<str>,
}

impl Digest {
    /// The digest of `bytes`.
    pub fn of(algorithm: Algorithm, bytes: &[u8]) -> Self {
        let mut hasher = Hasher::new(algorithm);
        hasher.update(bytes);
        hasher.finish()
    }

    /// Of `algorithm` and `hex` apart, as the store's folders hold them.
    pub fn from_parts(algorithm: Algorithm, hex: &str) -> Result<Self, DigestError> {
        let expected = algorithm.hex_len();
        if hex.len() != expected {
            return Err(DigestError::Length { algorithm, expected, found: hex.len() });
        }
        if !hex.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f')) {
            return Err(DigestError::NotHex);
        }
        Ok(Self { algorithm, hex: hex.into() })
    }

    /// The algorithm.
    pub fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// The encoded part: lower-case hex, never shorter than 64 characters.
    pub fn hex(&self) -> &str {
        &self.hex
    }

    pub(crate) fn from_output(algorithm: Algorithm, output: &[u8]) -> Self {
        use fmt::Write as _;
        let hex = output.iter().fold(String::with_capacity(output.len() * 2), |mut hex, byte| {
            // Writing to a String cannot fail.
            let _ = write!(hex, "{byte:02x}");
            hex
        });
        Self { algorithm, hex: hex.into() }
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.algorithm, self.hex)
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Digest {
    type Err = DigestError;

    fn from_str(text: &str) -> Result<Self, DigestError> {
        let (algorithm, hex) = text.split_once(':').ok_or(DigestError::NoColon)?;
        Self::from_parts(algorithm.parse()?, hex)
    }
}

impl Serialize for Digest {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Digest {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

/// Why a text is no digest.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DigestError {
    /// Nothing separates the algorithm from the hex.
    #[error("a digest is written `algorithm:hex`, for example sha256:e3b0…; there is no colon here")]
    NoColon,
    /// An algorithm that we do not compute.
    #[error("the digest algorithm `{algorithm}` is not supported; use sha256 or sha512")]
    UnknownAlgorithm {
        /// What stood before the colon, cut to a readable length.
        algorithm: String,
    },
    /// Too few or too many characters.
    #[error("a {algorithm} digest has {expected} hex digits; this one has {found} characters")]
    Length {
        /// The algorithm that was named.
        algorithm: Algorithm,
        /// Its length in hex digits.
        expected: usize,
        /// The length in bytes of what came after the colon.
        found: usize,
    },
    /// A character outside `0-9a-f`.
    #[error("a digest has lower-case hex digits (0-9, a-f) only")]
    NotHex,
}

/// A hostile text is not echoed at full length.
fn shortened(text: &str) -> String {
    text.chars().take(32).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const EMPTY: &str = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    #[test]
    fn hashes_the_empty_text() {
        assert_eq!(Digest::of(Algorithm::Sha256, b"").to_string(), EMPTY);
        assert!(Digest::of(Algorithm::Sha512, b"").to_string().starts_with("sha512:cf83e1357eefb8bd"));
    }

    #[test]
    fn refuses_what_is_no_digest() {
        let refused = |text: &str| text.parse::<Digest>().unwrap_err();
        assert_eq!(refused("sha256"), DigestError::NoColon);
        assert_eq!(refused("md5:abc"), DigestError::UnknownAlgorithm { algorithm: "md5".into() });
        assert_eq!(
            refused("sha256:abc"),
            DigestError::Length { algorithm: Algorithm::Sha256, expected: 64, found: 3 }
        );
        assert_eq!(refused(&EMPTY.to_uppercase().replace("SHA256", "sha256")), DigestError::NotHex);
        assert_eq!(refused(&format!("sha256:{}", "../".repeat(22).get(..64).unwrap())), DigestError::NotHex);
    }

    proptest! {
        #[test]
        fn parsing_never_panics(text in ".*") {
            let _ = text.parse::<Digest>();
        }

        #[test]
        fn text_and_json_round_trip(bytes in any::<Vec<u8>>(), long in any::<bool>()) {
            let algorithm = if long { Algorithm::Sha512 } else { Algorithm::Sha256 };
            let digest = Digest::of(algorithm, &bytes);
            prop_assert_eq!(&digest.to_string().parse::<Digest>().unwrap(), &digest);
            let json = serde_json::to_string(&digest).unwrap();
            prop_assert_eq!(serde_json::from_str::<Digest>(&json).unwrap(), digest);
        }

        #[test]
        fn only_the_full_text_is_accepted(text in "(sha256|sha512):[0-9a-f]{0,130}") {
            if let Ok(digest) = text.parse::<Digest>() {
                prop_assert_eq!(digest.to_string(), text);
            }
        }
    }
}
