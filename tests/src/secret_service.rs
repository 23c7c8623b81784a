//! A Secret Service that is made up, on a bus of its own: it keeps items as a real one does, until a test asks
//! it to hang, to lie, to fail or to go away at one of its methods.
//!
//! The other sides are real: the bus is dbus-daemon, and keyward speaks to it through its own library.

use std::collections::HashMap;
use std::fs;
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread;

use aes_gcm::aes::Aes128;
use cbc::cipher::block_padding::Pkcs7;
use cbc::cipher::{BlockModeDecrypt, BlockModeEncrypt, KeyIvInit};
use hkdf::Hkdf;
use sha2::Sha256;
use tempfile::TempDir;
use zbus::Message;
use zbus::blocking::{Connection, MessageIterator, connection};
use zbus::message::{Header, Type};
use zbus::zvariant::{DynamicType, OwnedObjectPath, OwnedValue, Value};

use crate::{Home, require};

/// What the service does at one of its methods, in place of its work.
#[derive(Debug, Clone)]
pub enum Fault {
    /// Does its work and says that a person refused.
    Dismiss,
    /// Finds every item twice.
    Double,
    /// Answers with the error of this name and this text.
    Fail(&'static str, &'static str),
    /// Never answers.
    Hang,
    /// Leaves the bus without an answer.
    Leave,
    /// Says that it is done, and did nothing.
    Pretend,
    /// Gives out, or keeps, these bytes in place of the secret.
    Replace(Vec<u8>),
    /// Gives out the secret with parameters or with a ciphertext of no valid length.
    Scramble,
}

/// A bus with a Secret Service. Both end with this value.
#[derive(Debug)]
pub struct SecretService {
    directory: TempDir,
    bus: Child,
    state: Arc<Mutex<State>>,
}

/// One secret of the service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item {
    path: OwnedObjectPath,
    /// What the item is found by.
    pub attributes: HashMap<String, String>,
    /// The secret itself.
    pub secret: Vec<u8>,
}

#[derive(Debug, Default)]
struct State {
    items: Vec<Item>,
    /// The keys of the sessions, by path.
    sessions: HashMap<OwnedObjectPath, [u8; 16]>,
    fault: Option<(&'static str, Fault)>,
    calls: Vec<String>,
    made: usize,
}

impl SecretService {
    /// Starts a bus and a service on it that works.
    #[track_caller]
    pub fn start() -> Self {
        require("dbus-daemon", "dbus");
        let directory = tempfile::Builder::new().prefix("keyward-bus-").tempdir().expect("a directory");
        let (socket, config) = (directory.path().join("bus"), directory.path().join("bus.conf"));
        fs::write(&config, CONFIG.replace("SOCKET", &socket.display().to_string())).expect("a file");
        let mut daemon = Command::new("dbus-daemon");
        daemon.arg("--config-file").arg(&config).args(["--nofork", "--print-address"]);
        let mut bus =
            daemon.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().expect("dbus-daemon starts");
        let mut address = String::new();
        BufReader::new(bus.stdout.as_mut().expect("a pipe")).read_line(&mut address).expect("an address");
        let service = Self { directory, bus, state: Arc::default() };
        service.serve();
        service
    }

    /// Puts the service on the bus; again, after it left.
    pub fn serve(&self) {
        let builder = connection::Builder::address(self.address().as_str()).expect("an address");
        let connection = builder.build().expect("a connection");
        connection.request_name("org.freedesktop.secrets").expect("the name is free");
        let state = Arc::clone(&self.state);
        thread::spawn(move || {
            for message in MessageIterator::from(&connection) {
                let Ok(message) = message else { return };
                if message.message_type() == Type::MethodCall && !answer(&connection, &state, &message) {
                    return;
                }
            }
        });
    }

    /// Returns the address of the bus.
    pub fn address(&self) -> String {
        format!("unix:path={}", self.directory.path().join("bus").display())
    }

    /// Makes an empty home whose commands are on this bus.
    pub fn home(&self) -> Home {
        Home::new().with("DBUS_SESSION_BUS_ADDRESS", &self.address())
    }

