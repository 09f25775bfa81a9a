//! A real image: a Debian base, and nginx in a layer on top.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    io::Read,
    path::{Path, PathBuf},
};

use entrepot_kind_tests::{
    cache::Cache,
    oci_layout::{Image, Layer, LayerFormat, Layout, host_architecture},
    process,
    progress::Progress,
};
use futures::future::try_join;

const RELEASE: &str = "bookworm";
/// Its tag in the layout.
pub(crate) const TAG: &str = "1";

/// The image's OCI layout, made once and kept: it takes two installations of Debian, a minute or two.
pub(crate) async fn nginx(progress: &Progress) -> PathBuf {
    let cache = Cache::from_environment().unwrap();
    let folder = cache.folder("images").unwrap().join(format!("debian-{RELEASE}-nginx"));
    let _lock = cache.lock("debian-nginx").await.unwrap();
    if !folder.is_dir() {
        let scratch = tempfile::tempdir_in(folder.parent().unwrap()).unwrap();
        let layout = scratch.path().join("layout");
        let estimate = std::time::Duration::from_secs(150);
        progress
            .long_step("installing Debian and nginx into an image", estimate, make(scratch.path(), &layout))
            .await;
        fs::rename(&layout, &folder).unwrap();
    }
    folder
}

async fn make(scratch: &Path, folder: &Path) {
    let (base, full, top) = (scratch.join("base.tar"), scratch.join("full.tar"), scratch.join("nginx.tar"));
    let install = |archive: &Path, more: &'static [&'static str]| {
        let archive = archive.display().to_string();
        async move {
            let arguments = ["--quiet", "--variant=minbase"].iter().chain(more).copied();
            process::call("mmdebstrap", arguments.chain([RELEASE, archive.as_str()])).await
        }
    };
    try_join(install(&base, &[]), install(&full, &["--include=nginx-light"])).await.unwrap();
    difference(&base, &full, &top);
    let image = Image {
        architecture: host_architecture().to_owned(),
        layers: vec![Layer::Tar(base), Layer::Tar(top)],
        // Docker and podman compress what they push; so one of the three pushes is of large plain layers.
        format: LayerFormat::Plain,
        entrypoint: ["/usr/sbin/nginx", "-g", "daemon off;"].map(str::to_owned).to_vec(),
        user: String::new(),
    };
    let mut layout = Layout::default();
    layout.add(&format!("localhost/nginx:{TAG}"), &[image]).unwrap();
    layout.write_folder(folder).unwrap();
}

/// What tells one entry of an archive from another of the same path: kind, permissions, owner, link, content.
type Nature = (u8, u32, u64, Option<PathBuf>, Vec<u8>);

/// Writes to `top` every entry of `full` that `base` lacks or has otherwise.
fn difference(base: &Path, full: &Path, top: &Path) {
    let mut below = BTreeMap::new();
    for entry in tar::Archive::new(File::open(base).unwrap()).entries().unwrap() {
        let mut entry = entry.unwrap();
        let nature = nature(&mut entry);
        below.insert(entry.path().unwrap().into_owned(), nature);
    }
    let mut archive = tar::Builder::new(File::create(top).unwrap());
    for entry in tar::Archive::new(File::open(full).unwrap()).entries().unwrap() {
        let mut entry = entry.unwrap();
        let (path, mut header) = (entry.path().unwrap().into_owned(), entry.header().clone());
        let nature = nature(&mut entry);
        if below.get(&path) == Some(&nature) {
            continue;
        }
        match nature {
            (.., Some(target), _) => archive.append_link(&mut header, path, target).unwrap(),
            (.., None, content) => archive.append_data(&mut header, path, content.as_slice()).unwrap(),
        }
    }
    archive.finish().unwrap();
}

fn nature<R: Read>(entry: &mut tar::Entry<'_, R>) -> Nature {
    let link = entry.link_name().unwrap().map(std::borrow::Cow::into_owned);
    let mut content = Vec::new();
    entry.read_to_end(&mut content).unwrap();
    let header = entry.header();
    (header.entry_type().as_byte(), header.mode().unwrap(), header.uid().unwrap(), link, content)
}
