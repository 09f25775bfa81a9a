//! A filesystem in memory that loses power: what was not synced, *folder entries included*, may be gone afterwards, each
//! piece by itself. Harsher than a journal, which keeps some of it together.

use std::collections::BTreeMap;
use std::io;
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard};

use super::FilesystemStore;
use super::files::{File, Files};

/// The root of every such store.
const ROOT: &str = "/store";

/// A disk; clones are one disk.
#[derive(Clone, Debug)]
pub(crate) struct CrashFiles(Arc<Mutex<Disk>>);

/// What goes wrong, at which step. Every call that changes or syncs something is a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// The power goes in the middle of this step.
    PowerLoss(u64),
    /// This step fails once, with this error of the system; a failed sync has dropped the bytes and the next one says all is well.
    Error(u64, i32),
}

#[derive(Debug, Default)]
struct Disk {
    nodes: Vec<Node>,
    steps: u64,
    fault: Option<Fault>,
    off: bool,
}

#[derive(Clone, Debug)]
enum Node {
    Dir { live: BTreeMap<String, usize>, durable: BTreeMap<String, usize> },
    File { live: Vec<u8>, durable: Vec<u8>, dropped: bool },
}

impl Node {
    fn dir() -> Self {
        Self::Dir { live: BTreeMap::new(), durable: BTreeMap::new() }
    }
}

impl CrashFiles {
    /// An empty disk.
    pub(crate) fn new() -> Self {
        let root = Node::Dir { live: [("store".into(), 1)].into(), durable: [("store".into(), 1)].into() };
        Self(Arc::new(Mutex::new(Disk { nodes: vec![root, Node::dir()], ..Disk::default() })))
    }

    /// Opens the store on this disk, as a fresh process would.
    pub(crate) fn store(&self) -> FilesystemStore {
        FilesystemStore::over(Arc::new(self.clone()), Path::new(ROOT), Arc::default(), "one boot").unwrap()
    }

    /// From now on counts steps from 0 and lets `fault` happen.
    pub(crate) fn arm(&self, fault: Option<Fault>) {
        let mut disk = self.disk();
        (disk.steps, disk.fault) = (0, fault);
    }

    /// How many steps there were since [`CrashFiles::arm`].
    pub(crate) fn steps(&self) -> u64 {
        self.disk().steps
    }

    /// The disk after the power came back. `survives` is asked for each piece that was not synced.
    pub(crate) fn power_cycle(&self, mut survives: impl FnMut() -> bool) -> Self {
        let disk = self.disk();
        let nodes = disk.nodes.iter().map(|node| node.after_power_loss(&mut survives)).collect();
        Self(Arc::new(Mutex::new(Disk { nodes, ..Disk::default() })))
    }

    /// The disk after the process was killed: as it was, and nothing of it is more durable than before.
    pub(crate) fn killed(&self) -> Self {
        let nodes = self.disk().nodes.clone();
        Self(Arc::new(Mutex::new(Disk { nodes, ..Disk::default() })))
    }

    fn disk(&self) -> MutexGuard<'_, Disk> {
        self.0.lock().unwrap()
    }
}

impl Node {
    fn after_power_loss(&self, survives: &mut impl FnMut() -> bool) -> Self {
        match self {
            Self::File { live, durable, .. } => {
                let kept = match (live == durable, survives(), survives()) {
                    (true, ..) | (_, true, true) => live.clone(),
                    // A file whose size was written and whose last bytes were not.
                    (_, true, false) => live[..live.len() / 2].to_vec(),
                    (_, false, _) => durable.clone(),
                };
                Self::File { live: kept.clone(), durable: kept, dropped: false }
            }
            Self::Dir { live, durable } => {
                let mut kept = durable.clone();
                for name in
                    live.keys().chain(durable.keys()).filter(|name| live.get(*name) != durable.get(*name))
                {
                    if survives() {
                        match live.get(name) {
                            Some(node) => kept.insert(name.clone(), *node),
                            None => kept.remove(name),
                        };
                    }
                }
                Self::Dir { live: kept.clone(), durable: kept }
            }
        }
    }
}

