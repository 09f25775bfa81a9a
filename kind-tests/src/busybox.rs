//! Images around Debian's `busybox-static`: a shell, a web server and its clients in two megabytes, from no registry.

use crate::oci_layout::{Entry, Image, Layer, LayerFormat, host_architecture};

/// Where Debian's package puts the program.
pub const PROGRAM: &str = "/bin/busybox";
/// The commands that the image has under their own names; any other is `busybox NAME`.
const COMMANDS: [&str; 20] = [
    "cat", "chmod", "cp", "date", "echo", "env", "grep", "httpd", "id", "ls", "mkdir", "nslookup", "ps",
    "rm", "sh", "sleep", "stat", "touch", "true", "wget",
];

/// The layer with the program and its commands.
pub fn base_layer() -> Vec<Entry> {
    let folder = |path: &str, mode| Entry::Folder { path: path.to_owned(), mode };
    let link = |name: &&str| Entry::Link { path: format!("bin/{name}"), target: "busybox".to_owned() };
    let program = Entry::Host { path: "bin/busybox".to_owned(), mode: 0o755, source: PROGRAM.into() };
    let mut entries = vec![folder("bin", 0o755), program];
    entries.extend(COMMANDS.iter().map(link));
    entries.push(folder("tmp", 0o1777));
    entries
}

/// An image for this machine: the base layer and, on top, those given.
pub fn image(layers: Vec<Vec<Entry>>, entrypoint: &[&str]) -> Image {
    Image {
        architecture: host_architecture().to_owned(),
        layers: std::iter::once(base_layer()).chain(layers).map(Layer::from).collect(),
        format: LayerFormat::Gzip,
        entrypoint: entrypoint.iter().map(|word| (*word).to_owned()).collect(),
        user: String::new(),
    }
}
