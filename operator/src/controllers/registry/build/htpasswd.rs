//! The htpasswd file of the generated identities.

use k8s_openapi::api::core::v1::Secret;

use super::super::finding::Finding;
use super::super::validate::Validated;
use super::credentials::{ADMIN, PULL};
use super::{BuildError, Child, metadata, paths, secret};
use crate::credentials::{htpasswd_line, htpasswd_verifies};

/// The live file as long as it verifies both passwords, or a new one: bcrypt's salt makes every new one differ, and a
/// file that differs restarts the server.
pub(super) fn build(
    validated: &Validated,
    admin: &Child<Secret>,
    pull: &Child<Secret>,
    live: Option<&Secret>,
) -> Result<Result<Secret, Finding>, BuildError> {
    let users = match (password(admin), password(pull)) {
        (Ok(admin), Ok(pull)) => [(ADMIN, admin), (PULL, pull)],
        (Err(finding), _) | (_, Err(finding)) => return Ok(Err(finding)),
    };
    let current = live.and_then(|live| secret::text(live, paths::HTPASSWD_KEY));
    let file = match current.filter(|file| is_exactly(file, &users)) {
        Some(file) => file.to_owned(),
        None => users
            .iter()
            .map(|(user, password)| htpasswd_line(user, password).map(|line| line + "\n"))
            .collect::<Result<String, _>>()?,
    };
    let meta = metadata::owned(validated, validated.names.htpasswd_secret());
    Ok(Ok(secret::secret(meta, secret::OPAQUE, [(paths::HTPASSWD_KEY, &file)])))
}

/// Whether `file` lets in these users and nobody else.
fn is_exactly(file: &str, users: &[(&str, &str)]) -> bool {
    file.lines().count() == users.len()
        && users.iter().all(|(user, password)| htpasswd_verifies(file, user, password))
}

fn password(planned: &Child<Secret>) -> Result<&str, Finding> {
    match planned {
        Child::Present(planned) => Ok(secret::text(planned, "password").unwrap_or_default()),
        Child::NotYet(_) | Child::Absent => planned.ready().map(|_| ""),
    }
}
