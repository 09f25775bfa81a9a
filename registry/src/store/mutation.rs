use bytes::Bytes;
use entrepot_oci::{Digest, RepositoryName, Tag};

/// What a link grants in its repository.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum LinkKind {
    /// A blob: a layer or a configuration.
    Layer,
    /// A manifest.
    Revision,
}

/// One change of a round, atomic by itself. All may be repeated: the second time changes nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Mutation {
    /// Stores `bytes`, whose digest the caller has verified, in place of whatever is stored there.
    PutBlob {
        /// The digest of the bytes.
        digest: Digest,
        /// All of them; for manifests, which are small. Blobs come through uploads.
        bytes: Bytes,
    },
    /// Lets `repository` use a stored blob.
    PutLink {
        /// The repository.
        repository: RepositoryName,
        /// As what.
        kind: LinkKind,
        /// The name it gets here.
        digest: Digest,
        /// The blob; differs from `digest` only when another program stored a `sha512` blob as `sha256`.
        target: Digest,
    },
    /// Takes that right away; the blob stays.
    DeleteLink {
        /// The repository.
        repository: RepositoryName,
        /// As what.
        kind: LinkKind,
        /// Its name here.
        digest: Digest,
    },
    /// Makes a tag name a manifest, whatever it named before.
    PutTag {
        /// The repository.
        repository: RepositoryName,
        /// The tag.
        tag: Tag,
        /// The manifest.
        digest: Digest,
    },
    /// Removes a tag and its history; what it named stays.
    DeleteTag {
        /// The repository.
        repository: RepositoryName,
        /// The tag.
        tag: Tag,
    },
}
