//! Opening the file of sessions for a command: store, sources, and which session is meant.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use vault_auth::address::Address;
use vault_auth::clock::{SystemClock, UnixTime};
use vault_auth::device_record::{DeviceRecordError, device_key, machine_mark};
use vault_auth::dpop::DeviceKey;
use vault_auth::grant::{GrantError, TokenEndpoint};
use vault_auth::http::HttpClient;
use vault_auth::profile::Profiles;
use vault_auth::refresh::{Access, Need, RefreshError, Refresher};
use vault_auth::selection::Selection;
use vault_auth::session::SessionKey;
use vault_auth::session_file::{SessionFile, SessionFileError};
use vault_auth::stored_session::StoredSession;
use vault_auth::token::TokenType;
use vault_auth::token_endpoint::{HttpTokenEndpoint, OauthClient};
use vault_core::secret::SecretString;
use vault_core::store::{FileStore, StoreError, VaultStore};
use vault_core::vault::commit::CommitError;

use crate::context::Context;
use crate::enrol::Creation;
use crate::error::{CommandError, Kind, refresh_failed, session_file_failed};
use crate::network;
use crate::revoke::work_off;
use crate::sources::Sources;

/// The file of sessions of a command, or its absence, which is that nobody ever signed in.
#[derive(Debug)]
pub(crate) struct SessionAccess<'c> {
    pub(crate) ctx: &'c Context,
    /// Where the file is; a process without a home has none, and may need none.
    store: Result<FileStore, CommandError>,
}

impl<'c> SessionAccess<'c> {
    /// Finds the file; nothing is read yet.
    pub(crate) fn new(ctx: &'c Context) -> Result<Self, CommandError> {
        ctx.warn_if_soft();
        Self::beside_the_vault(ctx)
    }

    /// Finds the file for a command that looks at the vault too, and has warned of what is to be warned of.
    pub(crate) fn beside_the_vault(ctx: &'c Context) -> Result<Self, CommandError> {
        Ok(Self { ctx, store: ctx.session_store() })
    }

    /// Returns the path of the file.
    pub(crate) fn path(&self) -> PathBuf {
        self.store.as_ref().map_or_else(|_| PathBuf::new(), |store| store.location().to_path_buf())
    }

    /// Opens the file; `None` where there is none yet.
    pub(crate) fn open(&self) -> Result<Option<SessionFile>, CommandError> {
        self.open_with(Sources::of_sessions(self.ctx)?)
    }

    /// Opens the file if that takes nobody's attention.
    pub(crate) fn open_quietly(&self) -> Result<Option<SessionFile>, CommandError> {
        self.open_with(Sources::of_sessions(self.ctx)?.without_prompts())
    }

    /// Opens the file, and makes one first where there is none.
    pub(crate) fn open_or_create(&self) -> Result<SessionFile, CommandError> {
        if let Some(file) = self.open()? {
            return Ok(file);
        }
        match Creation::of_sessions(self.ctx)?.commit_sessions(self.store.clone()?) {
            Ok(file) => Ok(self.with_spill(file)),
            Err(SessionFileError::Commit(CommitError::Store(StoreError::Conflict { .. }))) => self
                .open()?
                .ok_or_else(|| CommandError::new(Kind::Conflict, "the file of sessions is gone again")),
            Err(error) => Err(self.failed(error)),
        }
    }

    /// Loads profiles and says which session is meant.
    pub(crate) fn select(&self, file: &SessionFile) -> Result<Selection, CommandError> {
        let profiles = self.profiles(file)?;
        self.ctx.selection_words()?.select(&profiles)
    }

    /// Loads the profiles.
    pub(crate) fn profiles(&self, file: &SessionFile) -> Result<Profiles, CommandError> {
        Profiles::load(file).map_err(|error| self.failed(error))
    }

    /// Returns the sessions that can be read, and why another one can't be: it does not stand in their way.
    pub(crate) fn sessions(
        &self,
        file: &SessionFile,
    ) -> Result<(Vec<StoredSession>, Option<CommandError>), CommandError> {
        let (mut readable, mut unreadable) = (Vec::new(), None);
        for session in file.sessions().map_err(|error| self.failed(error))? {
            match session {
                Ok(session) => readable.push(session),
                Err(error) => unreadable = Some(self.failed(error)),
            }
        }
        Ok((readable, unreadable))
    }

    /// Returns the sessions that can be read, and warns of another one.
    pub(crate) fn readable_sessions(&self, file: &SessionFile) -> Result<Vec<StoredSession>, CommandError> {
        let (readable, unreadable) = self.sessions(file)?;
        unreadable.iter().for_each(|error| self.ctx.ui.warn(&error.message));
        Ok(readable)
    }

    /// Makes the error of a file that could not be read or written.
    pub(crate) fn failed(&self, error: SessionFileError) -> CommandError {
        session_file_failed(&self.path(), error)
    }

    /// Returns the device key of this installation.
    pub(crate) fn device_key(&self, file: &SessionFile) -> Result<DeviceKey, CommandError> {
        device_key(file, machine_mark().as_deref()).map_err(|error| match error {
            DeviceRecordError::File(error) => self.failed(error),
            error => CommandError::new(Kind::Failed, "there is no device key").caused_by(&error),
        })
    }

