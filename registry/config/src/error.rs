use std::fmt;

/// Where a value was written, for people to find it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// One-based line of the configuration file.
    Line(u64),
    /// Name of an environment variable.
    Variable(String),
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Line(line) => write!(f, "line {line}"),
            Self::Variable(name) => write!(f, "environment variable {name}"),
        }
    }
}

/// One thing wrong with a configuration. No message repeats a value that may be a secret.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    /// The text is no YAML document.
    #[error("the configuration is not valid YAML: {message}")]
    Syntax {
        /// The parser's words, with line and column.
        message: String,
    },
    /// The value of a variable is no YAML document.
    #[error("{place}: the value is not valid YAML; put it in single quotes if it is plain text")]
    VariableSyntax {
        /// The variable.
        place: Place,
    },
    /// A variable names a list entry beyond the list's end.
    #[error("{place}: the list has {length} entries, so the next index is {length}")]
    VariableIndex {
        /// The variable.
        place: Place,
        /// Entries that the list has.
        length: usize,
    },
    /// A key that the server needs is not there.
    #[error("{key} is missing: {remedy}")]
    Missing {
        /// Dotted path of the key.
        key: String,
        /// What to write.
        remedy: String,
    },
    /// The key is ours or distribution's, its value is not acceptable.
    #[error("{place}: {key} {expected}")]
    Invalid {
        /// Where.
        place: Place,
        /// Dotted path of the key.
        key: String,
        /// Completes the sentence that the key begins.
        expected: String,
    },
    /// Distribution knows the key, this server does not, and ignoring it would change what is stored or who may do what.
    #[error("{place}: {key} is not supported: {remedy}")]
    Unsupported {
        /// Where.
        place: Place,
        /// Dotted path of the key.
        key: String,
        /// What to do instead.
        remedy: String,
    },
    /// Nobody knows the key.
    #[error("{place}: {key} is not a key of the configuration; known here: {known}")]
    Unknown {
        /// Where.
        place: Place,
        /// Dotted path of the key.
        key: String,
        /// Comma-separated keys that are known at this level.
        known: String,
    },
}

/// Everything that is wrong with a configuration, in the order of the schema; never empty.
#[derive(Debug, PartialEq, Eq)]
pub struct ConfigError {
    /// At least one.
    pub problems: Vec<Problem>,
}

impl From<Problem> for ConfigError {
    fn from(problem: Problem) -> Self {
        Self { problems: vec![problem] }
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.problems.iter().enumerate() {
            let separator = if index == 0 { "" } else { "\n" };
            write!(f, "{separator}{problem}")?;
        }
        Ok(())
    }
}

impl std::error::Error for ConfigError {}

/// Something in the configuration that has no effect.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum Warning {
    /// A key of distribution's that this server does without.
    #[error("{place}: {key} has no effect here")]
    Ignored {
        /// Where.
        place: Place,
        /// Dotted path of the key.
        key: String,
    },
    /// A key that nobody knows, where ignoring it is harmless.
    #[error("{place}: {key} is not a known key and has no effect")]
    UnknownKey {
        /// Where.
        place: Place,
        /// Dotted path of the key.
        key: String,
    },
    /// A `REGISTRY_*` variable that names no key.
    #[error("environment variable {name} names no key of the configuration and has no effect")]
    UnknownVariable {
        /// The variable.
        name: String,
    },
    /// `log.formatter: logstash`.
    #[error("{place}: log.formatter logstash is not supported; logs are written as json")]
    Logstash {
        /// Where.
        place: Place,
    },
    /// `http.debug` without an address starts no listener, as in distribution.
    #[error("{place}: http.debug has no addr, so no debug listener is started")]
    DebugWithoutAddress {
        /// Where.
        place: Place,
    },
}
