use std::path::Path;

use entrepot_oci::Digest;

use super::Volume;
use super::failure::{During as _, if_present};
use crate::store::StoreError;

/// No digest is longer, whatever its algorithm.
const LONGEST: usize = 256;

/// What a link file names, if it is there and names anything. Either answer may be relied upon.
pub(super) fn read(store: &Volume, path: &Path) -> Result<Option<Digest>, StoreError> {
    let file = if_present(store.files.open(path)).during("open", path)?;
    store.tree.settle(path)?;
    let Some(file) = file else { return Ok(None) };
    let mut text = [0; LONGEST];
    let read = file.read_at(&mut text, 0).during("read", path)?;
    let text = text.get(..read).unwrap_or_default();
    let target = std::str::from_utf8(text).ok().and_then(|text| text.trim().parse().ok());
    if target.is_none() {
        // To everybody it is absent, so that the next push repairs it.
        tracing::warn!(path = %path.display(), "a link holds no digest; it is ignored");
    }
    Ok(target)
}