    /// From now on the service does `fault` at a method of its.
    pub fn fails_at(&self, method: &'static str, fault: Fault) {
        let mut state = lock(&self.state);
        state.fault = Some((method, fault));
        state.calls.clear();
    }

    /// From now on the service works.
    pub fn works(&self) {
        lock(&self.state).fault = None;
    }

    /// Ends the bus and all connections to it.
    pub fn end_bus(&mut self) {
        self.bus.kill().expect("a bus");
    }

    /// Returns what the service keeps.
    pub fn items(&self) -> Vec<Item> {
        lock(&self.state).items.clone()
    }

    /// Puts other items in the place of all.
    pub fn keep(&self, items: Vec<Item>) {
        lock(&self.state).items = items;
    }

    /// Counts the calls of a method since the last fault was set.
    pub fn calls(&self, method: &str) -> usize {
        lock(&self.state).calls.iter().filter(|call| *call == method).count()
    }
}

impl Drop for SecretService {
    fn drop(&mut self) {
        drop(self.bus.kill());
        drop(self.bus.wait());
    }
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().expect("the service does not panic")
}

/// Answers one call, and tells whether the service stays.
fn answer(connection: &Connection, state: &Mutex<State>, call: &Message) -> bool {
    let header = call.header();
    let method = header.member().map(ToString::to_string).unwrap_or_default();
    let mut state = lock(state);
    state.calls.push(method.clone());
    let fault = state.fault.clone().filter(|(at, _)| *at == method).map(|(_, fault)| fault);
    let reply = Reply { connection, header };
    match fault {
        Some(Fault::Hang) => {}
        Some(Fault::Leave) => return false,
        Some(Fault::Fail(name, text)) => {
            connection.reply_error(&reply.header, name, &text).expect("an error");
        }
        fault => work(&mut state, &reply, &method, call, fault.as_ref()),
    }
    true
}

/// The way back to the caller.
struct Reply<'a> {
    connection: &'a Connection,
    header: Header<'a>,
}

impl Reply<'_> {
    fn with<B: serde::Serialize + DynamicType>(&self, body: &B) {
        // Whoever gave the service up does not listen any more.
        drop(self.connection.reply(&self.header, body));
    }

    fn object(&self) -> OwnedObjectPath {
        self.header.path().expect("a call of an object").clone().into()
    }
}

/// A secret on the bus (Secret Service API, "Secret"): session, parameters, value, content type.
type Sealed = (OwnedObjectPath, Vec<u8>, Vec<u8>, String);

