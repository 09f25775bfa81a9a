use serde::Deserialize;
use serde::de::IgnoredAny;

use crate::json::Fields;
use crate::media_type::{
    DOCKER_LIST, DOCKER_MANIFEST, DOCKER_SCHEMA1, DOCKER_SCHEMA1_SIGNED, OCI_INDEX, OCI_MANIFEST,
    OCTET_STREAM, essence,
};
use crate::{Algorithm, Descriptor, Digest};

/// A manifest that a registry accepts: an OCI image manifest or index, a Docker schema 2 manifest or list. Keeps the bytes
/// that came, for they are what the digest is of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Manifest {
    bytes: Vec<u8>,
    media_type: &'static str,
    content: ManifestKind,
    subject: Option<Descriptor>,
    artifact_type: Option<String>,
}

/// What the two families of manifests refer to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ManifestKind {
    /// An image or an artifact: blobs.
    Image {
        /// Its configuration.
        config: Box<Descriptor>,
        /// Its layers, lowest first; may be empty.
        layers: Vec<Descriptor>,
    },
    /// An index or a list: other manifests, which need not be present.
    Index {
        /// Its children; may be empty.
        manifests: Vec<Descriptor>,
    },
}

impl Manifest {
    /// Parses `bytes`, pushed as `content_type` (`None`, empty and `application/json` declare nothing).
    ///
    /// The type is the `mediaType` field's, or what the content implies; a `Content-Type` must agree with it. So the type
    /// follows from the bytes alone and a later GET, which has nothing else, answers what the client declared.
    pub fn parse(bytes: Vec<u8>, content_type: Option<&str>) -> Result<Self, ManifestError> {
        let malformed = |error: serde_json::Error| ManifestError::Malformed { reason: error.to_string() };
        let Fields(fields) = serde_json::from_slice(&bytes).map_err(malformed)?;
        if let Some(field) = fields.into_iter().find(|field| is_look_alike(field)) {
            return Err(ManifestError::LookAlike { field });
        }
        let document: Document = serde_json::from_slice(&bytes).map_err(malformed)?;
        if document.schema_version == Some(1) || document.fs_layers.is_some() {
            return Err(ManifestError::SchemaOne);
        }
        if document.schema_version != Some(2) {
            return Err(ManifestError::SchemaVersion);
        }
        let media_type = document.settle_media_type()?;
        let declared = content_type.map(essence).unwrap_or_default();
        if !matches!(declared.as_str(), "" | "application/json") && declared != media_type {
            return Err(ManifestError::ContentType { declared, found: media_type });
        }
        let content = document.content(media_type)?;
        let (subject, artifact_type) = (document.subject, document.artifact_type.filter(|it| !it.is_empty()));
        Ok(Self { bytes, media_type, content, subject, artifact_type })
    }

