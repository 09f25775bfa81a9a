//! What is on the node.

use std::collections::BTreeMap;
use std::io::{self, ErrorKind};
use std::path::Path;

use super::folder::{CA_CRT, Content, HOSTS_TOML, MARKER, Place, marked_uid};

/// How the folders are named in which new ones are prepared. No image name starts with a dot, so that
/// containerd never looks into one.
pub const PREPARED_SUFFIX: &str = ".entrepot-new";

/// Whose a folder is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Owner {
    /// Marked with this UID.
    Registry(String),
    /// Marked, but the marker cannot be read.
    Torn,
    /// Not ours: never touched.
    Foreign,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Found {
    owner: Owner,
    hosts_toml: Option<String>,
    ca: Option<String>,
    marker: Option<String>,
}

/// Everything in the folders that containerd looks into.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Live {
    folders: BTreeMap<Place, Found>,
    leftovers: Vec<Place>,
}

impl Live {
    /// Reads every entry of `roots`; a root that is not there holds nothing.
    pub fn scan<'a>(roots: impl IntoIterator<Item = &'a str>) -> io::Result<Self> {
        let mut live = Self::default();
        for root in roots {
            let entries = match std::fs::read_dir(root) {
                Ok(entries) => entries,
                Err(error) if error.kind() == ErrorKind::NotFound => continue,
                Err(error) => return Err(at(Path::new(root), &error)),
            };
            for entry in entries {
                let entry = entry.map_err(|error| at(Path::new(root), &error))?;
                // A name that is no text is nobody's host.
                if let Ok(name) = entry.file_name().into_string() {
                    live.add(root, &name, &entry.path())?;
                }
            }
        }
        Ok(live)
    }

    fn add(&mut self, root: &str, name: &str, path: &Path) -> io::Result<()> {
        if let Some(host) = name.strip_prefix('.').and_then(|name| name.strip_suffix(PREPARED_SUFFIX)) {
            self.leftovers.push(Place { root: root.to_owned(), host: host.to_owned() });
            return Ok(());
        }
        let place = Place { root: root.to_owned(), host: name.to_owned() };
        self.folders.insert(place, found(path)?);
        Ok(())
    }

    /// Whose the folder at `place` is, if there is one.
    pub fn owner(&self, place: &Place) -> Option<&Owner> {
        self.folders.get(place).map(|found| &found.owner)
    }

    /// Every folder with its owner.
    pub fn owners(&self) -> impl Iterator<Item = (&Place, &Owner)> {
        self.folders.iter().map(|(place, found)| (place, &found.owner))
    }

    /// Folders that an interrupted write was preparing.
    pub fn leftovers(&self) -> impl Iterator<Item = &Place> {
        self.leftovers.iter()
    }

    /// Whether the folder at `place` holds exactly `content`.
    pub fn holds(&self, place: &Place, content: &Content) -> bool {
        self.folders.get(place).is_some_and(|found| {
            found.owner == Owner::Registry(content.uid.clone())
                && found.hosts_toml.as_deref() == Some(&content.hosts_toml)
                && found.ca.as_deref() == Some(&content.ca)
                && found.marker.as_deref() == Some(&content.marker())
        })
    }
}

/// A link is foreign whatever it leads to: following it could leave the folder.
fn found(path: &Path) -> io::Result<Found> {
    let foreign = Found { owner: Owner::Foreign, hosts_toml: None, ca: None, marker: None };
    if !std::fs::symlink_metadata(path).map_err(|error| at(path, &error))?.is_dir() {
        return Ok(foreign);
    }
    if std::fs::symlink_metadata(path.join(MARKER)).is_err() {
        return Ok(foreign);
    }
    let marker = text(&path.join(MARKER))?;
    let owner = marker.as_deref().and_then(marked_uid).map_or(Owner::Torn, Owner::Registry);
    Ok(Found { owner, hosts_toml: text(&path.join(HOSTS_TOML))?, ca: text(&path.join(CA_CRT))?, marker })
}

/// None when the file is absent or no text: either way it is not what we wrote.
fn text(path: &Path) -> io::Result<Option<String>> {
    match std::fs::read(path) {
        Ok(bytes) => Ok(String::from_utf8(bytes).ok()),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(at(path, &error)),
    }
}

pub(super) fn at(path: &Path, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{}: {error}", path.display()))
}
