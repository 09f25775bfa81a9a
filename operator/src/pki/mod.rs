//! Certificates: the authority of each Registry, the leaves that it issues, and what a user brings.
//!
//! Everything is pure but for the keys, which the library draws from the operating system. The clock
//! is an argument.

mod authority;
mod leaf;
mod pem;
pub mod user_certificate;

use std::net::IpAddr;

pub use authority::{Authority, Issued};
pub use leaf::Leaf;
pub use pem::certificate_sections;

/// A subject alternative name (RFC 5280 section 4.2.1.6) of the two kinds that a TLS client compares.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum San {
    /// A host name; a leading `*.` is allowed.
    Dns(String),
    /// An address. A client that connects by address compares nothing else.
    Ip(IpAddr),
}

/// What can go wrong with material that the operator makes or has stored.
#[derive(Debug, thiserror::Error)]
pub enum PkiError {
    /// The library refused to make a key or to sign.
    #[error("{doing}")]
    Generate {
        /// What was being done.
        doing: &'static str,
        /// What the library answered.
        source: rcgen::Error,
    },
    /// A name that a certificate cannot hold.
    #[error("{name:?} cannot be a subject alternative name: only ASCII host names can")]
    Name {
        /// The name as given.
        name: String,
    },
    /// No leaf was asked for any name: no client would accept it.
    #[error("a server certificate needs at least one subject alternative name")]
    NoName,
    /// Stored material is not what it is stored as.
    #[error("{what} cannot be read: {why}")]
    Unreadable {
        /// Which of the two files.
        what: &'static str,
        /// What the parser answered.
        why: String,
    },
    /// The stored certificate may not sign others.
    #[error("the stored certificate is not a certificate authority")]
    NotAnAuthority,
    /// The stored key belongs to another certificate.
    #[error("the stored key does not belong to the stored certificate")]
    KeyMismatch,
    /// The authority's own life is over, or so near its end that no leaf can be issued.
    #[error("the certificate authority expired at {at}")]
    AuthorityExpired {
        /// End of its life.
        at: jiff::Timestamp,
    },
    /// The clock shows a time that no certificate can express.
    #[error("the time {now} is outside what a certificate can express")]
    Clock {
        /// The time as given.
        now: jiff::Timestamp,
    },
}

#[cfg(test)]
mod tests;
