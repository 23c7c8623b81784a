//! Requests of programs that embed the crate: any method, any headers, any body, and the same client.

use ureq::http::{HeaderMap, Request, Response};
use ureq::{Body, Error};
use vault_core::secret::SecretBytes;

use super::{Exchange, HttpClient, MAX_BODY, reach};
use crate::address::Address;
use crate::grant::GrantError;

/// What a server answered, whole.
#[derive(Debug)]
pub(crate) struct Called {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: SecretBytes,
}

impl HttpClient {
    /// Sends a request, once. `request` has method and address too; these are for the log.
    pub(crate) fn call(
        &self,
        method: &'static str,
        address: &Address,
        request: Request<Vec<u8>>,
    ) -> Result<Called, GrantError> {
        let started = self.clock.monotonic();
        let sent = request.body().len();
        let outcome = self
            .run(request)
            .map_err(|error| reach::failure(&address.authority(), error, self.total_timeout));
        if let Some(log) = &self.log {
            log.record(&Exchange {
                method,
                address: address.without_values(),
                status: outcome.as_ref().ok().map(|called| called.status),
                duration: self.clock.monotonic().saturating_sub(started),
                sent,
                received: outcome.as_ref().map_or(0, |called| called.body.len()),
                failure: outcome.as_ref().err().map(ToString::to_string),
            });
        }
        let called = outcome?;
        self.note_skew(address, &called.headers, self.clock.now());
        Ok(called)
    }

    fn run(&self, request: Request<Vec<u8>>) -> Result<Called, Error> {
        let mut response: Response<Body> = if request.body().is_empty() {
            self.agent.run(request.map(drop))?
        } else {
            self.agent.run(request)?
        };
        let body = response.body_mut().with_config().limit(MAX_BODY as u64).read_to_vec()?;
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        Ok(Called { status, headers, body: SecretBytes::new(body) })
    }
}
