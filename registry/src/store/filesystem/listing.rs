use std::io;
use std::ops::ControlFlow;
use std::path::Path;

use entrepot_oci::{Algorithm, Digest, RepositoryName, Tag};

use super::Volume;
use super::failure::{During as _, if_present};
use super::layout::Layout;
use crate::store::{LinkKind, Page, StoreError};

pub(super) fn links(
    store: &Volume,
    repository: &RepositoryName,
    kind: LinkKind,
    after: Option<&Digest>,
    limit: usize,
) -> Result<Page<Digest>, StoreError> {
    let mut found = Vec::new();
    for algorithm in Algorithm::ALL {
        let folder = store.layout.links(repository, kind, algorithm);
        let mut digests = children(store, &folder, |name| Digest::from_parts(algorithm, name).ok())?;
        digests.retain(|digest| after.is_none_or(|after| digest > after));
        digests.sort_unstable();
        for digest in digests {
            if found.len() > limit {
                break;
            }
            if is_file(store, &Layout::link_in(&folder, digest.hex()))? {
                found.push(digest);
            }
        }
    }
    Ok(Page::cut(found, limit))
}

pub(super) fn tags(
    store: &Volume,
    repository: &RepositoryName,
    after: Option<&str>,
    limit: usize,
) -> Result<Page<Tag>, StoreError> {
    let folder = store.layout.tags(repository);
    let is_after = |tag: &Tag| after.is_none_or(|after| tag.as_str() > after);
    let mut tags: Vec<Tag> = children(store, &folder, |name| name.parse().ok().filter(is_after))?;
    tags.sort_unstable();
    let mut found = Vec::new();
    for tag in tags {
        if found.len() > limit {
            break;
        }
        // What a crash left of a tag that was being made or deleted has a folder and names nothing.
        if is_file(store, &store.layout.tag_current(repository, &tag))? {
            found.push(tag);
        }
    }
    Ok(Page::cut(found, limit))
}

pub(super) fn has_manifests(store: &Volume, repository: &RepositoryName) -> Result<bool, StoreError> {
    for algorithm in Algorithm::ALL {
        let folder = store.layout.links(repository, LinkKind::Revision, algorithm);
        let (mut found, mut failed) = (false, Ok(()));
        let listed = store.files.each(&folder, &mut |name, is_dir| {
            if is_dir && Digest::from_parts(algorithm, name).is_ok() {
                match is_file(store, &Layout::link_in(&folder, name)) {
                    Ok(there) => found = there,
                    Err(error) => failed = Err(error),
                }
            }
            if found || failed.is_err() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        });
        if_present(listed).during("list", &folder)?;
        failed?;
        if found {
            return Ok(true);
        }
    }
    Ok(false)
}

pub(super) fn repositories(
    store: &Volume,
    after: Option<&str>,
    limit: usize,
) -> Result<Page<RepositoryName>, StoreError> {
    let mut walk = Walk { store, after, wanted: limit.saturating_add(1), found: Vec::new() };
    walk.beneath("", &store.layout.repositories())?;
    Ok(Page::cut(walk.found, limit))
}

/// A walk through the repositories in the byte order of their full names, which is not the order of the folders: `a-b`
/// stands between `a` and `a/b`.
struct Walk<'a> {
    store: &'a Volume,
    after: Option<&'a str>,
    wanted: usize,
    found: Vec<RepositoryName>,
}

impl Walk<'_> {
    fn beneath(&mut self, prefix: &str, folder: &Path) -> Result<(), StoreError> {
        let is_part = |name: &str| name.parse::<RepositoryName>().is_ok().then(|| name.to_owned());
        let names = children(self.store, folder, is_part)?;
        // Everything beneath `a` starts with `a/`, so that this text stands for all of it among its siblings.
        let mut steps: Vec<String> =
            names.iter().flat_map(|name| [format!("{prefix}{name}"), format!("{prefix}{name}/")]).collect();
        steps.sort_unstable();
        for step in steps {
            if self.found.len() >= self.wanted {
                break;
            }
            match step.strip_suffix('/') {
                Some(_)
                    if self.after.is_some_and(|after| after > step.as_str() && !after.starts_with(&step)) => {
                }
                Some(name) => self.beneath(&step, &self.store.layout.repositories().join(name))?,
                None => self.visit(&step)?,
            }
        }
        Ok(())
    }

    fn visit(&mut self, name: &str) -> Result<(), StoreError> {
        if self.after.is_some_and(|after| name <= after) {
            return Ok(());
        }
        // Too long in all: no client can name it.
        let Ok(name) = name.parse::<RepositoryName>() else { return Ok(()) };
        if has_manifests(self.store, &name)? {
            self.found.push(name);
        }
        Ok(())
    }
}

/// The folders in `folder` whose names `parse` understands.
fn children<T>(
    store: &Volume,
    folder: &Path,
    parse: impl Fn(&str) -> Option<T>,
) -> Result<Vec<T>, StoreError> {
    let mut found = Vec::new();
    let listed = store.files.each(folder, &mut |name, is_dir| {
        found.extend(parse(name).filter(|_| is_dir));
        ControlFlow::Continue(())
    });
    if_present(listed).during("list", folder)?;
    Ok(found)
}

fn is_file(store: &Volume, path: &Path) -> Result<bool, StoreError> {
    let size: io::Result<u64> = store.files.size(path);
    Ok(if_present(size).during("look up", path)?.is_some())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use futures::executor::block_on;
    use proptest::prelude::*;

    use super::super::crash::CrashFiles;
    use crate::store::{LinkKind, Mutation, Store};

    proptest! {
        #[test]
        fn pages_of_any_size_are_the_sorted_names(
            names in proptest::collection::btree_set("[ab]([-./][ab]){0,3}", 1..12),
            limit in 1_usize..5,
            after in "[ab./-]{0,6}",
        ) {
            let store = CrashFiles::new().store();
            let digest = entrepot_oci::Digest::of(entrepot_oci::Algorithm::Sha256, b"");
            let links = names.iter().map(|name| Mutation::PutLink {
                repository: name.parse().unwrap(),
                kind: LinkKind::Revision,
                digest: digest.clone(),
                target: digest.clone(),
            });
            block_on(store.write(links.collect())).unwrap();
            let (mut found, mut last) = (BTreeSet::new(), after.clone());
            loop {
                let page = block_on(store.repositories(Some(&last), limit)).unwrap();
                prop_assert!(page.items.len() <= limit && page.items.is_sorted());
                found.extend(page.items.iter().map(ToString::to_string));
                match page.items.last() {
                    Some(name) if page.more => last = name.to_string(),
                    _ => break,
                }
            }
            let expected: BTreeSet<String> = names.into_iter().filter(|name| *name > after).collect();
            prop_assert_eq!(found, expected);
        }
    }
}
