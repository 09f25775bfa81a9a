//! The verbs over real stores: what they answer, what they leave on disk, what survives a crash and a crowd.

mod client;
mod crash;
mod crowd;
mod held;
mod layout;
mod verbs;
