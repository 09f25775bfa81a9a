use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// The name of a repository: path components of `[a-z0-9]+` joined by `.`, `_`, `__` or dashes, at most 255
/// characters in all (distribution specification, "Pulling manifests", `<name>`).
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RepositoryName(Box<str>);

impl RepositoryName {
    /// The longest name, in characters, that clients and our file names agree on.
    pub const MAX_LEN: usize = 255;

    /// The name as it stands in a URL.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The components between the slashes; never empty, none of them empty, `.`, `..` or starting with `_`.
    pub fn components(&self) -> impl Iterator<Item = &str> {
        self.0.split('/')
    }
}

impl fmt::Display for RepositoryName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for RepositoryName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for RepositoryName {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        if text.len() > Self::MAX_LEN {
            return Err(NameError::TooLong { found: text.len() });
        }
        match text.split('/').find(|component| !is_component(component)) {
            None => Ok(Self(text.into())),
            Some(component) => Err(NameError::Component { component: component.into() }),
        }
    }
}

impl Serialize for RepositoryName {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for RepositoryName {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

/// Why a text is no repository name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// Over [`RepositoryName::MAX_LEN`].
    #[error("a repository name has at most 255 characters; this one has {found}")]
    TooLong {
        /// Its length in bytes.
        found: usize,
    },
    /// One component is malformed.
    #[error(
        "`{component}` cannot be a part of a repository name: use lower-case letters and digits, joined by single \
         `.`, `_`, `__` or dashes, with `/` between the parts"
    )]
    Component {
        /// The first malformed component.
        component: String,
    },
}

/// `[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*`
fn is_component(text: &str) -> bool {
    let is_word = |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9');
    let bytes = text.as_bytes();
    let bounded =
        bytes.first().is_some_and(|&byte| is_word(byte)) && bytes.last().is_some_and(|&byte| is_word(byte));
    bounded
        && bytes.split(|&byte| is_word(byte)).all(|separator| match separator {
            [] | b"." | b"_" | b"__" => true,
            dashes => dashes.iter().all(|&byte| byte == b'-'),
        })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn accepts_what_the_specification_names() {
        for name in ["a", "library/nginx", "a.b/c_d/e__f/g---h/0", "a/b/c/d/e/f", &"a".repeat(255)] {
            assert_eq!(name.parse::<RepositoryName>().unwrap().as_str(), name);
        }
    }

    #[test]
    fn refuses_everything_else() {
        for name in [
            "",
            "/",
            "a/",
            "/a",
            "a//b",
            "A",
            "a..b",
            "a___b",
            "a._b",
            "-a",
            "a-",
            "_layers",
            "a/_manifests",
            ".",
            "..",
            "a/../b",
            "a b",
            "ä",
            "a\0",
            "a%2fb",
        ] {
            assert!(matches!(name.parse::<RepositoryName>(), Err(NameError::Component { .. })), "{name}");
        }
        assert_eq!("a".repeat(256).parse::<RepositoryName>(), Err(NameError::TooLong { found: 256 }));
    }

    proptest! {
        #[test]
        fn agrees_with_the_grammar(
            name in "[a-z0-9]{1,4}((\\.|_|__|-{1,3})[a-z0-9]{1,4}){0,3}(/[a-z0-9]{1,4}((\\.|_|__|-{1,3})[a-z0-9]{1,4}){0,3}){0,4}"
        ) {
            prop_assert_eq!(name.parse::<RepositoryName>().unwrap().to_string(), name);
        }

        #[test]
        fn what_is_accepted_is_safe_in_a_path(text in "[a-z./_\\-A-Z\\x00]{0,20}") {
            if let Ok(name) = text.parse::<RepositoryName>() {
                for component in name.components() {
                    prop_assert!(!component.is_empty() && !component.starts_with(['.', '_']));
                    prop_assert!(!component.contains(['/', '\0']));
                }
            }
        }

        #[test]
        fn parsing_never_panics(text in ".*") {
            let _ = text.parse::<RepositoryName>();
        }
    }
}
