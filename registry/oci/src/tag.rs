use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// A tag: `[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}` (distribution specification, "Pulling manifests", `<reference>`).
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Tag(Box<str>);

impl Tag {
    /// The longest tag, in characters.
    pub const MAX_LEN: usize = 128;

    /// The tag as it stands in a URL. Never starts with `.`, never holds a slash.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Tag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Tag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for Tag {
    type Err = TagError;

    fn from_str(text: &str) -> Result<Self, TagError> {
        if text.len() > Self::MAX_LEN {
            return Err(TagError::TooLong { found: text.len() });
        }
        let is_word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
        let mut bytes = text.bytes();
        let sound = bytes.next().is_some_and(is_word)
            && bytes.all(|byte| is_word(byte) || byte == b'.' || byte == b'-');
        if sound { Ok(Self(text.into())) } else { Err(TagError::Malformed { tag: text.into() }) }
    }
}

impl Serialize for Tag {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Tag {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

/// Why a text is no tag.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TagError {
    /// Over [`Tag::MAX_LEN`].
    #[error("a tag has at most 128 characters; this one has {found}")]
    TooLong {
        /// Its length in bytes.
        found: usize,
    },
    /// A character that no tag may have, or none at all.
    #[error(
        "`{tag}` is no tag: use letters, digits, `_`, `.` and `-`, and start with a letter, a digit or `_`"
    )]
    Malformed {
        /// What was given, at most 128 bytes.
        tag: String,
    },
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn refuses_what_is_no_tag() {
        for tag in ["", ".", "..", ".a", "-a", "a/b", "a:b", "a b", "ä", "a\0b"] {
            assert_eq!(tag.parse::<Tag>(), Err(TagError::Malformed { tag: tag.into() }));
        }
        assert_eq!("a".repeat(129).parse::<Tag>(), Err(TagError::TooLong { found: 129 }));
    }

    proptest! {
        #[test]
        fn agrees_with_the_grammar(tag in "[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}") {
            prop_assert_eq!(tag.parse::<Tag>().unwrap().to_string(), tag);
        }

        #[test]
        fn parsing_never_panics(text in ".*") {
            let _ = text.parse::<Tag>();
        }
    }
}
