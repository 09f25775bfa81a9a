use std::fmt;

use axum::response::Response;
use http_body_util::BodyExt as _;

/// A whole answer, as text: status, headers in order of their names, body. What no two answers share, the request's id and
/// upload tokens, is checked for its form and shown as `<id>` and `<token>`. `Content-Length` is checked against the
/// body and shown where there is none, as for HEAD.
pub(crate) struct Answer {
    pub(crate) status: u16,
    headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    pub(crate) async fn read(response: Response, head: bool) -> Self {
        let (parts, body) = response.into_parts();
        let text = |value: &http::HeaderValue| value.to_str().unwrap().to_owned();
        let headers = parts.headers.iter().map(|(name, value)| (name.to_string(), text(value)));
        let mut headers: Vec<_> = headers.collect();
        headers.sort();
        let body = body.collect().await.unwrap().to_bytes().to_vec();
        let status = parts.status.as_u16();
        if !head && status != 304 {
            let length = headers.iter().position(|(name, _)| name == "content-length");
            let length = length.map(|at| headers.remove(at).1).unwrap_or_default();
            assert!(
                length == body.len().to_string() || (length.is_empty() && body.is_empty()),
                "length {length}"
            );
        }
        Self { status, headers, body }
    }

    pub(crate) fn optional(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    #[track_caller]
    pub(crate) fn header(&self, name: &str) -> &str {
        self.optional(name).unwrap_or_else(|| panic!("no {name} in\n{self}"))
    }

    /// `Location`, which must be relative.
    #[track_caller]
    pub(crate) fn location(&self) -> String {
        let location = self.header("location");
        assert!(location.starts_with("/v2/"), "{self}");
        location.to_owned()
    }

    /// Compares all of it with the lines of `expected`, whose indentation does not count.
    #[track_caller]
    pub(crate) fn is(&self, expected: &str) {
        let expected: Vec<&str> = expected.trim().lines().map(str::trim).collect();
        let found = self.to_string();
        let found: Vec<&str> = found.lines().collect();
        assert_eq!(found, expected, "\n{self}");
    }
}

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.status)?;
        for (name, value) in &self.headers {
            writeln!(f, "{name}: {}", shown(name, value))?;
        }
        let body = String::from_utf8_lossy(&self.body);
        if body.is_empty() { Ok(()) } else { write!(f, "\n{body}") }
    }
}

fn shown(name: &str, value: &str) -> String {
    match name {
        "x-request-id" => {
            value.parse::<uuid::Uuid>().expect("a request's id");
            "<id>".into()
        }
        "docker-upload-uuid" => token(value).into(),
        "location" => match value.split_once("/blobs/uploads/") {
            Some((start, end)) => format!("{start}/blobs/uploads/{}", token(end)),
            None => value.into(),
        },
        _ => value.into(),
    }
}

fn token(text: &str) -> &'static str {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    assert!(text.len() > 20 && text.bytes().all(allowed), "`{text}` is no token");
    "<token>"
}
