use std::collections::BTreeSet;

use entrepot_oci::{Digest, Reference, RepositoryName, Tag};

use crate::{
    auth::{Access, Permission},
    domain::PageRequest,
};

/// What a request asks for. Both the routes and the permissions are made of this type, so that a route without a
/// permission does not compile.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// `GET /`: is a server there?
    Home,
    /// `OPTIONS` of anything: what may be asked.
    Options {
        /// The value of `Allow`.
        allow: &'static str,
    },
    /// `GET /v2/`: is it a registry, and am I welcome?
    CheckVersion,
    /// `GET /v2/_catalog`.
    ListRepositories {
        /// Which part.
        page: PageRequest,
    },
    /// `GET /v2/<name>/tags/list`.
    ListTags {
        /// Of which repository.
        repository: RepositoryName,
        /// Which part.
        page: PageRequest,
    },
    /// `GET` and `HEAD /v2/<name>/blobs/<digest>`.
    GetBlob {
        /// Where.
        repository: RepositoryName,
        /// Which.
        digest: Digest,
    },
    /// `DELETE /v2/<name>/blobs/<digest>`.
    DeleteBlob {
        /// Where.
        repository: RepositoryName,
        /// Which.
        digest: Digest,
    },
    /// `POST /v2/<name>/blobs/uploads/`.
    StartUpload {
        /// Where.
        repository: RepositoryName,
        /// With all of the blob, another repository's blob, or nothing yet.
        start: StartUpload,
    },
    /// `GET /v2/<name>/blobs/uploads/<token>`.
    GetUpload(Upload),
    /// `PATCH /v2/<name>/blobs/uploads/<token>`.
    AppendUpload(Upload),
    /// `PUT /v2/<name>/blobs/uploads/<token>?digest=<digest>`.
    FinishUpload {
        /// Which upload.
        upload: Upload,
        /// What its bytes are to be.
        digest: Digest,
    },
    /// `DELETE /v2/<name>/blobs/uploads/<token>`.
    CancelUpload(Upload),
    /// `GET` and `HEAD /v2/<name>/manifests/<reference>`.
    GetManifest {
        /// Where.
        repository: RepositoryName,
        /// Which.
        reference: Reference,
    },
    /// `PUT /v2/<name>/manifests/<reference>?tag=<tag>&tag=<tag>`.
    PutManifest {
        /// Where.
        repository: RepositoryName,
        /// As which.
        reference: Reference,
        /// Under which tags besides; how a manifest gets one whose digest is not a sha256.
        tags: BTreeSet<Tag>,
    },
    /// `DELETE /v2/<name>/manifests/<reference>`.
    DeleteManifest {
        /// Where.
        repository: RepositoryName,
        /// Which.
        reference: Reference,
    },
}

/// An upload as its URL names it; the token is still to be checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Upload {
    /// Where.
    pub repository: RepositoryName,
    /// What the `Location` of its start ended with.
    pub token: String,
}

/// How an upload starts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StartUpload {
    /// A session whose bytes follow.
    Session,
    /// The whole blob in the body: `?digest=`.
    Whole {
        /// What the body is to be.
        digest: Digest,
    },
    /// A blob that another repository has: `?mount=&from=`.
    Mount {
        /// Which.
        digest: Digest,
        /// Whose; absent, or no repository's name: a session answers, as for a blob that is not there.
        from: Option<RepositoryName>,
    },
}

impl Action {
    /// What the request needs.
    pub fn permission(&self) -> Permission<'_> {
        use Permission::Repository;
        match self {
            Self::Home | Self::Options { .. } => Permission::Open,
            Self::CheckVersion => Permission::Known,
            Self::ListRepositories { .. } => Permission::Catalog,
            Self::ListTags { repository, .. }
            | Self::GetBlob { repository, .. }
            | Self::GetManifest { repository, .. } => Repository(repository, Access::Pull),
            Self::StartUpload { repository, .. } | Self::PutManifest { repository, .. } => {
                Repository(repository, Access::Push)
            }
            Self::GetUpload(upload)
            | Self::AppendUpload(upload)
            | Self::FinishUpload { upload, .. }
            | Self::CancelUpload(upload) => Repository(&upload.repository, Access::Push),
            Self::DeleteBlob { repository, .. } | Self::DeleteManifest { repository, .. } => {
                Repository(repository, Access::Delete)
            }
        }
    }

    /// Whether anything stored changes: what a stopping server takes no more of.
    pub fn is_write(&self) -> bool {
        match self.permission() {
            Permission::Repository(_, access) => access != Access::Pull,
            Permission::Open | Permission::Known | Permission::Catalog => false,
        }
    }
}
