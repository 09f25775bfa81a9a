use entrepot_oci::RepositoryName;

/// What a request needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Permission<'a> {
    /// Nothing: the answer tells nobody anything.
    Open,
    /// To be somebody.
    Known,
    /// To list repositories.
    Catalog,
    /// Something in one repository.
    Repository(&'a RepositoryName, Access),
}

/// What is done in a repository.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Read.
    Pull,
    /// Add and overwrite.
    Push,
    /// Remove.
    Delete,
}
