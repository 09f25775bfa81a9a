//! What pushing, pulling, deleting and listing mean. No HTTP here, and no files: the verbs of [`Registry`] stand on a
//! [`Store`](crate::store::Store) and on locks that hold between a check and what relies on it.

mod blobs;
mod error;
mod listing;
mod locks;
mod manifests;
mod put_plan;
mod registry;
#[cfg(test)]
mod tests;
mod uploads;

pub use blobs::{Blob, BlobContent};
pub use error::DomainError;
pub use listing::{Listing, PageRequest};
pub use manifests::{MANIFEST_LIMIT, StoredManifest};
pub use put_plan::{Facts, Put, Violation, plan_put};
pub use registry::Registry;
pub use uploads::{Chunk, Upload};
