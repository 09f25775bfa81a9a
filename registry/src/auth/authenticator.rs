use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use arc_swap::ArcSwap;
use entrepot_registry_config::UserFile;
use futures::{
    FutureExt as _,
    future::{BoxFuture, Shared},
};
use tokio::sync::Semaphore;

use super::{
    Credentials, Identity, Role,
    nobody::nobody,
    verified::{Mac, Verified},
};

/// Different credentials that may wait to be checked; the next ones are sent away. However many requests come with the
/// same ones, they are checked once.
const QUEUE: usize = 64;

/// Tells who sent a request.
pub struct Authenticator {
    /// `None`: there are no users, anybody may come.
    users: Option<ArcSwap<Users>>,
    realm: String,
    /// bcrypt is made to be slow: were two to run at once, anybody could take two processors from those who pull.
    turn: Arc<Semaphore>,
}

/// One state of the user files, with what has been found out of passwords in that state.
struct Users {
    own: UserFile,
    managed: UserFile,
    pull_only: HashSet<Box<str>>,
    passwords: Mutex<Passwords>,
}

struct Passwords {
    right: Verified,
    /// Waiting for their turn, or having it.
    checked: HashMap<Mac, Check>,
}

/// Whether a password is right, once that is known.
type Check = Shared<BoxFuture<'static, Result<bool, AuthenticationError>>>;

/// Why nobody can say who sent a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
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
    pub fn htpasswd(realm: String, users: UserFile, managed: UserFile, pull_only: &[String]) -> Self {
        Self::with(Some(ArcSwap::from_pointee(Users::new(users, managed, pull_only))), realm)
    }

    fn with(users: Option<ArcSwap<Users>>, realm: String) -> Self {
        Self { users, realm, turn: Arc::new(Semaphore::new(1)) }
    }

    /// Replaces the users, and forgets whose password was right. Without effect on a server that lets anybody in.
    pub fn replace(&self, users: UserFile, managed: UserFile, pull_only: &[String]) {
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
        let (users, name) = (users.load_full(), credentials.name.clone());
        Ok(if self.check(&users, credentials)?.await? {
            users.identity(name)
        } else {
            Identity::Unauthenticated
        })
    }

    /// Begins to check a password, or joins a check of the same one.
    fn check(&self, users: &Arc<Users>, credentials: Credentials) -> Result<Check, AuthenticationError> {
        let mut passwords = users.passwords();
        let mac = passwords.right.mac(&credentials);
        if passwords.right.contains(&mac) {
            return Ok(std::future::ready(Ok(true)).boxed().shared());
        }
        if let Some(check) = passwords.checked.get(&mac) {
            return Ok(check.clone());
        }
        if passwords.checked.len() >= QUEUE {
            return Err(AuthenticationError::Busy);
        }
        // A task of its own: others may wait for it when whoever came first has left.
        let task = tokio::spawn(Arc::clone(users).run(Arc::clone(&self.turn), mac, credentials));
        let check = task.map(|ended| ended.unwrap_or(Err(AuthenticationError::Worker))).boxed().shared();
        passwords.checked.insert(mac, check.clone());
        Ok(check)
    }
}

impl Users {
    fn new(own: UserFile, managed: UserFile, pull_only: &[String]) -> Self {
        let pull_only = pull_only.iter().map(|name| name.as_str().into()).collect();
        let passwords = Mutex::new(Passwords { right: Verified::new(), checked: HashMap::new() });
        Self { own, managed, pull_only, passwords }
    }

    fn passwords(&self) -> MutexGuard<'_, Passwords> {
        self.passwords.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn run(
        self: Arc<Self>,
        turn: Arc<Semaphore>,
        mac: Mac,
        credentials: Credentials,
    ) -> Result<bool, AuthenticationError> {
        let hash = self.hash(&credentials.name);
        let turn = turn.acquire_owned().await;
        let verify = move || bcrypt::verify(credentials.password, &hash).unwrap_or(false);
        let checked = tokio::task::spawn_blocking(verify).await.map_err(|_| AuthenticationError::Worker);
        drop(turn);
        let mut passwords = self.passwords();
        passwords.checked.remove(&mac);
        if checked == Ok(true) {
            passwords.right.insert(mac);
        }
        checked
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

    fn file(users: &[(&str, &str)]) -> UserFile {
        let line =
            |(name, password): &(&str, &str)| format!("{name}:{}\n", bcrypt::hash(password, 4).unwrap());
        UserFile::parse(users.iter().map(line).collect::<String>()).unwrap()
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
        let authenticator = Authenticator::htpasswd("R".into(), before, UserFile::default(), &[]);
        let old = header("ada", "old");
        assert_eq!(authenticator.identify(Some(&old)).await, Ok(user("ada", Role::Full)));
        authenticator.replace(file(&[("ada", "new")]), UserFile::default(), &[]);
        assert_eq!(authenticator.identify(Some(&old)).await, Ok(Identity::Unauthenticated));
        assert_eq!(authenticator.identify(Some(&header("ada", "new"))).await, Ok(user("ada", Role::Full)));
    }

    #[tokio::test]
    async fn without_users_anybody_may_come() {
        assert_eq!(Authenticator::open().identify(Some(&header("x", "y"))).await, Ok(Identity::Anybody));
    }

    #[tokio::test]
    async fn a_full_queue_sends_away_and_the_same_password_waits_once() {
        let users = file(&[("ada", "a")]);
        let authenticator = Arc::new(Authenticator::htpasswd("R".into(), users, UserFile::default(), &[]));
        let turn = authenticator.turn.acquire().await.unwrap();
        let ask = |name: &str, password: &str| {
            let (authenticator, header) = (Arc::clone(&authenticator), header(name, password));
            tokio::spawn(async move { authenticator.identify(Some(&header)).await })
        };
        let same: Vec<_> = (0..10 * QUEUE).map(|_| ask("ada", "a")).collect();
        let others: Vec<_> = (1..QUEUE).map(|number| ask("eve", &number.to_string())).collect();
        assert_eq!(ask("eve", "one more").await.unwrap(), Err(AuthenticationError::Busy));
        drop(turn);
        for asked in same {
            assert_eq!(asked.await.unwrap(), Ok(user("ada", Role::Full)));
        }
        for asked in others {
            assert_eq!(asked.await.unwrap(), Ok(Identity::Unauthenticated));
        }
        assert_eq!(ask("eve", "one more").await.unwrap(), Ok(Identity::Unauthenticated));
    }
}
