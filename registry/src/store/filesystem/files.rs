use std::io;
use std::ops::ControlFlow;
use std::path::Path;

/// The few things that the store does with a filesystem; the one place where they can be made to fail or to lose power.
/// Meanings and errors are those of the system calls beneath.
pub(super) trait Files: Send + Sync + 'static {
    /// Creates a file for reading and writing; `AlreadyExists` if there is one.
    fn create(&self, path: &Path) -> io::Result<Box<dyn File>>;
    /// Opens a file for reading.
    fn open(&self, path: &Path) -> io::Result<Box<dyn File>>;
    /// Opens a file for reading and writing.
    fn open_to_write(&self, path: &Path) -> io::Result<Box<dyn File>>;
    /// The size of a regular file in bytes; `NotFound` if there is none.
    fn size(&self, path: &Path) -> io::Result<u64>;
    /// Whether there is a folder.
    fn is_dir(&self, path: &Path) -> bool;
    /// Calls `visit` with the name of each entry, in no order, and whether it is a folder, until it breaks. Names that are
    /// no UTF-8 are not ours and are left out.
    fn each(&self, path: &Path, visit: &mut dyn FnMut(&str, bool) -> ControlFlow<()>) -> io::Result<()>;
    /// Creates a folder.
    fn make_dir(&self, path: &Path) -> io::Result<()>;
    /// Removes an empty folder.
    fn remove_dir(&self, path: &Path) -> io::Result<()>;
    /// Removes a file.
    fn remove_file(&self, path: &Path) -> io::Result<()>;
    /// Moves a file over whatever file is there.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;
    /// Makes the entries of a folder durable.
    fn sync_dir(&self, path: &Path) -> io::Result<()>;
    /// Whether these files are in memory, so that a test need not change threads for each of its million calls.
    #[cfg(test)]
    fn never_block(&self) -> bool {
        false
    }
    /// Makes everything on the filesystem that `path` is on durable.
    fn sync_all(&self, path: &Path) -> io::Result<()>;
}

/// An open file.
pub(super) trait File: Send + Sync {
    /// Its size in bytes.
    fn size(&self) -> io::Result<u64>;
    /// Reads at `offset` until `buffer` is full or the file ends; answers how much was read.
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize>;
    /// Writes all of `bytes` at `offset`.
    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()>;
    /// Makes its bytes durable.
    fn sync_data(&self) -> io::Result<()>;
}
