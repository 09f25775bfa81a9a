use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Lets the process open as many files as its hard limit allows. The soft limit is 1024 on many systems, for the sake of
/// programs that use select(2); a connection with a blob takes two.
pub(super) fn raise_limit() {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit { current: limit.maximum, ..limit };
    if let Err(error) = setrlimit(Resource::Nofile, raised) {
        tracing::warn!(%error, "the limit of open files stays at {:?}", limit.current);
    }
}
