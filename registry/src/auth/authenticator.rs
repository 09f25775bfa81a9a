use std::{
    collections::HashSet,
    sync::{Arc, Mutex, PoisonError},
};

use arc_swap::ArcSwap;
use tokio::sync::Semaphore;

use super::{Credentials, Htpasswd, Identity, Role, htpasswd::nobody, verified::Verified};

/// Checks that may wait for their turn. Each is a request that holds a connection; the next ones are sent away.
const QUEUE: usize = 64;

/// Tells who sent a request.
pub struct Authenticator {
    /// `None`: there are no users, anybody may come.
    users: Option<ArcSwap<Users>>,
    realm: String,
    waiting: Semaphore,
    /// bcrypt is made to be slow: were two to run at once, anybody could take two processors from those who pull.
    turn: Semaphore,
}

/// One state of the user files, with the passwords already found right in that state.
struct Users {
    own: Htpasswd,
    managed: Htpasswd,
    pull_only: HashSet<Box<str>>,
    verified: Mutex<Verified>,
}

/// Why nobody can say who sent a request.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum AuthenticationError {
    /// Too many passwords wait to be checked.
    #[error("too many passwords are being checked; try again in a second")]
    Busy,
    /// The thread that checked has died.
    #[error("the password could not be checked")]
    Worker,
}

impl Authenticator {
    /// Lets anybody in.
    pub fn open() -> Self {
        Self::with(None, String::new())
    }

    /// Lets the users of two files in; `managed` wins where both know a name, and of its users those in `pull_only` may
    /// only pull. `realm` goes into the challenge.
    pub fn htpasswd(realm: String, users: Htpasswd, managed: Htpasswd, pull_only: &[String]) -> Self {
        Self::with(Some(ArcSwap::from_pointee(Users::new(users, managed, pull_only))), realm)
    }

    fn with(users: Option<ArcSwap<Users>>, realm: String) -> Self {
        Self { users, realm, waiting: Semaphore::new(QUEUE), turn: Semaphore::new(1) }
    }

    /// Replaces the users, and forgets whose password was right. Without effect on a server that lets anybody in.
    pub fn replace(&self, users: Htpasswd, managed: Htpasswd, pull_only: &[String]) {
        if let Some(current) = &self.users {
            current.store(Arc::new(Users::new(users, managed, pull_only)));
        }
    }

    /// The value of `WWW-Authenticate`.
    pub fn challenge(&self) -> String {
        format!("Basic realm=\"{}\"", self.realm)
    }

    /// Who sent a request with this `Authorization` header.
    pub async fn identify(&self, header: Option<&[u8]>) -> Result<Identity, AuthenticationError> {
        let Some(users) = &self.users else { return Ok(Identity::Anybody) };
        let Some(credentials) = header.and_then(Credentials::parse) else {
            return Ok(Identity::Unauthenticated);
        };
        let users = users.load_full();
        if !users.is_verified(&credentials) && !self.check(&users, &credentials).await? {
            return Ok(Identity::Unauthenticated);
        }
        Ok(users.identity(credentials.name))
    }

    async fn check(
        &self,
        users: &Arc<Users>,
        credentials: &Credentials,
    ) -> Result<bool, AuthenticationError> {
        let _waiting = self.waiting.try_acquire().map_err(|_| AuthenticationError::Busy)?;
        let _turn = self.turn.acquire().await.map_err(|_| AuthenticationError::Worker)?;
        // Clients open several connections at once, all with the same password: the first one has been checked by now.
        if users.is_verified(credentials) {
            return Ok(true);
        }
        let hash = users.hash(&credentials.name);
        let password = credentials.password.clone();
        let checked = tokio::task::spawn_blocking(move || bcrypt::verify(password, &hash).unwrap_or(false));
        let right = checked.await.map_err(|_| AuthenticationError::Worker)?;
        if right {
            users.verified().insert(credentials);
        }
        Ok(right)
    }
}

impl Users {
    fn new(own: Htpasswd, managed: Htpasswd, pull_only: &[String]) -> Self {
        let pull_only = pull_only.iter().map(|name| name.as_str().into()).collect();
        Self { own, managed, pull_only, verified: Mutex::new(Verified::new()) }
    }

