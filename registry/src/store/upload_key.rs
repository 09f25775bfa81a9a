use chrono::{DateTime, Utc};
use entrepot_oci::RepositoryName;
use uuid::Uuid;

/// Which upload: enough to find it again without any record of its start.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct UploadKey {
    /// The repository it will be linked in.
    pub repository: RepositoryName,
    /// Its own, random name.
    pub id: Uuid,
    /// When it was started, to the second.
    pub started: DateTime<Utc>,
}
