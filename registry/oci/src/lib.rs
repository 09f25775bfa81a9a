//! What the OCI distribution and image specifications name: digests, names, references, manifests, error codes. No I/O.
//!
//! Every type here is parsed once, by its only constructor, and needs no second check: what holds a
//! [`RepositoryName`], a [`Tag`] or a [`Digest`] may make a path or a URL of it.

mod descriptor;
mod digest;
mod error;
mod hasher;
mod json;
mod manifest;
pub mod media_type;
mod name;
mod reference;
mod tag;

pub use descriptor::{Descriptor, Platform};
pub use digest::{Algorithm, Digest, DigestError};
pub use error::{ErrorBody, ErrorCode, ErrorEntry};
pub use hasher::{Hasher, HasherState};
pub use manifest::{Manifest, ManifestError, ManifestKind};
pub use name::{NameError, RepositoryName};
pub use reference::{Reference, ReferenceError};
pub use tag::{Tag, TagError};
