//! Sessions of keyward: login by the OAuth 2.0 device authorization grant (RFC 8628), tokens that refresh
//! themselves whatever else runs at the same time, API keys, and the interface for programs that embed it.
//!
//! The crate never prints, prompts or exits, and reads no environment. It opens network connections through
//! one module alone, and reads the clock through [`clock`] alone.
//!
//! Modules stand in order of dependence: each uses only those above it.

pub mod clock;

pub mod server_text;

pub mod address;

pub mod token;

pub mod session;

pub mod grant;

mod server_json;

pub mod http;

pub mod metadata;

pub mod dpop;

pub mod token_endpoint;

pub mod device;

pub mod jwks;

pub mod id_token;

pub mod revocation;

pub mod protected;

pub mod whoami;

pub mod userinfo;

pub mod tenants;

pub mod journal;

pub mod stored_session;

pub mod lock;

pub mod session_file;

pub mod spill;

pub mod token_store;

pub mod login;

pub mod refresh;

pub mod profile;

pub mod selection;

pub mod api_key;

pub mod credential;

pub mod pending;

pub mod device_record;

pub mod revocation_queue;

pub mod sdk;

#[cfg(test)]
mod samples;
