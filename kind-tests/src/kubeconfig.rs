//! Kubeconfig files. They are written as JSON, which every reader of YAML takes.

use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::json;

use crate::pki::Issued;

/// A kubeconfig for one user of one cluster, with everything in it: no file beside it can go missing.
pub fn render(server: &str, authority: &str, user: &Issued) -> String {
    let config = json!({
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "entrepot", "cluster": {
            "server": server,
            "certificate-authority-data": STANDARD.encode(authority),
        }}],
        "users": [{"name": "entrepot", "user": {
            "client-certificate-data": STANDARD.encode(&user.certificate),
            "client-key-data": STANDARD.encode(&user.key),
        }}],
        "contexts": [{"name": "entrepot", "context": {"cluster": "entrepot", "user": "entrepot"}}],
        "current-context": "entrepot",
    });
    format!("{config:#}\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_client_library_reads_what_is_rendered() {
        let user = Issued { certificate: "CERT".into(), key: "KEY".into() };
        let text = render("https://127.0.0.1:6443", "CA", &user);
        let read = kube::config::Kubeconfig::from_yaml(&text).unwrap();
        let cluster = read.clusters[0].cluster.as_ref().unwrap();
        assert_eq!(cluster.server.as_deref(), Some("https://127.0.0.1:6443"));
        assert_eq!(cluster.certificate_authority_data.as_deref(), Some("Q0E="));
        assert_eq!(read.current_context.as_deref(), Some("entrepot"));
    }
}
