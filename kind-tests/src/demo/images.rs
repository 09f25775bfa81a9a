//! What the demo pushes: an image of several layers, and an index over two architectures.

use std::{fs, io, path::PathBuf};

use tempfile::TempDir;

use crate::{
    busybox,
    oci_layout::{Entry, Image, LayerFormat, Layout, LayoutError, host_architecture},
};

/// The image of several layers; `deploy/samples/pod.yaml` runs it as well.
pub const BUSYBOX: &str = "demo/busybox:1";
/// The index over two architectures.
pub const MULTI_ARCH: &str = "demo/multiarch:1";
/// The port of the page that both serve.
pub const PORT: u16 = 8080;
const ENTRYPOINT: [&str; 6] = ["/bin/httpd", "-f", "-p", "8080", "-h", "/www"];
const NOBODY: &str = "65532:65532";

/// An image that lies on the disk as an OCI layout.
#[derive(Debug)]
pub struct Made {
    /// `repository:tag`.
    pub name: &'static str,
    /// Its digest, or its index's.
    pub digest: String,
    /// The layout's folder.
    pub layout: PathBuf,
    /// In a few words.
    pub contents: String,
}

/// Makes both in `folder`.
pub fn make(folder: &TempDir) -> Result<[Made; 2], LayoutError> {
    let other = if host_architecture() == "arm64" { "amd64" } else { "arm64" };
    let hello = image(vec![page("Hello from an image of three layers."), greeting()]);
    let multi_arch = [image(vec![page("Hello from one of two architectures.")]), foreign(other)];
    let contents = format!("an index over {} and {other}", host_architecture());
    Ok([
        write(folder, BUSYBOX, &[hello], "one image of three layers".to_owned())?,
        write(folder, MULTI_ARCH, &multi_arch, contents)?,
    ])
}

fn write(
    folder: &TempDir,
    name: &'static str,
    images: &[Image],
    contents: String,
) -> Result<Made, LayoutError> {
    let mut layout = Layout::default();
    let digest = layout.add(name, images)?;
    let path = folder.path().join(name.replace(['/', ':'], "-"));
    layout.write_folder(&path)?;
    Ok(Made { name, digest, layout: path, contents })
}

fn image(layers: Vec<Vec<Entry>>) -> Image {
    Image { user: NOBODY.to_owned(), ..busybox::image(layers, &ENTRYPOINT) }
}

/// For machines of another kind: nothing here runs it, but a registry and its clients must carry it along.
fn foreign(architecture: &str) -> Image {
    let content = format!("There is no program for {architecture} here.\n").into_bytes();
    Image {
        architecture: architecture.to_owned(),
        layers: vec![vec![Entry::Bytes { path: "README".to_owned(), mode: 0o644, content }].into()],
        format: LayerFormat::Gzip,
        entrypoint: ENTRYPOINT.map(str::to_owned).to_vec(),
        user: NOBODY.to_owned(),
    }
}

fn page(text: &str) -> Vec<Entry> {
    let content = format!("{text}\n").into_bytes();
    vec![
        Entry::Folder { path: "www".to_owned(), mode: 0o755 },
        Entry::Bytes { path: "www/index.html".to_owned(), mode: 0o644, content },
    ]
}

fn greeting() -> Vec<Entry> {
    let content = b"A layer of its own.\n".to_vec();
    vec![Entry::Bytes { path: "www/layer.txt".to_owned(), mode: 0o644, content }]
}

/// Is the program that the images are made of there, and does it run without a C library?
pub fn check_program() -> io::Result<()> {
    let unfit =
        |reason: &str| io::Error::other(format!("{reason}; on Debian: apt-get install busybox-static"));
    let program =
        fs::read(busybox::PROGRAM).map_err(|error| unfit(&format!("{}: {error}", busybox::PROGRAM)))?;
    // The interpreter's path follows the program headers; a static program has none.
    let head = &program[..program.len().min(4096)];
    let dynamic = head.windows(7).any(|bytes| bytes == b"/ld-lin" || bytes == b"/ld-mus");
    if dynamic { Err(unfit(&format!("{} is dynamically linked", busybox::PROGRAM))) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_machine_makes_the_same_digests() {
        let folders = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
        let digests = folders.each_ref().map(|folder| make(folder).unwrap().map(|made| made.digest));
        assert_eq!(digests[0], digests[1]);
        assert_ne!(digests[0][0], digests[0][1]);
    }

    #[test]
    fn the_program_is_fit_for_an_image_of_its_own() {
        check_program().unwrap();
    }
}
