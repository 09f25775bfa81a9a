//! Where the server's container finds what it reads and writes. Folders are mounted whole: the kubelet does not update
//! a single mounted file.

pub(super) const CONFIG_DIR: &str = "/etc/distribution";
pub(super) const CONFIG_KEY: &str = "config.yml";
pub(super) const CONFIG_FILE: &str = "/etc/distribution/config.yml";

pub(super) const TLS_DIR: &str = "/etc/entrepot/tls";
pub(super) const TLS_CERTIFICATE: &str = "/etc/entrepot/tls/tls.crt";
pub(super) const TLS_KEY: &str = "/etc/entrepot/tls/tls.key";

pub(super) const EXTRA_TLS_DIR: &str = "/etc/entrepot/tls-extra";
pub(super) const EXTRA_TLS_CERTIFICATE: &str = "/etc/entrepot/tls-extra/tls.crt";
pub(super) const EXTRA_TLS_KEY: &str = "/etc/entrepot/tls-extra/tls.key";

pub(super) const HTPASSWD_KEY: &str = "htpasswd";
pub(super) const MANAGED_DIR: &str = "/etc/entrepot/managed";
pub(super) const MANAGED_HTPASSWD: &str = "/etc/entrepot/managed/htpasswd";
pub(super) const USERS_DIR: &str = "/etc/entrepot/users";
pub(super) const USERS_HTPASSWD: &str = "/etc/entrepot/users/htpasswd";

pub(super) const HTTP_SECRET_KEY: &str = "http-secret";
pub(super) const KEYS_DIR: &str = "/etc/entrepot/keys";
pub(super) const HTTP_SECRET: &str = "/etc/entrepot/keys/http-secret";

pub(super) const DATA_DIR: &str = "/var/lib/registry";
