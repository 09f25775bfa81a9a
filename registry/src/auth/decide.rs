use entrepot_oci::RepositoryName;

use super::{Access, Identity, Permission, Role};

/// Whether a request goes on. Known before anything stored is looked at, so that no answer tells what exists.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision {
    /// It does.
    Allow,
    /// 401: a password may help.
    Challenge,
    /// 403: another user may.
    Deny(Denial),
}

/// Why a known user may not.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("user `{user}` may only pull; to {} {repository} use the credentials of another user", verb(*.access))]
pub struct Denial {
    /// Who asked.
    pub user: String,
    /// For what.
    pub access: Access,
    /// Where.
    pub repository: RepositoryName,
}

fn verb(access: Access) -> &'static str {
    match access {
        Access::Pull => "pull from",
        Access::Push => "push to",
        Access::Delete => "delete from",
    }
}

/// The one place where it is decided who may do what.
pub fn decide(identity: &Identity, permission: Permission<'_>) -> Decision {
    let (name, role) = match (identity, permission) {
        (_, Permission::Open) | (Identity::Anybody, _) => return Decision::Allow,
        (Identity::Unauthenticated, _) => return Decision::Challenge,
        (Identity::User { name, role }, _) => (name, role),
    };
    match (role, permission) {
        (Role::PullOnly, Permission::Repository(repository, access @ (Access::Push | Access::Delete))) => {
            Decision::Deny(Denial { user: name.to_string(), access, repository: repository.clone() })
        }
        (Role::Full, _)
        | (
            Role::PullOnly,
            Permission::Open
            | Permission::Known
            | Permission::Catalog
            | Permission::Repository(_, Access::Pull),
        ) => Decision::Allow,
    }
}

#[cfg(test)]
mod tests {
    use super::{
        Decision::{Allow, Challenge},
        *,
    };

    #[test]
    fn the_whole_table() {
        let repository: RepositoryName = "team/app".parse().unwrap();
        let user = |name: &str, role| Identity::User { name: name.into(), role };
        let permissions = [
            Permission::Open,
            Permission::Known,
            Permission::Catalog,
            Permission::Repository(&repository, Access::Pull),
            Permission::Repository(&repository, Access::Push),
            Permission::Repository(&repository, Access::Delete),
        ];
        let decide_all = |identity: &Identity| permissions.map(|permission| decide(identity, permission));
        let deny =
            |access| Decision::Deny(Denial { user: "pull".into(), access, repository: repository.clone() });
        let challenges = [Allow, Challenge, Challenge, Challenge, Challenge, Challenge];
        let denials = [Allow, Allow, Allow, Allow, deny(Access::Push), deny(Access::Delete)];
        assert_eq!(decide_all(&Identity::Unauthenticated), challenges);
        assert_eq!(decide_all(&Identity::Anybody), [Allow, Allow, Allow, Allow, Allow, Allow]);
        assert_eq!(decide_all(&user("admin", Role::Full)), [Allow, Allow, Allow, Allow, Allow, Allow]);
        assert_eq!(decide_all(&user("pull", Role::PullOnly)), denials);
    }

    #[test]
    fn a_denial_says_who_what_and_where() {
        let repository = "team/app".parse().unwrap();
        let denial = Denial { user: "pull".into(), access: Access::Push, repository };
        assert_eq!(
            denial.to_string(),
            "user `pull` may only pull; to push to team/app use the credentials of another user"
        );
    }
}
