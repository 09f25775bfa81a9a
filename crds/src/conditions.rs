//! Condition types and reasons. Both are API: people's alerts and scripts name them.

/// The types of a Registry's conditions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ConditionType {
    /// Storage, certificate and configuration are as the spec asks, and the server answers.
    Ready,
    /// The operator is at work, or waits for something that may still appear.
    Reconciling,
    /// Nothing will happen until a person changes the spec or what stands in its way.
    Stalled,
    /// The volume is bound and as large as the spec asks.
    StorageReady,
    /// The server has the generated certificate and, if one is asked for, the user's.
    CertificateReady,
    /// The references that the configuration needs are there.
    ConfigurationReady,
    /// The server answers.
    Available,
    /// Every node that runs the node agent is configured. Absent where `nodeAccess.mode` is None.
    NodeAccessReady,
}

impl ConditionType {
    /// The word in `status.conditions[].type`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ready => "Ready",
            Self::Reconciling => "Reconciling",
            Self::Stalled => "Stalled",
            Self::StorageReady => "StorageReady",
            Self::CertificateReady => "CertificateReady",
            Self::ConfigurationReady => "ConfigurationReady",
            Self::Available => "Available",
            Self::NodeAccessReady => "NodeAccessReady",
        }
    }
}

/// Declares the reasons once: the enum, its words and the list of all of them.
macro_rules! reasons {
    ($($(#[doc = $doc:literal])+ $name:ident),+ $(,)?) => {
        /// The reasons of a Registry's conditions.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Reason {
            $($(#[doc = $doc])+ $name),+
        }

        impl Reason {
            /// Every reason, in the order of their declaration.
            pub const ALL: &[Self] = &[$(Self::$name),+];

            /// The word in `status.conditions[].reason`.
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$name => stringify!($name)),+
                }
            }
        }
    };
}

reasons! {
    /// Everything is as the spec asks.
    AsSpecified,
    /// The operator's own work is not finished.
    Progressing,
    /// `spec.suspend` is set: nothing is changed.
    Suspended,
    /// The spec holds a value that cannot work.
    InvalidSpec,
    /// An object with a name the Registry needs belongs to somebody else.
    NameConflict,
    /// The API server refused a write.
    WriteRefused,

    /// The volume is bound.
    VolumeBound,
    /// The claim waits for a volume.
    VolumePending,
    /// The claim lost its volume.
    VolumeLost,
    /// The volume is being enlarged.
    VolumeResizing,
    /// The claim cannot be enlarged, because its `StorageClass` does not allow it.
    VolumeResizeRefused,
    /// `storageClassName` names a `StorageClass` that does not exist.
    StorageClassNotFound,
    /// No `StorageClass` is named and the cluster has no default one.
    NoDefaultStorageClass,
    /// `existingClaim` names a claim that does not exist.
    ClaimNotFound,

    /// The certificates are valid and in use.
    CertificateValid,
    /// The certificate waits for the Service's address.
    ServiceAddressPending,
    /// The CA's Secret holds no usable CA.
    AuthorityUnusable,
    /// The Secret of `tls.secretRef` does not exist.
    TlsSecretNotFound,
    /// The Secret of `tls.secretRef` lacks `tls.crt` or `tls.key`.
    TlsSecretIncomplete,
    /// The user's certificate or key cannot be read.
    CertificateUnreadable,
    /// The user's certificate has no subject alternative name, so no client accepts it.
    CertificateWithoutNames,
    /// The user's key is not the certificate's.
    CertificateKeyMismatch,
    /// The user's certificate has expired.
    CertificateExpired,
    /// The user's certificate is not valid yet.
    CertificateNotYetValid,

    /// The Secret of `auth.htpasswdSecretRef` does not exist.
    HtpasswdSecretNotFound,
    /// The Secret of `auth.htpasswdSecretRef` has neither the key `htpasswd` nor `auth`.
    HtpasswdSecretIncomplete,
    /// The file in the Secret of `auth.htpasswdSecretRef` holds a line that is no user with a bcrypt hash.
    HtpasswdUnreadable,
    /// A generated credential's Secret no longer holds what it was created with.
    CredentialUnusable,

    /// The server answers.
    ServerAvailable,
    /// The server's Pod is starting.
    ServerStarting,
    /// The server's Pod does not become ready.
    ServerUnavailable,

    /// Every node that runs the node agent is configured.
    NodesConfigured,
    /// Some nodes are not configured.
    NodesPending,
    /// No node agent has reported.
    NoNodeReports,
}

#[cfg(test)]
mod tests {
    use super::Reason;

    /// The pattern the API server holds a condition's reason to.
    #[test]
    fn reasons_are_unique_words() {
        let mut words: Vec<&str> = Reason::ALL.iter().map(|reason| reason.as_str()).collect();
        assert!(words.iter().all(|word| word.chars().all(char::is_alphanumeric)));
        words.sort_unstable();
        words.dedup();
        assert_eq!(words.len(), Reason::ALL.len());
    }
}