    fn verified(&self) -> std::sync::MutexGuard<'_, Verified> {
        self.verified.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_verified(&self, credentials: &Credentials) -> bool {
        self.verified().contains(credentials)
    }

    fn hash(&self, name: &str) -> String {
        let found = self.managed.hash(name).or_else(|| self.own.hash(name));
        found.map_or_else(|| nobody(self.managed.cost().max(self.own.cost())), ToOwned::to_owned)
    }

    fn identity(&self, name: String) -> Identity {
        let restricted = self.managed.hash(&name).is_some() && self.pull_only.contains(name.as_str());
        let role = if restricted { Role::PullOnly } else { Role::Full };
        Identity::User { name: name.into(), role }
    }
}

#[cfg(test)]
mod tests {
    use base64::{Engine as _, engine::general_purpose::STANDARD};

    use super::*;

    fn file(users: &[(&str, &str)]) -> Htpasswd {
        let line =
            |(name, password): &(&str, &str)| format!("{name}:{}\n", bcrypt::hash(password, 4).unwrap());
        Htpasswd::parse(&users.iter().map(line).collect::<String>()).unwrap()
    }

    fn header(name: &str, password: &str) -> Vec<u8> {
        format!("Basic {}", STANDARD.encode(format!("{name}:{password}"))).into_bytes()
    }

    fn user(name: &str, role: Role) -> Identity {
        Identity::User { name: name.into(), role }
    }

    #[tokio::test]
    async fn tells_users_apart() {
        let users = file(&[("ada", "a"), ("pull", "taken over"), ("other", "o")]);
        let managed = file(&[("admin", "m"), ("pull", "p")]);
        let authenticator =
            Authenticator::htpasswd("Registry".into(), users, managed, &["pull".into(), "ada".into()]);
        let identify =
            async |name, password| authenticator.identify(Some(&header(name, password))).await.unwrap();
        assert_eq!(identify("ada", "a").await, user("ada", Role::Full));
        assert_eq!(identify("ada", "a").await, user("ada", Role::Full));
        assert_eq!(identify("ada", "b").await, Identity::Unauthenticated);
        assert_eq!(identify("admin", "m").await, user("admin", Role::Full));
        assert_eq!(identify("pull", "p").await, user("pull", Role::PullOnly));
        assert_eq!(identify("pull", "taken over").await, Identity::Unauthenticated);
        assert_eq!(identify("eve", "").await, Identity::Unauthenticated);
        assert_eq!(authenticator.identify(None).await, Ok(Identity::Unauthenticated));
        assert_eq!(authenticator.identify(Some(b"Bearer x")).await, Ok(Identity::Unauthenticated));
        assert_eq!(authenticator.challenge(), "Basic realm=\"Registry\"");
    }

    #[tokio::test]
    async fn a_changed_file_ends_what_was_verified() {
        let before = file(&[("ada", "old")]);
        let authenticator = Authenticator::htpasswd("R".into(), before, Htpasswd::default(), &[]);
        let old = header("ada", "old");
        assert_eq!(authenticator.identify(Some(&old)).await, Ok(user("ada", Role::Full)));
        authenticator.replace(file(&[("ada", "new")]), Htpasswd::default(), &[]);
        assert_eq!(authenticator.identify(Some(&old)).await, Ok(Identity::Unauthenticated));
        assert_eq!(authenticator.identify(Some(&header("ada", "new"))).await, Ok(user("ada", Role::Full)));
    }

    #[tokio::test]
    async fn without_users_anybody_may_come() {
        assert_eq!(Authenticator::open().identify(Some(&header("x", "y"))).await, Ok(Identity::Anybody));
    }

    #[tokio::test]
    async fn a_full_queue_sends_away() {
        let authenticator =
            Authenticator::htpasswd("R".into(), file(&[("ada", "a")]), Htpasswd::default(), &[]);
        let _all: Vec<_> = (0..QUEUE).map(|_| authenticator.waiting.try_acquire().unwrap()).collect();
        assert_eq!(authenticator.identify(Some(&header("ada", "a"))).await, Err(AuthenticationError::Busy));
    }
}
