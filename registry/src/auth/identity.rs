/// Who a request comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Identity {
    /// Users exist, and the request names none of them or a wrong password.
    Unauthenticated,
    /// The server knows no users: whoever reaches it is welcome.
    Anybody,
    /// A user whose password was right.
    User {
        /// As in the htpasswd file.
        name: Box<str>,
        /// What the user is for.
        role: Role,
    },
}

/// What a user is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Everything.
    Full,
    /// Reading only, as nodes do.
    PullOnly,
}

impl Identity {
    /// The user's name; `None` for nobody in particular.
    pub fn name(&self) -> Option<&str> {
        match self {
            Self::User { name, .. } => Some(name),
            Self::Unauthenticated | Self::Anybody => None,
        }
    }

    /// Whom an upload belongs to. No user's name is empty.
    pub fn principal(&self) -> &str {
        self.name().unwrap_or_default()
    }
}
