use std::{collections::BTreeMap, fs, path::PathBuf};

use super::{ALICE, REGISTRY, User, sandbox::Sandbox};

/// curl's status when it could not connect.
const REFUSED: i32 = 7;

/// A request that curl sends, over TLS that it verifies.
pub(crate) struct Request {
    method: &'static str,
    origin: String,
    path: String,
    user: Option<User>,
    headers: Vec<String>,
    body: Option<Vec<u8>>,
}

/// The answer to it.
#[derive(Debug)]
pub(crate) struct Response {
    pub(crate) status: u16,
    /// Names in lower case.
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) body: Vec<u8>,
}

impl Request {
    pub(crate) fn new(method: &'static str, path: impl Into<String>) -> Self {
        let origin = format!("https://{REGISTRY}");
        Self { method, origin, path: path.into(), user: None, headers: Vec::new(), body: None }
    }

    pub(crate) fn get(path: impl Into<String>) -> Self {
        Self::new("GET", path)
    }

    pub(crate) fn put(path: impl Into<String>, body: impl Into<Vec<u8>>) -> Self {
        Self { body: Some(body.into()), ..Self::new("PUT", path) }
    }

    pub(crate) fn patch(path: impl Into<String>, body: impl Into<Vec<u8>>) -> Self {
        Self { body: Some(body.into()), ..Self::new("PATCH", path) }
    }

    /// Of another server than [`REGISTRY`]: `http://localhost:5000`.
    pub(crate) fn at(self, origin: &str) -> Self {
        Self { origin: origin.into(), ..self }
    }

    /// With Alice's password.
    pub(crate) fn by_alice(self) -> Self {
        self.by(ALICE)
    }

    pub(crate) fn by(self, user: User) -> Self {
        Self { user: Some(user), ..self }
    }

    pub(crate) fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push(format!("{name}: {value}"));
        self
    }

    pub(crate) fn send(&self, sandbox: &Sandbox) -> Response {
        self.try_send(sandbox).unwrap_or_else(|| panic!("no answer to {} {}", self.method, self.path))
    }

    /// None: nobody listens. A test never goes on after any other failure.
    pub(crate) fn try_send(&self, sandbox: &Sandbox) -> Option<Response> {
        let [headers, sent, received] =
            ["curl-headers", "curl-sent", "curl-received"].map(|name| sandbox.path(name));
        // Left from the request before, it would be read as this one's.
        for path in [&headers, &received] {
            fs::write(path, "").unwrap();
        }
        let path = |path: PathBuf| path.to_str().unwrap().to_owned();
        let mut arguments = vec!["--silent".into(), "--show-error".into(), "--path-as-is".into()];
        let mut option = |name: &str, value: String| arguments.extend([name.to_owned(), value]);
        option("--cacert", path(sandbox.path("ca.crt")));
        option("--dump-header", path(headers.clone()));
        option("--output", path(received.clone()));
        if let Some(user) = self.user {
            option("--user", format!("{}:{}", user.name, user.password));
        }
        for header in &self.headers {
            option("--header", header.clone());
        }
        if let Some(body) = &self.body {
            fs::write(&sent, body).unwrap();
            option("--data-binary", format!("@{}", path(sent)));
        }
        match self.method {
            "HEAD" => arguments.push("--head".into()),
            method => option("--request", method.into()),
        }
        arguments.push(format!("{}{}", self.origin, self.path));
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        let outcome = sandbox.run("curl", &arguments);
        if outcome.status.code() == Some(REFUSED) {
            return None;
        }
        outcome.succeeded();
        let headers = fs::read_to_string(headers).unwrap();
        Some(Response::parse(&headers, fs::read(received).unwrap()))
    }
}

impl Response {
    /// The last of the header blocks: `100 Continue` comes before the answer.
    fn parse(headers: &str, body: Vec<u8>) -> Self {
        let last = headers.trim_end().rsplit("\r\n\r\n").next().unwrap();
        let (first, rest) = last.split_once("\r\n").unwrap();
        let status = first.split(' ').nth(1).unwrap().parse().unwrap();
        let headers = rest
            .lines()
            .map(|line| line.split_once(':').unwrap())
            .map(|(name, value)| (name.to_lowercase(), value.trim().to_owned()))
            .collect();
        Self { status, headers, body }
    }

    /// A header's value.
    #[track_caller]
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).unwrap_or_else(|| panic!("no {name} in {self:?}"))
    }

    /// The body as JSON.
    #[track_caller]
    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| {
            panic!("{error} in {} {:?}", self.status, String::from_utf8_lossy(&self.body))
        })
    }

    /// Status, and code and message of each error.
    #[track_caller]
    pub(crate) fn errors(&self) -> (u16, Vec<(String, String)>) {
        let body = self.json();
        let text = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_owned();
        let errors = body["errors"].as_array().unwrap();
        let errors = errors.iter().map(|error| (text(&error["code"]), text(&error["message"]))).collect();
        (self.status, errors)
    }
}
