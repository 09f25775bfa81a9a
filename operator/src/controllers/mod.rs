//! The controllers: one folder a kind.

pub mod quantity;
pub mod registry;
