use std::path::PathBuf;

use serde::Serialize;

use crate::{
    error::Problem,
    reader::{Reader, Section},
};

/// `storage`: where everything is kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Storage {
    /// A folder.
    pub filesystem: Filesystem,
    /// What clients may remove.
    pub delete: Delete,
}

/// `storage.filesystem`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Filesystem {
    /// Absolute path of the volume.
    pub rootdirectory: PathBuf,
}

/// `storage.delete`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Delete {
    /// Whether DELETE of manifests, tags and blobs is answered at all; false answers 405.
    pub enabled: bool,
}

impl Filesystem {
    /// Where the images of registry:2 and registry:3 keep their volume.
    pub const DEFAULT_ROOT: &str = "/var/lib/registry";
}

const OTHER_DRIVERS: [&str; 7] = ["s3", "gcs", "azure", "inmemory", "swift", "oss", "rados"];

impl Storage {
    pub(crate) fn read(reader: &mut Reader, mut section: Section) -> Self {
        if !section.has("filesystem") && !OTHER_DRIVERS.iter().any(|driver| section.has(driver)) {
            reader.problems.push(Problem::Missing {
                key: "storage.filesystem".into(),
                remedy: "write `storage: {filesystem: {rootdirectory: /var/lib/registry}}`".into(),
            });
        }
        for driver in OTHER_DRIVERS {
            reader.refuse(
                &mut section,
                driver,
                "this server stores in a filesystem; write storage.filesystem",
            );
        }
        let mut filesystem = reader.section(&mut section, "filesystem");
        let rootdirectory =
            reader.path(&mut filesystem, "rootdirectory").unwrap_or_else(|| Filesystem::DEFAULT_ROOT.into());
        reader.ignore(&mut filesystem, &["maxthreads"]);
        reader.refuse_the_rest(&filesystem, &["rootdirectory"]);
        let mut delete = reader.section(&mut section, "delete");
        let enabled = reader.boolean(&mut delete, "enabled").unwrap_or_default();
        reader.refuse_the_rest(&delete, &["enabled"]);
        Self::read_maintenance(reader, &mut section);
        reader.ignore(&mut section, &["cache", "redirect", "tag"]);
        reader.refuse_the_rest(&section, &["filesystem", "delete"]);
        Self { filesystem: Filesystem { rootdirectory }, delete: Delete { enabled } }
    }

    /// Purging is a matter of housekeeping, read-only one of what clients may change.
    fn read_maintenance(reader: &mut Reader, section: &mut Section) {
        let mut maintenance = reader.section(section, "maintenance");
        reader.ignore(&mut maintenance, &["uploadpurging"]);
        let mut readonly = reader.section(&mut maintenance, "readonly");
        let place = readonly.place_of("enabled");
        // Many files say that it is off.
        if let (Some(true), Some(place)) = (reader.boolean(&mut readonly, "enabled"), place) {
            let remedy = "this server cannot be made read-only; remove the key".into();
            reader.problems.push(Problem::Unsupported { place, key: maintenance.key("readonly"), remedy });
        }
        reader.refuse_the_rest(&readonly, &["enabled"]);
        reader.refuse_the_rest(&maintenance, &["uploadpurging", "readonly"]);
    }
}
