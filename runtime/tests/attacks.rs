//! A component that tries everything to get out, to get more than its share, and to leave something behind. Each attempt
//! ends as docs/security.md says.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, reason = "a test that panics has failed")]

#[path = "support/guest.rs"]
mod guest;

mod attacks {
    mod attacker;
    mod files;
    mod limits;
    mod network;
    mod requests;
    mod server;
    mod surroundings;
}
