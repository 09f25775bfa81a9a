//! The registry's store layer.