    /// Returns a session whose access token is good for what is needed. The network is used only if it is not, and
    /// nothing that only the network needs is made before.
    pub(crate) fn access(
        &self,
        file: &SessionFile,
        key: &SessionKey,
        need: Need,
    ) -> Result<Access, CommandError> {
        let clock = SystemClock::new();
        let failed = |error| refresh_failed(&self.path(), error);
        if let Some(session) = Refresher::new(file, &clock, &offline).fresh(key, need).map_err(failed)? {
            return Ok(Access {
                session,
                refreshed: false,
                postponed: None,
                unsaved: None,
                hook_failed: None,
            });
        }
        let client = network::client(self.ctx, "to refresh the session");
        let (http, device) = match client.and_then(|http| Ok((http, Arc::new(self.device_key(file)?)))) {
            Ok(both) => both,
            // A token that is good all the same needs neither.
            Err(error) => {
                let found = Refresher::new(file, &clock, &offline).access(key, need);
                return found.map_err(|why| match why {
                    RefreshError::Grant(_) => error,
                    why => failed(why),
                });
            }
        };
        let fingerprint = device.fingerprint();
        let by = Arc::clone(&http);
        let connect = move |session: &StoredSession| endpoint(&by, session, &device);
        let refresher = Refresher::new(file, &clock, &connect).with_device(&fingerprint);
        let refresher = refresher.with_lock_deadline(patience(self.ctx));
        let found = refresher.access(key, need).map_err(failed)?;
        if found.refreshed {
            // The server could be asked: so can be those that earlier logouts could not reach. If not, another day.
            drop(work_off(file, &http, unix_time(self.ctx)));
        }
        Ok(found)
    }

    /// Says what a refresh left undone, and returns the exit code for the command's end: its work is done, and yet
    /// new tokens that are in no file are a failure.
    pub(crate) fn settle(&self, access: &Access) -> u8 {
        if let Some(postponed) = &access.postponed {
            self.ctx.ui.detail(&format!("the session was not refreshed early: {postponed}"));
        }
        let Some(unsaved) = &access.unsaved else { return 0 };
        let error = CommandError::new(Kind::NotDurable, "the new tokens are not in the file of sessions")
            .caused_by(&unsaved.failure);
        let error = match &unsaved.kept_in {
            Some(path) => error.hint(format!("they are kept in {} until the next start", path.display())),
            None if unsaved.failure.is_written() => {
                error.hint("they are stored; run `sync` to be sure of it")
            }
            None => error.hint("make room on the disk, then sign in again: `keyward auth login`"),
        };
        self.ctx.ui.error(&error);
        error.kind.exit_code()
    }

    fn open_with(&self, mut sources: Sources) -> Result<Option<SessionFile>, CommandError> {
        let opened = SessionFile::open(self.store.clone()?, &mut sources.in_order());
        opened.map(|file| file.map(|file| self.with_spill(file))).map_err(|error| self.failed(error))
    }

    fn with_spill(&self, file: SessionFile) -> SessionFile {
        match self.ctx.runtime_directory() {
            Some(directory) => file.with_spill(directory),
            None => file,
        }
    }
}

/// What a refresh without the network would reach.
fn offline(_: &StoredSession) -> Result<Box<dyn TokenEndpoint>, GrantError> {
    Err(GrantError::NotReached { host: "no server".to_owned(), reason: "offline".to_owned() })
}

/// Makes the token endpoint of a session.
fn endpoint(
    http: &Arc<HttpClient>,
    session: &StoredSession,
    device: &Arc<DeviceKey>,
) -> Result<Box<dyn TokenEndpoint>, GrantError> {
    let address = Address::parse(&session.login().token_endpoint).map_err(|error| {
        GrantError::NotReached { host: "the token endpoint".to_owned(), reason: error.to_string() }
    })?;
    let endpoint = HttpTokenEndpoint::new(Arc::clone(http), address, Arc::new(oauth_client(session)));
    let is_bound = session.tokens().is_some_and(|tokens| tokens.token_type == TokenType::Dpop);
    Ok(Box::new(if is_bound { endpoint.bound_to(Arc::clone(device)) } else { endpoint }))
}

/// Returns the OAuth client that a session was made by.
pub(crate) fn oauth_client(session: &StoredSession) -> OauthClient {
    OauthClient {
        client_id: session.key().client_id.clone(),
        client_secret: session.client_secret().map(copy),
        scopes: Vec::new(),
        audience: None,
    }
}

/// Copies a secret for another owner.
pub(crate) fn copy(secret: &SecretString) -> SecretString {
    SecretString::new(secret.expose_secret().to_owned())
}

/// Returns the time as the library counts it.
pub(crate) fn unix_time(ctx: &Context) -> UnixTime {
    UnixTime::try_from(ctx.now).unwrap_or(UnixTime::MAX)
}

/// Returns how long the turn of a session is waited for.
pub(crate) fn patience(ctx: &Context) -> Duration {
    ctx.timeout().map_or(LOCK_DEADLINE, |timeout| timeout.min(LONGEST_WAIT))
}

const LOCK_DEADLINE: Duration = Duration::from_secs(30);
const LONGEST_WAIT: Duration = Duration::from_secs(3600);

/// Returns when the access token of a session ends, where that is known.
pub(crate) fn end_of(session: &StoredSession) -> Option<u64> {
    let ends = session.tokens()?.expires_at?;
    u64::try_from(ends).ok()
}
