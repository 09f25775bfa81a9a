//! Writes the definitions of the kinds beside the crate's Cargo.toml: `crds/<plural>.yaml`.

use std::path::Path;

use entrepot_crds::crd;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"));
    for definition in crd::all() {
        let path = folder.join(format!("{}.yaml", definition.spec.names.plural));
        std::fs::write(&path, crd::to_yaml(&definition)?)?;
        println!("{}", path.display());
    }
    Ok(())
}
