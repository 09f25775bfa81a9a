//! Reads containerd's configuration and what it imports, in the order in which containerd merges them.

use std::collections::{BTreeSet, VecDeque};
use std::io::ErrorKind;
use std::path::{Component, Path, PathBuf};

use super::containerd_config::{self, FileFacts, Unusable};

/// No configuration has more files; a longer list is a loop through links.
const MAX_FILES: usize = 256;

/// The facts of `config.toml` in `folder` and of every file that it imports. No file at all is an empty
/// list: containerd then runs with its defaults.
pub fn read(folder: &Path) -> Result<Vec<FileFacts>, Unusable> {
    let mut pending = VecDeque::from([folder.join("config.toml")]);
    let mut seen = BTreeSet::new();
    let mut facts = Vec::new();
    while let Some(path) = pending.pop_front() {
        if seen.len() == MAX_FILES || !seen.insert(path.clone()) {
            continue;
        }
        let unreadable = |why: String| Unusable::Unreadable { file: path.display().to_string(), why };
        let text = match std::fs::read_to_string(&path) {
            Ok(text) => text,
            // An import may lie outside of what is mounted here.
            Err(error) if error.kind() == ErrorKind::NotFound => continue,
            Err(error) => return Err(unreadable(error.to_string())),
        };
        let file = containerd_config::parse(&text).map_err(&unreadable)?;
        for import in &file.imports {
            pending.extend(resolve(&path, import).map_err(|error| unreadable(error.to_string()))?);
        }
        facts.push(file);
    }
    Ok(facts)
}

/// Relative paths start at the importing file's folder; `*` stands for any part of a file's name.
fn resolve(importer: &Path, import: &str) -> std::io::Result<Vec<PathBuf>> {
    let path = clean(&importer.parent().unwrap_or(Path::new("/")).join(import));
    let (Some(folder), Some(pattern)) = (path.parent(), path.file_name().and_then(|name| name.to_str()))
    else {
        return Ok(vec![]);
    };
    if !pattern.contains('*') {
        return Ok(vec![path]);
    }
    let entries = match std::fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(vec![]),
        Err(error) => return Err(error),
    };
    let mut found = Vec::new();
    for entry in entries {
        let name = entry?.file_name();
        if name.to_str().is_some_and(|name| matches(pattern, name)) {
            found.push(folder.join(name));
        }
    }
    found.sort();
    Ok(found)
}

fn clean(path: &Path) -> PathBuf {
    let mut clean = PathBuf::new();
    for part in path.components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir => {
                clean.pop();
            }
            part => clean.push(part),
        }
    }
    clean
}

/// Whether `name` is `pattern` with something, or nothing, for each `*`.
fn matches(pattern: &str, name: &str) -> bool {
    let Some((head, tail)) = pattern.split_once('*') else { return pattern == name };
    let Some(rest) = name.strip_prefix(head) else { return false };
    (0..=rest.len()).any(|at| rest.is_char_boundary(at) && matches(tail, &rest[at..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_as_a_shell_would() {
        for (pattern, name, expected) in [
            ("*.toml", "a.toml", true),
            ("*.toml", "a.tom", false),
            ("a*b*c", "axxbyyc", true),
            ("a*b*c", "acb", false),
            ("*", "ümlaut", true),
            ("x", "x", true),
        ] {
            assert_eq!(matches(pattern, name), expected, "{pattern} {name}");
        }
    }

    #[test]
    fn imports_are_followed_in_order_once_and_missing_ones_skipped() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| {
            let path = folder.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        };
        let at = |path: &str| {
            format!(
                "version = 3\nimports = ['../{}/config.toml', 'gone.toml']\n[plugins.'io.containerd.cri.v1.images'.registry]\nconfig_path = '{path}'\n",
                folder.path().file_name().unwrap().to_str().unwrap()
            )
        };
        write("config.toml", "version = 3\nimports = ['conf.d/*.toml', 'missing/*.toml', 'missing.toml']\n");
        write("conf.d/20.toml", &at("/second"));
        write("conf.d/10.toml", &at("/first"));
        write("conf.d/30.toml.bak", &at("/never"));
        let paths: Vec<_> = read(folder.path()).unwrap().into_iter().map(|file| file.config_path).collect();
        // conf.d/../<folder>/config.toml is not the main file, and is not there.
        assert_eq!(paths, [None, Some("/first".to_owned()), Some("/second".to_owned())]);
    }

    #[test]
    fn no_file_is_no_fact_and_a_broken_one_is_named() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(read(folder.path()), Ok(vec![]));
        std::fs::write(folder.path().join("config.toml"), "version =").unwrap();
        let error = read(folder.path()).unwrap_err();
        assert!(
            matches!(&error, Unusable::Unreadable { file, .. } if file.ends_with("config.toml")),
            "{error}"
        );
    }
}
