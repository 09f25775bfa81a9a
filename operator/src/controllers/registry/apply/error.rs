//! How a write ends that does not end well.

/// The API server will not have an object; the other children are not affected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The object's kind.
    pub kind: String,
    /// The object's name.
    pub name: String,
    /// The API server's words.
    pub message: String,
}

/// How a write ends that does not end well.
#[derive(Debug, thiserror::Error)]
pub enum ApplyError {
    /// Somebody else wrote first: what is there must be read again before anything is made from it.
    #[error("{kind} {name} changed while it was being written; it is read again")]
    Lost {
        /// The object's kind.
        kind: String,
        /// The object's name.
        name: String,
    },
    /// The API server will not have it.
    #[error("the API server refused {} {}: {}", .0.kind, .0.name, .0.message)]
    Refused(Refusal),
    /// The request failed.
    #[error("writing {kind} {name}: {source}")]
    Request {
        /// The object's kind.
        kind: String,
        /// The object's name.
        name: String,
        /// What the client answered.
        source: kube::Error,
    },
    /// An object that cannot be written as JSON.
    #[error("writing {kind} {name} as JSON: {source}")]
    Json {
        /// The object's kind.
        kind: String,
        /// The object's name.
        name: String,
        /// What the serializer answered.
        source: serde_json::Error,
    },
}

impl ApplyError {
    /// Sorts what the client answered by what is to be done about it.
    pub(super) fn of(kind: &str, name: &str, source: kube::Error) -> Self {
        let (kind, name) = (kind.to_owned(), name.to_owned());
        match &source {
            // 409: created or changed by somebody else; 404: deleted by somebody else.
            kube::Error::Api(status) if matches!(status.code, 404 | 409) => Self::Lost { kind, name },
            kube::Error::Api(status) if matches!(status.code, 400 | 403 | 413 | 422) => {
                Self::Refused(Refusal { kind, name, message: status.message.clone() })
            }
            _ => Self::Request { kind, name, source },
        }
    }
}
