use std::fmt;

use base64::{Engine as _, engine::general_purpose::STANDARD};

/// A name and a password, as an `Authorization: Basic` header carries them (RFC 7617).
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials {
    /// Without a colon.
    pub name: String,
    /// Any bytes.
    pub password: Vec<u8>,
}

impl Credentials {
    /// From the header's value. `None` for another scheme and for whatever is malformed: both are no credential.
    pub fn parse(header: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(header).ok()?;
        let (scheme, token) = text.split_once(' ')?;
        if !scheme.eq_ignore_ascii_case("basic") {
            return None;
        }
        let decoded = STANDARD.decode(token.trim()).ok()?;
        let colon = decoded.iter().position(|&byte| byte == b':')?;
        let name = std::str::from_utf8(&decoded[..colon]).ok()?.to_owned();
        Some(Self { name, password: decoded[colon + 1..].to_vec() })
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials").field("name", &self.name).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn reads_the_example_of_the_specification() {
        let parsed = Credentials::parse(b"Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==");
        let expected = Credentials { name: "Aladdin".into(), password: b"open sesame".to_vec() };
        assert_eq!(parsed, Some(expected));
    }

    #[test]
    fn the_first_colon_ends_the_name() {
        let header = format!("bAsIc {}", STANDARD.encode("a:b:c"));
        let expected = Credentials { name: "a".into(), password: b"b:c".to_vec() };
        assert_eq!(Credentials::parse(header.as_bytes()), Some(expected));
    }

    #[test]
    fn refuses_everything_else() {
        for header in
            ["", "Basic", "Basic ", "Basic !", "Basic YWI=", "Bearer QWxhZGRpbjpvcGVu", "Basic /zo="]
        {
            assert_eq!(Credentials::parse(header.as_bytes()), None, "{header}");
        }
    }

    #[test]
    fn a_password_is_never_shown() {
        let shown = format!("{:?}", Credentials { name: "ci".into(), password: b"hidden".to_vec() });
        assert_eq!(shown, "Credentials { name: \"ci\", .. }");
    }

    proptest! {
        #[test]
        fn never_panics(header in any::<Vec<u8>>()) {
            let _ = Credentials::parse(&header);
        }
    }
}
