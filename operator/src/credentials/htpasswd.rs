//! Lines of an htpasswd file in bcrypt, the only form that distribution and this registry read.

use bcrypt::Version;
use entrepot_registry_config::UserFile;

/// Generated passwords hold 190 random bits, so nobody tries them all at any cost; a higher one
/// would only make the server slower to answer its first pull after a restart.
const COST: u32 = 6;

/// Why no line could be made.
#[derive(Debug, thiserror::Error)]
pub enum HtpasswdError {
    /// A colon ends the user's name in the file; a newline would start another line.
    #[error(
        "the user name {user:?} holds a colon or a control character, which an htpasswd file cannot carry"
    )]
    User {
        /// The name as given.
        user: String,
    },
    /// bcrypt reads 72 bytes at most, and no NUL.
    #[error("hashing the password of {user:?}")]
    Hash {
        /// Whose password it is.
        user: String,
        /// What bcrypt answered.
        source: bcrypt::BcryptError,
    },
}

/// `user:$2y$06$…` and no newline.
pub fn htpasswd_line(user: &str, password: &str) -> Result<String, HtpasswdError> {
    if user.is_empty() || user.contains(':') || user.chars().any(char::is_control) {
        return Err(HtpasswdError::User { user: user.to_owned() });
    }
    let parts = bcrypt::non_truncating_hash_with_result(password, COST)
        .map_err(|source| HtpasswdError::Hash { user: user.to_owned(), source })?;
    // $2y is the prefix that Apache's own htpasswd writes; old readers know no other.
    Ok(format!("{user}:{}", parts.format_for_version(Version::TwoY)))
}

/// Whether `file` lets `user` in with `password`. A file that the server would refuse lets nobody in.
pub fn htpasswd_verifies(file: &str, user: &str, password: &str) -> bool {
    let Ok(file) = UserFile::parse(file) else { return false };
    file.hash(user).is_some_and(|hash| bcrypt::non_truncating_verify(password, hash).unwrap_or(false))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_verifies_for_its_user_and_password_alone() {
        let file = format!(
            "# made by a test\n{}\r\n{}\n",
            htpasswd_line("admin", "s3cret").unwrap(),
            htpasswd_line("pull", "other").unwrap()
        );
        assert!(file.contains("admin:$2y$06$"), "{file}");
        assert!(htpasswd_verifies(&file, "admin", "s3cret"));
        assert!(htpasswd_verifies(&file, "pull", "other"));
        assert!(!htpasswd_verifies(&file, "admin", "other"));
        assert!(!htpasswd_verifies(&file, "adm", "s3cret"));
        assert!(!htpasswd_verifies("", "admin", "s3cret"));
    }

    #[test]
    fn a_line_of_apaches_htpasswd_verifies() {
        // htpasswd -nbBC 5 user password
        let file = "user:$2y$05$Iv2bj52hLQfpR/E.AKTY/OU1zwKePI80sE1E.4nnmvmlDIzrnlri2\n";
        assert!(htpasswd_verifies(file, "user", "password"));
    }

    #[test]
    fn a_stale_second_line_or_a_foreign_scheme_does_not_verify() {
        let stale = format!(
            "{}\n{}\n",
            htpasswd_line("admin", "new").unwrap(),
            htpasswd_line("admin", "old").unwrap()
        );
        assert!(!htpasswd_verifies(&stale, "admin", "new"));
        assert!(!htpasswd_verifies("admin:{SHA}W6ph5Mm5Pz8GgiULbPgzG37mj9g=", "admin", "password"));
    }

    #[test]
    fn names_and_passwords_that_no_file_can_carry_are_refused() {
        for user in ["", "a:b", "a\nb"] {
            assert!(matches!(htpasswd_line(user, "x"), Err(HtpasswdError::User { .. })), "{user:?}");
        }
        assert!(matches!(htpasswd_line("a", &"x".repeat(80)), Err(HtpasswdError::Hash { .. })));
    }
}
