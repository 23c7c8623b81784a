//! A small HTTP server on this machine's own address, which answers as a test tells it to: rightly, late, half,
//! endlessly, or not at all. With TLS by an authority of the test's own.

use std::fmt;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use percent_encoding::percent_decode_str;
use rustix::net::sockopt::set_socket_linger;
use rustls::{ServerConfig, ServerConnection, StreamOwned};

/// A request as it came.
#[derive(Debug, Clone)]
pub struct Request {
    /// The method.
    pub method: String,
    /// The path; of `CONNECT` the host and port.
    pub path: String,
    /// The query, without its `?`.
    pub query: String,
    /// The headers, their names in lower case.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: String,
}

/// What is answered.
#[derive(Debug, Clone)]
pub struct Reply {
    status: u16,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
    delivery: Delivery,
}

/// How an answer gets there.
#[derive(Debug, Clone, Copy)]
enum Delivery {
    /// Only so many bytes of the body, and then the end.
    Cut(usize),
    /// Something that is no HTTP.
    Garbage,
    /// The connection is reset before a byte.
    Reset,
    /// Nothing, until the other side gives up.
    Silence,
    Whole,
}

/// A server that runs until it is dropped.
pub struct HttpServer {
    address: SocketAddr,
    stop: Arc<AtomicBool>,
    accepting: Option<JoinHandle<()>>,
}

type Answers = Arc<dyn Fn(&Request) -> Reply + Send + Sync>;

impl Request {
    /// Returns a header.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(header, _)| header == name).map(|(_, value)| value.as_str())
    }

    /// Returns a field of the form.
    pub fn field(&self, name: &str) -> Option<String> {
        let decode =
            |text: &str| percent_decode_str(&text.replace('+', " ")).decode_utf8_lossy().into_owned();
        self.body
            .split('&')
            .filter_map(|pair| pair.split_once('='))
            .find(|(field, _)| decode(field) == name)
            .map(|(_, value)| decode(value))
    }
}

impl Reply {
    /// An answer of JSON.
    pub fn json(status: u16, body: &serde_json::Value) -> Self {
        Self::text(status, "application/json", &body.to_string())
    }

    /// An error as RFC 6749 §5.2 has it.
    pub fn error(status: u16, code: &str) -> Self {
        Self::json(status, &serde_json::json!({ "error": code }))
    }

    /// An answer of another kind.
    pub fn text(status: u16, kind: &str, body: &str) -> Self {
        let headers = vec![("Content-Type".to_owned(), kind.to_owned())];
        Self { status, headers, body: body.into(), delivery: Delivery::Whole }
    }

    /// An answer without a body.
    pub fn empty(status: u16) -> Self {
        Self { status, headers: Vec::new(), body: Vec::new(), delivery: Delivery::Whole }
    }

    /// No answer: the connection is reset.
    pub fn reset() -> Self {
        Self { delivery: Delivery::Reset, ..Self::empty(200) }
    }

    /// No answer: the connection stays open and silent.
    pub fn silence() -> Self {
        Self { delivery: Delivery::Silence, ..Self::empty(200) }
    }

    /// An answer that is no HTTP.
    pub fn garbage() -> Self {
        Self { delivery: Delivery::Garbage, ..Self::empty(200) }
    }

    /// The same answer, whose body ends after so many bytes though it was announced whole.
    #[must_use]
    pub fn cut_after(mut self, bytes: usize) -> Self {
        self.delivery = Delivery::Cut(bytes);
        self
    }

    /// The same answer with a header.
    #[must_use]
    pub fn with(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    fn head(&self) -> String {
        let length = ("Content-Length".to_owned(), self.body.len().to_string());
        let close = ("Connection".to_owned(), "close".to_owned());
        let lines =
            self.headers.iter().chain([&length, &close]).map(|(name, value)| format!("{name}: {value}\r\n"));
        format!("HTTP/1.1 {} Said\r\n{}\r\n", self.status, lines.collect::<String>())
    }
}

impl HttpServer {
    /// Starts a server.
    pub fn start(answers: impl Fn(&Request) -> Reply + Send + Sync + 'static) -> Self {
        Self::run(None, Arc::new(answers))
    }