fn lost() -> io::Error {
    io::Error::other("the power is gone")
}

impl Disk {
    fn find(&self, path: &Path) -> io::Result<usize> {
        if self.off {
            return Err(lost());
        }
        path.iter().skip(1).try_fold(0, |at, name| match &self.nodes[at] {
            Node::Dir { live, .. } => {
                live.get(name.to_str().unwrap()).copied().ok_or(io::ErrorKind::NotFound.into())
            }
            Node::File { .. } => Err(io::ErrorKind::NotADirectory.into()),
        })
    }

    fn entries(&mut self, path: &Path) -> io::Result<(&mut BTreeMap<String, usize>, String)> {
        let folder = self.find(path.parent().unwrap())?;
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        match &mut self.nodes[folder] {
            Node::Dir { live, .. } => Ok((live, name)),
            Node::File { .. } => Err(io::ErrorKind::NotADirectory.into()),
        }
    }

    fn add(&mut self, path: &Path, node: Node) -> io::Result<usize> {
        let id = self.nodes.len();
        let (entries, name) = self.entries(path)?;
        if entries.contains_key(&name) {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        entries.insert(name, id);
        self.nodes.push(node);
        Ok(id)
    }

    /// Whether this step is to be carried out, or half of it.
    fn step(&mut self) -> io::Result<Whole> {
        if self.off {
            return Err(lost());
        }
        self.steps += 1;
        match self.fault {
            Some(Fault::PowerLoss(at)) if at == self.steps - 1 => {
                self.off = true;
                Ok(Whole::No)
            }
            Some(Fault::Error(at, errno)) if at == self.steps - 1 => Err(io::Error::from_raw_os_error(errno)),
            _ => Ok(Whole::Yes),
        }
    }

    fn whole_step(&mut self) -> io::Result<()> {
        if self.step()? == Whole::Yes { Ok(()) } else { Err(lost()) }
    }

    fn sync(&mut self, id: usize) {
        match &mut self.nodes[id] {
            Node::File { live, durable, dropped } => {
                if !*dropped {
                    durable.clone_from(live);
                }
            }
            Node::Dir { live, durable } => durable.clone_from(live),
        }
    }
}

#[derive(PartialEq, Eq)]
enum Whole {
    Yes,
    No,
}

struct CrashFile {
    disk: CrashFiles,
    id: usize,
}

impl CrashFiles {
    fn handle(&self, id: usize) -> Box<dyn File> {
        Box::new(CrashFile { disk: self.clone(), id })
    }
}

impl Files for CrashFiles {
    fn create(&self, path: &Path) -> io::Result<Box<dyn File>> {
        let mut disk = self.disk();
        disk.whole_step()?;
        let id = disk.add(path, Node::File { live: Vec::new(), durable: Vec::new(), dropped: false })?;
        Ok(self.handle(id))
    }

    fn open(&self, path: &Path) -> io::Result<Box<dyn File>> {
        let id = self.disk().find(path)?;
        Ok(self.handle(id))
    }

    fn open_to_write(&self, path: &Path) -> io::Result<Box<dyn File>> {
        self.open(path)
    }

    fn size(&self, path: &Path) -> io::Result<u64> {
        let disk = self.disk();
        match &disk.nodes[disk.find(path)?] {
            Node::File { live, .. } => Ok(live.len() as u64),
            Node::Dir { .. } => Err(io::ErrorKind::NotFound.into()),
        }
    }

    fn is_dir(&self, path: &Path) -> bool {
        let disk = self.disk();
        disk.find(path).is_ok_and(|id| matches!(disk.nodes[id], Node::Dir { .. }))
    }

