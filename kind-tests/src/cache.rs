//! Where build outputs are kept between runs, outside the source tree.

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
};

use nix::fcntl::{Flock, FlockArg};

/// The folder of everything that is expensive to make again.
#[derive(Debug, Clone)]
pub struct Cache {
    root: PathBuf,
}

/// The cache cannot be found or used.
#[derive(Debug, thiserror::Error)]
pub enum CacheError {
    /// No variable says where it is.
    #[error("no place for the cache: set ENTREPOT_CACHE, XDG_CACHE_HOME or HOME")]
    NoPlace,
    /// A folder of the cache cannot be made.
    #[error("cannot make the cache folder {path}: {source}")]
    Create {
        /// The folder.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A lock of the cache cannot be taken.
    #[error("cannot lock {path}: {source}")]
    Lock {
        /// The lock file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
}

impl Cache {
    /// `$ENTREPOT_CACHE`, else `$XDG_CACHE_HOME/entrepot`, else `~/.cache/entrepot`; empty counts as unset.
    pub fn locate(variable: impl Fn(&str) -> Option<PathBuf>) -> Result<Self, CacheError> {
        let set = |name: &str| variable(name).filter(|value| !value.as_os_str().is_empty());
        let root = set("ENTREPOT_CACHE")
            .or_else(|| set("XDG_CACHE_HOME").map(|home| home.join("entrepot")))
            .or_else(|| set("HOME").map(|home| home.join(".cache/entrepot")))
            .ok_or(CacheError::NoPlace)?;
        Ok(Self { root })
    }

    /// The cache that this process's environment names.
    pub fn from_environment() -> Result<Self, CacheError> {
        Self::locate(|name| std::env::var_os(name).map(PathBuf::from))
    }

    /// The folder of the stable symbolic links to built tools.
    pub fn bin(&self) -> PathBuf {
        self.root.join("bin")
    }

    /// A folder of the cache, made if absent.
    pub fn folder(&self, name: &str) -> Result<PathBuf, CacheError> {
        let path = self.root.join(name);
        fs::create_dir_all(&path).map_err(|source| CacheError::Create { path: path.clone(), source })?;
        Ok(path)
    }

    /// Waits for, and takes, the lock called `name`: two processes never make the same thing at once.
    pub async fn lock(&self, name: &str) -> Result<Flock<File>, CacheError> {
        let path = self.folder("locks")?.join(name);
        tokio::task::spawn_blocking(move || lock_file(&path))
            .await
            .unwrap_or_else(|error| std::panic::resume_unwind(error.into_panic()))
    }
}

fn lock_file(path: &Path) -> Result<Flock<File>, CacheError> {
    let failed = |source| CacheError::Lock { path: path.into(), source };
    let file = File::create(path).map_err(failed)?;
    Flock::lock(file, FlockArg::LockExclusive).map_err(|(_, errno)| failed(errno.into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn located(variables: &[(&str, &str)]) -> Option<PathBuf> {
        let find = |name: &str| variables.iter().find(|(key, _)| *key == name).map(|(_, v)| PathBuf::from(v));
        Cache::locate(find).ok().map(|cache| cache.root)
    }

    #[test]
    fn the_most_specific_variable_that_is_not_empty_wins() {
        let all = [("ENTREPOT_CACHE", "/c"), ("XDG_CACHE_HOME", "/x"), ("HOME", "/h")];
        assert_eq!(located(&all), Some("/c".into()));
        assert_eq!(located(&all[1..]), Some("/x/entrepot".into()));
        assert_eq!(located(&all[2..]), Some("/h/.cache/entrepot".into()));
        assert_eq!(located(&[("ENTREPOT_CACHE", ""), ("HOME", "/h")]), Some("/h/.cache/entrepot".into()));
        assert_eq!(located(&[]), None);
    }
}
