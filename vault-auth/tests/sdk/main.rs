//! The interface for programs: what authorizes requests, what a client makes of answers, and the examples, which
//! are run against a backend on a loopback port.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]

#[path = "../../examples/api_key_client.rs"]
#[allow(dead_code, reason = "the test calls what `main` calls")]
mod api_key_client;
#[path = "../../examples/refreshing_client.rs"]
#[allow(dead_code, reason = "the test calls what `main` calls")]
mod refreshing_client;

mod backend;
mod bearer;
mod examples;
mod keys;