    fn each(&self, path: &Path, visit: &mut dyn FnMut(&str, bool) -> ControlFlow<()>) -> io::Result<()> {
        let listed: Vec<_> = {
            let disk = self.disk();
            let Node::Dir { live, .. } = &disk.nodes[disk.find(path)?] else {
                return Err(io::ErrorKind::NotADirectory.into());
            };
            live.iter()
                .map(|(name, id)| (name.clone(), matches!(disk.nodes[*id], Node::Dir { .. })))
                .collect()
        };
        // Not in the order of names, which no filesystem promises.
        let _ = listed.iter().rev().try_for_each(|(name, is_dir)| visit(name, *is_dir));
        Ok(())
    }

    fn make_dir(&self, path: &Path) -> io::Result<()> {
        let mut disk = self.disk();
        disk.whole_step()?;
        disk.add(path, Node::dir()).map(drop)
    }

    fn remove_dir(&self, path: &Path) -> io::Result<()> {
        let mut disk = self.disk();
        disk.whole_step()?;
        let id = disk.find(path)?;
        if matches!(&disk.nodes[id], Node::Dir { live, .. } if !live.is_empty()) {
            return Err(io::ErrorKind::DirectoryNotEmpty.into());
        }
        let (entries, name) = disk.entries(path)?;
        entries.remove(&name);
        Ok(())
    }

    fn remove_file(&self, path: &Path) -> io::Result<()> {
        let mut disk = self.disk();
        disk.whole_step()?;
        let (entries, name) = disk.entries(path)?;
        entries.remove(&name).map(drop).ok_or(io::ErrorKind::NotFound.into())
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut disk = self.disk();
        disk.whole_step()?;
        let id = disk.find(from)?;
        disk.find(to.parent().unwrap())?;
        let (entries, name) = disk.entries(from)?;
        entries.remove(&name);
        let (entries, name) = disk.entries(to)?;
        entries.insert(name, id);
        Ok(())
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        let mut disk = self.disk();
        disk.whole_step()?;
        let id = disk.find(path)?;
        disk.sync(id);
        Ok(())
    }

    fn never_block(&self) -> bool {
        true
    }

    fn sync_all(&self, _: &Path) -> io::Result<()> {
        let mut disk = self.disk();
        disk.whole_step()?;
        (0..disk.nodes.len()).for_each(|id| disk.sync(id));
        Ok(())
    }
}

impl File for CrashFile {
    fn size(&self) -> io::Result<u64> {
        Ok(self.bytes()?.len() as u64)
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let bytes = self.bytes()?;
        let from = bytes.get(usize::try_from(offset).unwrap()..).unwrap_or_default();
        let length = from.len().min(buffer.len());
        buffer[..length].copy_from_slice(&from[..length]);
        Ok(length)
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        let mut disk = self.disk.disk();
        let whole = disk.step()? == Whole::Yes;
        let written = if whole { bytes } else { &bytes[..bytes.len() / 2] };
        let Node::File { live, .. } = &mut disk.nodes[self.id] else {
            return Err(io::ErrorKind::IsADirectory.into());
        };
        let from = usize::try_from(offset).unwrap();
        live.resize(live.len().max(from + written.len()), 0);
        live[from..from + written.len()].copy_from_slice(written);
        if whole { Ok(()) } else { Err(lost()) }
    }

    fn sync_data(&self) -> io::Result<()> {
        let mut disk = self.disk.disk();
        if let Err(error) = disk.whole_step() {
            if let Node::File { dropped, .. } = &mut disk.nodes[self.id] {
                *dropped = true;
            }
            return Err(error);
        }
        disk.sync(self.id);
        Ok(())
    }
}

impl CrashFile {
    fn bytes(&self) -> io::Result<Vec<u8>> {
        let disk = self.disk.disk();
        match &disk.nodes[self.id] {
            _ if disk.off => Err(lost()),
            Node::File { live, .. } => Ok(live.clone()),
            Node::Dir { .. } => Err(io::ErrorKind::IsADirectory.into()),
        }
    }
}
