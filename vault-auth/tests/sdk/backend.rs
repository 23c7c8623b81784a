//! A backend in the place of the network.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use vault_auth::grant::GrantError;
use vault_auth::sdk::{Request, Response, Transport};
use vault_core::secret::SecretBytes;

/// What the backend answers, with a status, headers and a body.
pub(crate) type Answer = (u16, &'static [(&'static str, &'static str)], String);

/// A backend in this process: it answers in order, and notes what it was asked.
#[derive(Debug, Default)]
pub(crate) struct Backend {
    answers: Mutex<VecDeque<Answer>>,
    seen: Mutex<Vec<Vec<(&'static str, String)>>>,
}

impl Backend {
    pub(crate) fn answering(answers: impl IntoIterator<Item = Answer>) -> Arc<Self> {
        Arc::new(Self { answers: Mutex::new(answers.into_iter().collect()), seen: Mutex::default() })
    }

    /// Returns the values of a header, one for each request that had it.
    pub(crate) fn seen(&self, header: &str) -> Vec<String> {
        let seen = self.seen.lock().unwrap();
        let headers = seen.iter().flatten().filter(|(name, _)| *name == header);
        headers.map(|(_, value)| value.clone()).collect()
    }

    pub(crate) fn requests(&self) -> usize {
        self.seen.lock().unwrap().len()
    }
}

impl Transport for Backend {
    fn send(&self, request: &Request) -> Result<Response, GrantError> {
        let headers = request.headers().iter();
        let headers = headers.map(|(name, value)| (*name, value.expose_secret().to_owned())).collect();
        self.seen.lock().unwrap().push(headers);
        let (status, headers, body) =
            self.answers.lock().unwrap().pop_front().unwrap_or((200, &[], String::new()));
        let headers = headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        Ok(Response::new(status, headers.collect(), SecretBytes::new(body.into_bytes())))
    }
}
