use std::io;
use std::path::Path;

use crate::store::StoreError;

/// Names what was being done when the filesystem said no.
pub(super) trait During<T> {
    fn during(self, operation: &'static str, path: &Path) -> Result<T, StoreError>;
}

impl<T> During<T> for io::Result<T> {
    fn during(self, operation: &'static str, path: &Path) -> Result<T, StoreError> {
        self.map_err(|source| match source.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
                StoreError::Full { operation, path: path.into() }
            }
            _ => StoreError::Io { operation, path: path.into(), source },
        })
    }
}

/// `None` for what is not there: neither the entry nor, as after an `rm -rf`, its folder.
pub(super) fn if_present<T>(result: io::Result<T>) -> io::Result<Option<T>> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
            Ok(None)
        }
        Err(error) => Err(error),
    }
}
