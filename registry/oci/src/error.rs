use serde::{Deserialize, Serialize};

/// The `code` of an error answer: the distribution specification's ("Error Codes") and those that Docker's registry
/// added and its clients know.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum ErrorCode {
    /// No such blob in this repository.
    BlobUnknown,
    /// The upload cannot go on.
    BlobUploadInvalid,
    /// No such upload session.
    BlobUploadUnknown,
    /// A digest is malformed or does not match the content.
    DigestInvalid,
    /// A manifest names a blob that this repository does not have.
    ManifestBlobUnknown,
    /// A manifest is malformed or contradicts itself.
    ManifestInvalid,
    /// No such manifest in this repository.
    ManifestUnknown,
    /// Docker's: a manifest failed verification.
    ManifestUnverified,
    /// The repository name is malformed.
    NameInvalid,
    /// No such repository, or none that this caller may know of.
    NameUnknown,
    /// The length does not match the content.
    SizeInvalid,
    /// A credential is missing or wrong.
    Unauthorized,
    /// The credential does not allow this.
    Denied,
    /// The operation is not supported here.
    Unsupported,
    /// Too many requests at once.
    #[serde(rename = "TOOMANYREQUESTS")]
    TooManyRequests,
    /// Docker's: the tag is malformed.
    TagInvalid,
    /// Docker's: the range of a chunk does not follow the last one.
    RangeInvalid,
    /// Docker's: `n` of a listing is malformed.
    PaginationNumberInvalid,
    /// Docker's: the service cannot answer now.
    Unavailable,
    /// Docker's: an error that has no code.
    Unknown,
}

impl ErrorCode {
    /// Every code.
    pub const ALL: [Self; 20] = [
        Self::BlobUnknown,
        Self::BlobUploadInvalid,
        Self::BlobUploadUnknown,
        Self::DigestInvalid,
        Self::ManifestBlobUnknown,
        Self::ManifestInvalid,
        Self::ManifestUnknown,
        Self::ManifestUnverified,
        Self::NameInvalid,
        Self::NameUnknown,
        Self::SizeInvalid,
        Self::Unauthorized,
        Self::Denied,
        Self::Unsupported,
        Self::TooManyRequests,
        Self::TagInvalid,
        Self::RangeInvalid,
        Self::PaginationNumberInvalid,
        Self::Unavailable,
        Self::Unknown,
    ];

    /// The message for an error that has nothing more exact to say.
    pub const fn message(self) -> &'static str {
        match self {
            Self::BlobUnknown => "blob unknown to registry",
            Self::BlobUploadInvalid => "blob upload invalid",
            Self::BlobUploadUnknown => "blob upload unknown to registry",
            Self::DigestInvalid => "provided digest did not match uploaded content",
            Self::ManifestBlobUnknown => "manifest references a blob unknown to registry",
            Self::ManifestInvalid => "manifest invalid",
            Self::ManifestUnknown => "manifest unknown to registry",
            Self::ManifestUnverified => "manifest failed verification",
            Self::NameInvalid => "invalid repository name",
            Self::NameUnknown => "repository name not known to registry",
            Self::SizeInvalid => "provided length did not match content length",
            Self::Unauthorized => "authentication required",
            Self::Denied => "requested access to the resource is denied",
            Self::Unsupported => "the operation is unsupported",
            Self::TooManyRequests => "too many requests",
            Self::TagInvalid => "invalid tag",
            Self::RangeInvalid => "invalid content range",
            Self::PaginationNumberInvalid => "invalid number of results requested",
            Self::Unavailable => "service unavailable",
            Self::Unknown => "unknown error",
        }
    }
}

/// The body of every error answer: `{"errors":[{"code","message","detail"}]}`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ErrorBody {
    /// At least one entry.
    pub errors: Vec<ErrorEntry>,
}

/// One error of an [`ErrorBody`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ErrorEntry {
    /// What a program reacts to.
    pub code: ErrorCode,
    /// What a person reads.
    pub message: String,
    /// Whatever else helps; its shape depends on the code.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<serde_json::Value>,
}

impl ErrorBody {
    /// Of one error without detail.
    pub fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        Self { errors: vec![ErrorEntry { code, message: message.into(), detail: None }] }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_spelled_as_the_specification_does() {
        let spelled: Vec<_> = ErrorCode::ALL.iter().map(|code| serde_json::to_value(code).unwrap()).collect();
        assert_eq!(
            serde_json::Value::from(spelled),
            serde_json::json!([
                "BLOB_UNKNOWN",
                "BLOB_UPLOAD_INVALID",
                "BLOB_UPLOAD_UNKNOWN",
                "DIGEST_INVALID",
                "MANIFEST_BLOB_UNKNOWN",
                "MANIFEST_INVALID",
                "MANIFEST_UNKNOWN",
                "MANIFEST_UNVERIFIED",
                "NAME_INVALID",
                "NAME_UNKNOWN",
                "SIZE_INVALID",
                "UNAUTHORIZED",
                "DENIED",
                "UNSUPPORTED",
                "TOOMANYREQUESTS",
                "TAG_INVALID",
                "RANGE_INVALID",
                "PAGINATION_NUMBER_INVALID",
                "UNAVAILABLE",
                "UNKNOWN"
            ])
        );
    }

    #[test]
    fn the_body_has_the_specified_shape() {
        let body = ErrorBody::new(ErrorCode::BlobUnknown, ErrorCode::BlobUnknown.message());
        assert_eq!(
            serde_json::to_value(&body).unwrap(),
            serde_json::json!({"errors": [{"code": "BLOB_UNKNOWN", "message": "blob unknown to registry"}]})
        );
    }
}
