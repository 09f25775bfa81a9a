//! Brings a real cluster up and down, and tells the user stories on it.