    /// The bytes as they came.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The bytes as they came, without a copy.
    pub fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }

    /// The digest of the bytes.
    pub fn digest(&self, algorithm: Algorithm) -> Digest {
        Digest::of(algorithm, &self.bytes)
    }

    /// One of the four manifest types of [`crate::media_type`].
    pub fn media_type(&self) -> &'static str {
        self.media_type
    }

    /// What it refers to.
    pub fn kind(&self) -> &ManifestKind {
        &self.content
    }

    /// The configuration; `None` for an index.
    pub fn config(&self) -> Option<&Descriptor> {
        match &self.content {
            ManifestKind::Image { config, .. } => Some(config),
            ManifestKind::Index { .. } => None,
        }
    }

    /// The layers; empty for an index.
    pub fn layers(&self) -> &[Descriptor] {
        match &self.content {
            ManifestKind::Image { layers, .. } => layers,
            ManifestKind::Index { .. } => &[],
        }
    }

    /// The children; empty for an image.
    pub fn manifests(&self) -> &[Descriptor] {
        match &self.content {
            ManifestKind::Image { .. } => &[],
            ManifestKind::Index { manifests } => manifests,
        }
    }

    /// The manifest that this one says something about; it need not exist.
    pub fn subject(&self) -> Option<&Descriptor> {
        self.subject.as_ref()
    }

    /// The type of the artifact, when declared.
    pub fn artifact_type(&self) -> Option<&str> {
        self.artifact_type.as_deref()
    }

    /// The media type to serve stored bytes with, which another program may have written and [`Manifest::parse`] may
    /// refuse: the `mediaType` field, else what the content implies, else `application/octet-stream`.
    pub fn media_type_of(bytes: &[u8]) -> String {
        let Ok(document) = serde_json::from_slice::<Sketch>(bytes) else { return OCTET_STREAM.into() };
        let implied = if document.schema_version == Some(1) {
            if document.signatures.is_some() { DOCKER_SCHEMA1_SIGNED } else { DOCKER_SCHEMA1 }
        } else if document.manifests.is_some() {
            OCI_INDEX
        } else if document.layers.is_some() || document.config.is_some() {
            OCI_MANIFEST
        } else {
            OCTET_STREAM
        };
        document.media_type.filter(|field| is_header_value(field)).unwrap_or_else(|| implied.into())
    }
}

/// The fields that decide; all others are the client's own.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Document {
    schema_version: Option<u64>,
    media_type: Option<String>,
    artifact_type: Option<String>,
    config: Option<Box<Descriptor>>,
    layers: Option<Vec<Descriptor>>,
    manifests: Option<Vec<Descriptor>>,
    subject: Option<Descriptor>,
    fs_layers: Option<IgnoredAny>,
}

impl Document {
    fn settle_media_type(&self) -> Result<&'static str, ManifestError> {
        let is_image = self.config.is_some() || self.layers.is_some();
        if is_image && self.manifests.is_some() {
            return Err(ManifestError::Ambiguous);
        }
        let Some(field) = self.media_type.as_deref().filter(|field| !field.is_empty()) else {
            return match (is_image, self.manifests.is_some()) {
                (true, _) => Ok(OCI_MANIFEST),
                (false, true) => Ok(OCI_INDEX),
                (false, false) => Err(ManifestError::Empty),
            };
        };
        if matches!(field, DOCKER_SCHEMA1 | DOCKER_SCHEMA1_SIGNED) {
            return Err(ManifestError::SchemaOne);
        }
        let known =
            [OCI_MANIFEST, OCI_INDEX, DOCKER_MANIFEST, DOCKER_LIST].into_iter().find(|known| *known == field);
        known.ok_or_else(|| ManifestError::Unsupported { media_type: field.chars().take(128).collect() })
    }

    fn content(&self, media_type: &'static str) -> Result<ManifestKind, ManifestError> {
        if matches!(media_type, OCI_INDEX | DOCKER_LIST) {
            if self.config.is_some() || self.layers.is_some() {
                return Err(ManifestError::Field { media_type, field: "layers" });
            }
            return Ok(ManifestKind::Index { manifests: self.manifests.clone().unwrap_or_default() });
        }
        if self.manifests.is_some() {
            return Err(ManifestError::Field { media_type, field: "manifests" });
        }
        let config = self.config.clone().ok_or(ManifestError::NoConfig { media_type })?;
        Ok(ManifestKind::Image { config, layers: self.layers.clone().unwrap_or_default() })
    }
}

/// A [`Document`] that refuses as little as possible.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Sketch {
    schema_version: Option<u64>,
    media_type: Option<String>,
    config: Option<IgnoredAny>,
    layers: Option<IgnoredAny>,
    manifests: Option<IgnoredAny>,
    signatures: Option<IgnoredAny>,
}

/// The names that [`Document`] and other readers of manifests know.
const FIELDS: [&str; 10] = [
    "schemaVersion",
    "mediaType",
    "artifactType",
    "config",
    "layers",
    "manifests",
    "subject",
    "annotations",
    "fsLayers",
    "history",
];

