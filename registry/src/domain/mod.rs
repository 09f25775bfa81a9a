//! The registry's domain layer.