fn work(state: &mut State, reply: &Reply<'_>, method: &str, call: &Message, fault: Option<&Fault>) {
    let body = call.body();
    match method {
        "OpenSession" => {
            let (_, public): (String, OwnedValue) = body.deserialize().expect("an algorithm and a key");
            let session = state.open_session(&Vec::try_from(public).expect("the caller's key"));
            reply.with(&(Value::from(vec![2_u8]), session));
        }
        "SearchItems" => {
            let wanted: HashMap<String, String> = body.deserialize().expect("attributes");
            let mut found = state.search(&wanted);
            if matches!(fault, Some(Fault::Double)) {
                found.extend(found.clone());
            }
            let none: Vec<OwnedObjectPath> = Vec::new();
            reply.with(&if state.is_locked() { (none, found) } else { (found, none) });
        }
        "Unlock" => reply.with(&(Vec::<OwnedObjectPath>::new(), path("prompt/1"))),
        "Prompt" => {
            reply.with(&());
            if matches!(fault, Some(Fault::Dismiss)) {
                let (prompt, nobody) = (reply.object(), None::<zbus::names::BusName<'_>>);
                let interface = "org.freedesktop.Secret.Prompt";
                let sent = (true, Value::from(""));
                reply.connection.emit_signal(nobody, prompt, interface, "Completed", &sent).expect("sent");
            }
        }
        "ReadAlias" => reply.with(&path("collection/login")),
        // The one property that is asked for: whether a collection or an item is locked.
        "Get" => reply.with(&Value::from(state.is_locked())),
        "CreateItem" => {
            let (properties, sealed, _): (HashMap<String, OwnedValue>, Sealed, bool) =
                body.deserialize().expect("an item");
            reply.with(&(state.create(properties, &sealed, fault), path("")));
        }
        "GetSecret" => {
            let session: OwnedObjectPath = body.deserialize().expect("a session");
            reply.with(&(state.seal(&reply.object(), session, fault),));
        }
        "Delete" => {
            if !matches!(fault, Some(Fault::Pretend)) {
                state.items.retain(|item| item.path != reply.object());
            }
            reply.with(&path(""));
        }
        other => panic!("the service has no {other}"),
    }
}

impl State {
    /// Agrees on a key by Diffie-Hellman with 1 as the service's own secret: what both share is then what the
    /// caller sent (Secret Service API, "dh-ietf1024-sha256-aes128-cbc-pkcs7").
    fn open_session(&mut self, public: &[u8]) -> OwnedObjectPath {
        let mut shared = [0; 128];
        shared[128 - public.len()..].copy_from_slice(public);
        let mut key = [0; 16];
        Hkdf::<Sha256>::new(None, &shared).expand(&[], &mut key).expect("a short key");
        let session = self.new_path("session");
        self.sessions.insert(session.clone(), key);
        session
    }

    fn search(&self, wanted: &HashMap<String, String>) -> Vec<OwnedObjectPath> {
        let has = |item: &&Item| wanted.iter().all(|(name, value)| item.attributes.get(name) == Some(value));
        self.items.iter().filter(has).map(|item| item.path.clone()).collect()
    }

    fn create(
        &mut self,
        mut properties: HashMap<String, OwnedValue>,
        (session, iv, value, _): &Sealed,
        fault: Option<&Fault>,
    ) -> OwnedObjectPath {
        let attributes = properties.remove("org.freedesktop.Secret.Item.Attributes").expect("attributes");
        let (key, iv) = (self.sessions[session], <[u8; 16]>::try_from(&**iv).expect("an IV"));
        let cipher = cbc::Decryptor::<Aes128>::new(&key.into(), &iv.into());
        let secret = match fault {
            Some(Fault::Replace(other)) => other.clone(),
            _ => cipher.decrypt_padded_vec::<Pkcs7>(value).expect("the session's key"),
        };
        let attributes = attributes.try_into().expect("names and values");
        let item = Item { path: self.new_path("collection/login"), attributes, secret };
        let path = item.path.clone();
        if !matches!(fault, Some(Fault::Pretend)) {
            self.items.push(item);
        }
        path
    }

    fn seal(&self, path: &OwnedObjectPath, session: OwnedObjectPath, fault: Option<&Fault>) -> Sealed {
        let secret = match fault {
            Some(Fault::Replace(other)) => other,
            _ => &self.items.iter().find(|item| item.path == *path).expect("an item").secret,
        };
        let cipher = cbc::Encryptor::<Aes128>::new(&self.sessions[&session].into(), &[7; 16].into());
        let (mut parameters, mut value) = (vec![7; 16], cipher.encrypt_padded_vec::<Pkcs7>(secret));
        if matches!(fault, Some(Fault::Scramble)) {
            parameters.pop();
            value.pop();
        }
        (session, parameters, value, "text/plain".into())
    }

    /// A service that is asked to fail at unlocking is locked.
    fn is_locked(&self) -> bool {
        matches!(self.fault, Some(("Unlock" | "Prompt", _)))
    }

    fn new_path(&mut self, parent: &str) -> OwnedObjectPath {
        self.made += 1;
        path(&format!("{parent}/{}", self.made))
    }
}

/// Returns the path of one of the service's objects; that of none is `/`.
fn path(name: &str) -> OwnedObjectPath {
    let path = if name.is_empty() { "/".into() } else { format!("/org/freedesktop/secrets/{name}") };
    path.try_into().expect("a path")
}

/// A bus that starts no services by itself.
const CONFIG: &str = r#"<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig>
  <listen>unix:path=SOCKET</listen>
  <auth>EXTERNAL</auth>
  <policy context="default">
    <allow send_destination="*" eavesdrop="true"/>
    <allow eavesdrop="true"/>
    <allow own="*"/>
  </policy>
</busconfig>
"#;