    /// Starts a server with TLS.
    pub fn start_tls(
        tls: Arc<ServerConfig>,
        answers: impl Fn(&Request) -> Reply + Send + Sync + 'static,
    ) -> Self {
        Self::run(Some(tls), Arc::new(answers))
    }

    /// Returns its port.
    pub fn port(&self) -> u16 {
        self.address.port()
    }

    fn run(tls: Option<Arc<ServerConfig>>, answers: Answers) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("the port");
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let accepting = thread::spawn(move || {
            for stream in listener.incoming() {
                if stopped.load(Ordering::SeqCst) {
                    return;
                }
                let Ok(stream) = stream else { continue };
                let (tls, answers) = (tls.clone(), Arc::clone(&answers));
                thread::spawn(move || serve(stream, tls, &answers));
            }
        });
        Self { address, stop, accepting: Some(accepting) }
    }
}

impl Drop for HttpServer {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::SeqCst);
        // Whoever accepts looks at the flag when somebody comes.
        TcpStream::connect(self.address).ok();
        if let Some(accepting) = self.accepting.take() {
            accepting.join().ok();
        }
    }
}

impl fmt::Debug for HttpServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "HttpServer({})", self.address)
    }
}

/// Serves one connection. Who goes away in the middle is no failure of the server.
fn serve(stream: TcpStream, tls: Option<Arc<ServerConfig>>, answers: &Answers) {
    stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
    let Ok(socket) = stream.try_clone() else { return };
    let served = match tls {
        None => answer(stream, &socket, answers),
        Some(tls) => {
            let connection = ServerConnection::new(tls).expect("a TLS server");
            answer(StreamOwned::new(connection, stream), &socket, answers)
        }
    };
    served.ok();
}

fn answer(stream: impl Read + Write, socket: &TcpStream, answers: &Answers) -> io::Result<()> {
    let mut stream = BufReader::new(stream);
    let Some(request) = read(&mut stream)? else { return Ok(()) };
    let reply = answers(&request);
    let to = stream.get_mut();
    match reply.delivery {
        Delivery::Cut(bytes) => {
            to.write_all(reply.head().as_bytes())?;
            to.write_all(&reply.body[..bytes.min(reply.body.len())])?;
        }
        Delivery::Garbage => to.write_all(b"\x00\x01 this is no HTTP\r\n\r\n")?,
        Delivery::Reset => return Ok(set_socket_linger(socket, Some(Duration::ZERO))?),
        Delivery::Silence => {
            to.read_exact(&mut [0]).ok();
            return Ok(());
        }
        Delivery::Whole => {
            to.write_all(reply.head().as_bytes())?;
            to.write_all(&reply.body)?;
        }
    }
    to.flush()
}

/// Reads a request; `None` if there is none, as when somebody only looks whether the port is open.
fn read(stream: &mut impl BufRead) -> io::Result<Option<Request>> {
    let mut lines = Vec::new();
    loop {
        let mut line = String::new();
        stream.read_line(&mut line)?;
        let line = line.trim_end().to_owned();
        if line.is_empty() {
            break;
        }
        lines.push(line);
    }
    let Some((method, target)) = lines.first().and_then(|line| line.split_once(' ')) else { return Ok(None) };
    let target = target.split(' ').next().unwrap_or_default();
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let headers = lines[1..].iter().filter_map(|line| line.split_once(':'));
    let headers: Vec<_> =
        headers.map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned())).collect();
    let mut request = Request {
        method: method.into(),
        path: path.into(),
        query: query.into(),
        headers,
        body: String::new(),
    };
    let length = request.header("content-length").and_then(|length| length.parse().ok()).unwrap_or(0);
    let mut body = vec![0; length];
    stream.read_exact(&mut body)?;
    request.body = String::from_utf8_lossy(&body).into_owned();
    Ok(Some(request))
}

/// How long a silent client is kept.
const PATIENCE: Duration = Duration::from_secs(30);