/// Clients in Go read `Layers` as `layers`: to them it would be another manifest than to us.
fn is_look_alike(field: &str) -> bool {
    FIELDS.iter().any(|known| known.eq_ignore_ascii_case(field) && *known != field)
}

/// The field comes from stored bytes and goes into a header.
fn is_header_value(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic() || byte == b' ')
}

/// Why bytes are no manifest that a registry accepts.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ManifestError {
    /// Not JSON, nested too deep, a field of the wrong type, a malformed descriptor.
    #[error("the manifest cannot be read: {reason}")]
    Malformed {
        /// What and where, by line and column.
        reason: String,
    },
    /// Docker schema 1.
    #[error(
        "this is a Docker schema 1 manifest, which is no longer accepted; push the image with a current client"
    )]
    SchemaOne,
    /// A field that some clients would take for another.
    #[error(
        "the field `{field}` differs from one of the specification only in upper and lower case; some clients would read it"
    )]
    LookAlike {
        /// The field.
        field: String,
    },
    /// `schemaVersion` is not 2.
    #[error("`schemaVersion` must be 2")]
    SchemaVersion,
    /// Both an image and an index: two clients could read two different things from it.
    #[error(
        "the manifest has both `manifests` and `layers` or `config`; it must be either an image or an index"
    )]
    Ambiguous,
    /// Nothing tells what it is.
    #[error("the manifest has neither `config` and `layers` nor `manifests`")]
    Empty,
    /// A `mediaType` that is no manifest type we know.
    #[error(
        "the manifest type `{media_type}` is not supported; use an OCI image manifest or index, or Docker schema 2"
    )]
    Unsupported {
        /// The field.
        media_type: String,
    },
    /// `Content-Type` and content disagree.
    #[error("Content-Type says `{declared}` and the manifest itself is `{found}`")]
    ContentType {
        /// The header, without parameters.
        declared: String,
        /// The `mediaType` field, or what the content implies.
        found: &'static str,
    },
    /// A field that this type cannot have.
    #[error("a manifest of type `{media_type}` cannot have `{field}`")]
    Field {
        /// The type.
        media_type: &'static str,
        /// The field.
        field: &'static str,
    },
    /// An image without configuration.
    #[error("a manifest of type `{media_type}` needs a `config`")]
    NoConfig {
        /// The type.
        media_type: &'static str,
    },
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;

    fn descriptor(media_type: &str, content: &[u8]) -> Value {
        json!({"mediaType": media_type, "digest": Digest::of(Algorithm::Sha256, content), "size": content.len()})
    }

    fn image(media_type: Option<&str>) -> Value {
        let mut image = json!({
            "schemaVersion": 2,
            "config": descriptor("application/vnd.oci.image.config.v1+json", b"{}"),
            "layers": [descriptor("application/vnd.oci.image.layer.v1.tar+gzip", b"layer")],
        });
        if let Some(media_type) = media_type {
            image["mediaType"] = media_type.into();
        }
        image
    }

    fn index(media_type: Option<&str>) -> Value {
        let mut index = json!({"schemaVersion": 2, "manifests": [descriptor(OCI_MANIFEST, b"child")]});
        if let Some(media_type) = media_type {
            index["mediaType"] = media_type.into();
        }
        index
    }

    fn parse(document: &Value, content_type: Option<&str>) -> Result<Manifest, ManifestError> {
        Manifest::parse(serde_json::to_vec_pretty(document).unwrap(), content_type)
    }

    #[test]
    fn accepts_the_four_types_and_keeps_the_bytes() {
        for (document, content_type, media_type) in [
            (image(Some(OCI_MANIFEST)), Some(OCI_MANIFEST), OCI_MANIFEST),
            (image(None), Some(OCI_MANIFEST), OCI_MANIFEST),
            (image(None), None, OCI_MANIFEST),
            (
                image(Some(DOCKER_MANIFEST)),
                Some("application/vnd.docker.distribution.manifest.v2+JSON; charset=utf-8"),
                DOCKER_MANIFEST,
            ),
            (index(Some(OCI_INDEX)), Some("application/json"), OCI_INDEX),
            (index(None), Some(""), OCI_INDEX),
            (index(Some(DOCKER_LIST)), Some(DOCKER_LIST), DOCKER_LIST),
        ] {
            let bytes = serde_json::to_vec_pretty(&document).unwrap();
            let manifest = Manifest::parse(bytes.clone(), content_type).unwrap();
            assert_eq!((manifest.media_type(), manifest.bytes()), (media_type, bytes.as_slice()));
            assert_eq!(Manifest::media_type_of(&bytes), media_type);
            let found = (manifest.config().is_some(), manifest.layers().len(), manifest.manifests().len());
            assert_eq!(found, if document["manifests"].is_null() { (true, 1, 0) } else { (false, 0, 1) });
        }
    }

    #[test]
    fn reads_subject_artifact_type_and_the_nulls_that_go_writes() {
        let mut document = image(None);
        document["subject"] = descriptor(OCI_MANIFEST, b"subject");
        document["artifactType"] = "application/spdx+json".into();
        document["layers"] = Value::Null;
        let manifest = parse(&document, None).unwrap();
        assert_eq!(manifest.subject().unwrap().digest, Digest::of(Algorithm::Sha256, b"subject"));
        assert_eq!((manifest.artifact_type(), manifest.layers().len()), (Some("application/spdx+json"), 0));
    }

    #[test]
    fn refuses_what_contradicts_itself() {
        let both = || {
            let mut both = image(None);
            both["manifests"] = json!([]);
            both
        };
        assert_eq!(parse(&both(), None), Err(ManifestError::Ambiguous));
        assert_eq!(
            parse(&index(None), Some(OCI_MANIFEST)),
            Err(ManifestError::ContentType { declared: OCI_MANIFEST.into(), found: OCI_INDEX })
        );
        assert_eq!(
            parse(&image(Some(DOCKER_MANIFEST)), Some(OCI_MANIFEST)),
            Err(ManifestError::ContentType { declared: OCI_MANIFEST.into(), found: DOCKER_MANIFEST })
        );
        // Without the field a GET could not tell it from an OCI manifest.
        assert_eq!(
            parse(&image(None), Some(DOCKER_MANIFEST)),
            Err(ManifestError::ContentType { declared: DOCKER_MANIFEST.into(), found: OCI_MANIFEST })
        );
        assert_eq!(
            parse(&image(Some(OCI_INDEX)), None),
            Err(ManifestError::Field { media_type: OCI_INDEX, field: "layers" })
        );
        assert_eq!(
            parse(&index(Some(OCI_MANIFEST)), None),
            Err(ManifestError::Field { media_type: OCI_MANIFEST, field: "manifests" })
        );
    }

    #[test]
    fn refuses_what_go_clients_would_read_otherwise() {
        let mut two_faced = index(None);
        two_faced["Layers"] = image(None)["layers"].clone();
        assert_eq!(parse(&two_faced, None), Err(ManifestError::LookAlike { field: "Layers".into() }));
        let mut free = index(None);
        free["x-Layers"] = json!({"Layers": []});
        assert!(parse(&free, None).is_ok());
    }

    #[test]
    fn refuses_what_is_no_manifest() {
        for schema_one in [
            json!({"schemaVersion": 1, "fsLayers": [], "history": []}),
            json!({"schemaVersion": 2, "fsLayers": []}),
            image(Some(DOCKER_SCHEMA1_SIGNED)),
        ] {
            assert_eq!(parse(&schema_one, None), Err(ManifestError::SchemaOne));
        }
        assert_eq!(parse(&json!({"schemaVersion": 3}), None), Err(ManifestError::SchemaVersion));
        assert_eq!(parse(&json!({}), None), Err(ManifestError::SchemaVersion));
        assert_eq!(parse(&json!({"schemaVersion": 2}), None), Err(ManifestError::Empty));
        assert_eq!(
            parse(&json!({"schemaVersion": 2, "layers": []}), None),
            Err(ManifestError::NoConfig { media_type: OCI_MANIFEST })
        );
        assert_eq!(
            parse(&image(Some("text/plain")), None),
            Err(ManifestError::Unsupported { media_type: "text/plain".into() })
        );
    }

    #[test]
    fn refuses_malformed_json_and_descriptors() {
        let mut past_int64 = image(None);
        past_int64["layers"][0]["size"] = json!(u64::MAX);
        let mut negative = image(None);
        negative["layers"][0]["size"] = json!(-1);
        let mut digest = image(None);
        digest["config"]["digest"] = "sha256:../../etc".into();
        for document in [past_int64, negative, digest] {
            assert!(matches!(parse(&document, None), Err(ManifestError::Malformed { .. })), "{document}");
        }
        let deep = format!(
            r#"{{"schemaVersion":2,"manifests":[],"x":{}{}}}"#,
            "[".repeat(10_000),
            "]".repeat(10_000)
        );
        let twice = r#"{"schemaVersion":2,"manifests":[],"manifests":[]}"#;
        let invalid_utf8 = b"{\"schemaVersion\":2,\"manifests\":[],\"x\":\"\xff\"}";
        for bytes in [deep.as_bytes(), twice.as_bytes(), invalid_utf8, b"", b"null", b"[]", b"\xef\xbb\xbf{}"]
        {
            assert!(matches!(Manifest::parse(bytes.to_vec(), None), Err(ManifestError::Malformed { .. })));
        }
    }

    #[test]
    fn names_the_type_of_what_other_programs_stored() {
        for (stored, media_type) in [
            (r#"{"schemaVersion":1,"signatures":[]}"#, DOCKER_SCHEMA1_SIGNED),
            (r#"{"schemaVersion":1}"#, DOCKER_SCHEMA1),
            (r#"{"schemaVersion":2,"mediaType":"application/vnd.other+json"}"#, "application/vnd.other+json"),
            (r#"{"schemaVersion":2,"mediaType":"a\r\nb"}"#, OCTET_STREAM),
            ("not json", OCTET_STREAM),
        ] {
            assert_eq!(Manifest::media_type_of(stored.as_bytes()), media_type, "{stored}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_never_panic(bytes in any::<Vec<u8>>(), content_type in proptest::option::of(".*")) {
            Manifest::media_type_of(&bytes);
            let _ = Manifest::parse(bytes, content_type.as_deref());
        }

        #[test]
        fn accepted_bytes_name_the_same_type_again(
            fields in proptest::collection::vec((0_usize..9, 0_usize..6), 0..6),
            declared in 0_usize..6,
        ) {
            let names = ["schemaVersion", "mediaType", "config", "layers", "manifests", "subject", "fsLayers", "x", "artifactType"];
            let types = [OCI_MANIFEST, OCI_INDEX, DOCKER_MANIFEST, DOCKER_LIST, "", "application/json"];
            let values = [json!(2), json!(OCI_INDEX), json!([]), json!(null), descriptor(OCI_MANIFEST, b"x"), json!(DOCKER_MANIFEST)];
            let mut document = json!({"schemaVersion": 2});
            for (name, value) in fields {
                document[names[name]] = values[value].clone();
            }
            let bytes = serde_json::to_vec(&document).unwrap();
            if let Ok(manifest) = Manifest::parse(bytes.clone(), Some(types[declared])) {
                prop_assert_eq!(Manifest::media_type_of(&bytes), manifest.media_type());
                prop_assert_eq!(manifest.into_bytes(), bytes);
            }
        }
    }
}
