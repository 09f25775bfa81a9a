//! Labels, annotations and finalizers: part of the API, other people's scripts select by them.

/// Label: the name of the Registry an object belongs to.
pub const REGISTRY: &str = "entrepot.dev/registry";
/// Label: the UID of the Registry an object belongs to.
pub const REGISTRY_UID: &str = "entrepot.dev/registry-uid";
/// Label of namespaces whose Pods may read a Registry's metrics; its value is `true`.
pub const SCRAPE: &str = "entrepot.dev/scrape";
/// Label of the node agent's reports; its value is `true`.
pub const NODE_REPORT: &str = "entrepot.dev/node-report";
/// Annotation of the CA Secret: the Service's `clusterIPs`, comma-separated, to restore a lost Service with.
pub const CLUSTER_IPS: &str = "entrepot.dev/cluster-ips";
/// Annotation of the server's Pod: a hash of everything the server reads at start.
pub const CHECKSUM: &str = "entrepot.dev/checksum";
/// Annotation of what the operator applies: a hash of the whole object as it was applied.
pub const APPLIED: &str = "entrepot.dev/applied";
/// Finalizer of a Registry whose deletion also deletes what it would otherwise leave behind.
pub const STORAGE_FINALIZER: &str = "entrepot.dev/storage";
/// The field manager of everything the operator applies.
pub const FIELD_MANAGER: &str = "entrepot-operator";

/// Standard label: the application's name.
pub const APP_NAME: &str = "app.kubernetes.io/name";
/// Standard label: the application's instance.
pub const APP_INSTANCE: &str = "app.kubernetes.io/instance";
/// Standard label: the part of the application.
pub const APP_COMPONENT: &str = "app.kubernetes.io/component";
/// Standard label: what manages the object.
pub const APP_MANAGED_BY: &str = "app.kubernetes.io/managed-by";
/// Value of [`APP_NAME`] and [`APP_COMPONENT`] on everything the operator makes for a Registry.
pub const APP: &str = "entrepot";
