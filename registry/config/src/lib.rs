//! The registry's configuration file: distribution's schema, environment overrides, validation.
