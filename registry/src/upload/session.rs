use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{DateTime, TimeDelta, Utc};
use entrepot_oci::RepositoryName;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

/// How long an upload can be gone on with; distribution purges what is older, too.
const MAX_AGE: TimeDelta = TimeDelta::days(7);
/// Two replicas' clocks, or one before and after a correction, may differ by this much.
const CLOCK_SKEW: TimeDelta = TimeDelta::minutes(5);
const ID: usize = 16;
const STARTED: usize = 8;
const MAC: usize = 32;

/// Signs and checks upload sessions, so that starting an upload stores nothing: what `POST` answers proves itself.
#[derive(Clone)]
pub struct Sessions {
    key: Hmac<Sha256>,
}

/// An upload that somebody has started.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Session {
    /// Its random name.
    pub id: Uuid,
    /// When it was started, to the second.
    pub started: DateTime<Utc>,
}

impl Sessions {
    /// With `secret` as the key; it must be the same after a restart, or uploads begun before are unknown.
    pub fn new(secret: &[u8]) -> Self {
        // Hashed first, a secret of any length fits the key's one block.
        let mut block = [0; 64];
        block[..MAC].copy_from_slice(&Sha256::digest(secret));
        Self { key: Hmac::new(&block.into()) }
    }

    /// The token for `session`, of 75 characters of `[A-Za-z0-9_-]`. Only `principal` can use it, only in `repository`.
    pub fn sign(&self, session: &Session, repository: &RepositoryName, principal: &str) -> String {
        let mut token = Vec::with_capacity(ID + STARTED + MAC);
        token.extend_from_slice(session.id.as_bytes());
        token.extend_from_slice(&session.started.timestamp().to_be_bytes());
        let mac = self.mac(&token, repository, principal).finalize().into_bytes();
        token.extend_from_slice(&mac);
        URL_SAFE_NO_PAD.encode(token)
    }

    /// The session that `token` stands for. Compares in constant time.
    pub fn open(
        &self,
        token: &str,
        repository: &RepositoryName,
        principal: &str,
        now: DateTime<Utc>,
    ) -> Result<Session, SessionError> {
        let token = URL_SAFE_NO_PAD.decode(token).map_err(|_| SessionError::Malformed)?;
        let (head, mac) = token.split_at_checked(ID + STARTED).ok_or(SessionError::Malformed)?;
        self.mac(head, repository, principal).verify_slice(mac).map_err(|_| SessionError::Signature)?;
        let (id, started) = head.split_at(ID);
        let id = Uuid::from_slice(id).map_err(|_| SessionError::Malformed)?;
        let started = started.try_into().map(i64::from_be_bytes).map_err(|_| SessionError::Malformed)?;
        let started = DateTime::from_timestamp(started, 0).ok_or(SessionError::Malformed)?;
        if now - started > MAX_AGE || started - now > CLOCK_SKEW {
            return Err(SessionError::Expired { started });
        }
        Ok(Session { id, started })
    }

    fn mac(&self, head: &[u8], repository: &RepositoryName, principal: &str) -> Hmac<Sha256> {
        // `head` has one length and a repository name no NUL, so no two triples give the same text.
        let mut mac = self.key.clone();
        for part in [b"entrepot upload\0", head, repository.as_str().as_bytes(), b"\0", principal.as_bytes()]
        {
            mac.update(part);
        }
        mac
    }
}

impl fmt::Debug for Sessions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Sessions")
    }
}

/// Why a token stands for no session. A client learns only that the upload is unknown.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SessionError {
    /// Not of our form.
    #[error("the upload token is malformed")]
    Malformed,
    /// Of another repository, principal or secret, or made up.
    #[error("the upload token is not signed for this repository and this user")]
    Signature,
    /// Too old, or from the future.
    #[error("the upload was started at {started}, which is too long ago or yet to come")]
    Expired {
        /// When it says it was started.
        started: DateTime<Utc>,
    },
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn name(text: &str) -> RepositoryName {
        text.parse().unwrap()
    }

    fn at(seconds: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(seconds, 0).unwrap()
    }

    fn session() -> Session {
        Session { id: Uuid::from_u128(7), started: at(1_000_000) }
    }

    #[test]
    fn opens_for_the_same_repository_and_principal_only() {
        let sessions = Sessions::new(b"secret");
        let token = sessions.sign(&session(), &name("team/app"), "ci");
        assert_eq!(token.len(), 75);
        let open = |sessions: &Sessions, repository: &str, principal: &str| {
            sessions.open(&token, &name(repository), principal, at(1_000_060))
        };
        assert_eq!(open(&sessions, "team/app", "ci"), Ok(session()));
        assert_eq!(open(&sessions, "team/other", "ci"), Err(SessionError::Signature));
        assert_eq!(open(&sessions, "team/app", "admin"), Err(SessionError::Signature));
        assert_eq!(open(&Sessions::new(b"another"), "team/app", "ci"), Err(SessionError::Signature));
    }

    #[test]
    fn expires() {
        let sessions = Sessions::new(b"secret");
        let token = sessions.sign(&session(), &name("a"), "");
        let open = |now| sessions.open(&token, &name("a"), "", at(now));
        assert_eq!(open(1_000_000 + 7 * 86_400), Ok(session()));
        let expired = Err(SessionError::Expired { started: at(1_000_000) });
        assert_eq!(open(1_000_001 + 7 * 86_400), expired);
        assert_eq!(open(1_000_000 - 301), expired);
    }

    proptest! {
        #[test]
        fn nothing_made_up_opens(text in ".*", flip in 0_usize..56, bit in 0_u32..8) {
            let sessions = Sessions::new(b"secret");
            prop_assert!(sessions.open(&text, &name("a"), "ci", at(1_000_000)).is_err());
            let mut token = URL_SAFE_NO_PAD.decode(sessions.sign(&session(), &name("a"), "ci")).unwrap();
            token[flip] ^= 1 << bit;
            let opened = sessions.open(&URL_SAFE_NO_PAD.encode(token), &name("a"), "ci", at(1_000_000));
            prop_assert_eq!(opened, Err(SessionError::Signature));
        }
    }
}
