//! The registry's upload layer.
