//! Changes on the node. Each can be interrupted between any two lines: the next round finishes it.

use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, RenameFlags, renameat_with};

use super::folder::{CA_CRT, Content, HOSTS_TOML, MARKER, Place};
use super::live::{PREPARED_SUFFIX, at};
use super::plan::Operation;

/// A file on its way; renamed over the one that it replaces.
const NEW_FILE: &str = ".entrepot-new";

/// Carries out one operation.
pub fn act(operation: &Operation) -> io::Result<()> {
    match operation {
        Operation::Write(place, content) => write(place, content),
        Operation::Remove(place) => remove(place),
        Operation::RemoveLeftover(place) => remove_ours(&prepared(place)),
    }
}

fn path(place: &Place) -> PathBuf {
    Path::new(&place.root).join(&place.host)
}

fn prepared(place: &Place) -> PathBuf {
    Path::new(&place.root).join(format!(".{}{PREPARED_SUFFIX}", place.host))
}

fn write(place: &Place, content: &Content) -> io::Result<()> {
    let folder = path(place);
    if is_marked(&folder) {
        write_files(&folder, content)?;
        return sync(&folder);
    }
    let prepared = prepared(place);
    create_folders(Path::new(&place.root))?;
    remove_ours(&prepared)?;
    create_folder(&prepared)?;
    write_files(&prepared, content)?;
    sync(&prepared)?;
    // Not a plain rename: that would silently replace an empty folder which somebody else just made.
    renameat_with(CWD, &prepared, CWD, &folder, RenameFlags::NOREPLACE)
        .map_err(|error| at(&folder, &error.into()))?;
    sync(Path::new(&place.root))
}

/// `ca.crt` before the file that names it; the marker, which says what the two are, last.
fn write_files(folder: &Path, content: &Content) -> io::Result<()> {
    write_file(folder, CA_CRT, &content.ca)?;
    write_file(folder, HOSTS_TOML, &content.hosts_toml)?;
    write_file(folder, MARKER, &content.marker())
}

fn write_file(folder: &Path, name: &str, text: &str) -> io::Result<()> {
    let (new, target) = (folder.join(NEW_FILE), folder.join(name));
    remove_file(&new)?;
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o644)
        .open(&new)
        .map_err(|error| at(&new, &error))?;
    file.write_all(text.as_bytes()).and_then(|()| file.sync_all()).map_err(|error| at(&new, &error))?;
    fs::rename(&new, &target).map_err(|error| at(&target, &error))
}

fn remove(place: &Place) -> io::Result<()> {
    let folder = path(place);
    if is_marked(&folder) {
        remove_ours(&folder)?;
    }
    remove_colon_folders(Path::new(&place.root));
    Ok(())
}

/// Removes our files and then the folder, unless somebody put something of their own into it. The marker
/// goes last: a removal that is cut short is still known as ours.
fn remove_ours(folder: &Path) -> io::Result<()> {
    for name in [HOSTS_TOML, CA_CRT, NEW_FILE, MARKER] {
        remove_file(&folder.join(name))?;
    }
    match fs::remove_dir(folder) {
        Ok(()) => Ok(()),
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::DirectoryNotEmpty) => Ok(()),
        Err(error) => Err(at(folder, &error)),
    }
}

/// The folders of a path like `A:B` exist for us alone; they go when they are empty.
fn remove_colon_folders(root: &Path) {
    let ours = root.ancestors().take_while(|folder| folder.to_string_lossy().contains(':'));
    for folder in ours {
        if fs::remove_dir(folder).is_err() {
            return;
        }
    }
}

fn is_marked(folder: &Path) -> bool {
    fs::symlink_metadata(folder).is_ok_and(|meta| meta.is_dir())
        && fs::symlink_metadata(folder.join(MARKER)).is_ok()
}

fn remove_file(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(at(path, &error)),
        _ => Ok(()),
    }
}

fn create_folders(path: &Path) -> io::Result<()> {
    let result = fs::DirBuilder::new().recursive(true).mode(0o755).create(path);
    result.map_err(|error| at(path, &error))
}

fn create_folder(path: &Path) -> io::Result<()> {
    let result = fs::DirBuilder::new().mode(0o755).create(path);
    result.map_err(|error| at(path, &error))
}

fn sync(folder: &Path) -> io::Result<()> {
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(|error| at(folder, &error))
}
