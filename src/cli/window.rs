//! The command line's side of the operator's window: where it is, what is asked, and what becomes of a
//! failure.

use super::argument_error::ArgumentError;
use super::show::complain;
use crate::base::token;
use crate::config::{self, address::Address};
use crate::control::asker::StatedReason;
use bytes::Bytes;
use clap::Args;
use http::{Method, Request, StatusCode, header};
use http_body_util::{BodyExt, Full, Limited};
use hyper_util::rt::TokioIo;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use std::error::Error;
use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};

/// Where the window is if nothing else is said.
const DEFAULT: &str = "http://127.0.0.1:9900";
const CONNECT: Duration = Duration::from_secs(5);
/// A reload may read many files.
const ANSWER: Duration = Duration::from_secs(60);
/// The largest answer: some hundred thousand nodes.
const LARGEST: usize = 256 << 20;

/// What all verbs that speak to a running proxy take.
#[derive(Args)]
pub struct Remote {
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
    /// The proxy's admin address: http://host:port or unix:/path. Else what the conf file says, else
    /// http://127.0.0.1:9900.
    #[arg(long, env = "HOMING_ADMIN", value_name = "URL")]
    admin: Option<String>,
    /// A file with the token, where one is asked for; or put it into the environment variable HOMING_TOKEN.
    #[arg(long, value_name = "FILE")]
    token_file: Option<PathBuf>,
}

/// What all verbs take that change something.
#[derive(Args)]
pub struct ChangeArgs {
    /// Why, in a line of text: it stands in the log, in `homing history` and in `homing status`.
    #[arg(long, value_name = "TEXT")]
    reason: Option<StatedReason>,
    #[command(flatten)]
    remote: Remote,
}

impl ChangeArgs {
    /// Print JSON.
    pub fn json(&self) -> bool {
        self.remote.json
    }
}

/// A proxy's window.
pub struct AdminClient {
    at: At,
    token: Option<String>,
    /// Why what is changed is changed.
    reason: Option<StatedReason>,
}

#[derive(Debug, Clone, PartialEq)]
enum At {
    Tcp(String),
    Unix(PathBuf),
}

/// Why a verb could not be done.
#[derive(Debug)]
pub enum VerbFailure {
    /// What was given makes no sense.
    Usage(String),
    /// Nobody answers.
    Unreachable(String),
    /// The proxy refuses, and says why.
    Refused(Value),
    /// It cannot be done, in words.
    Failed(String),
    /// Time is over.
    Deadline(String),
}

impl VerbFailure {
    /// The exit code.
    pub fn code(&self) -> i32 {
        match self {
            Self::Refused(_) | Self::Failed(_) => 1,
            Self::Usage(_) => 2,
            Self::Deadline(_) => 3,
            Self::Unreachable(_) => 4,
        }
    }
}

impl fmt::Display for VerbFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let document = match self {
            Self::Usage(text) | Self::Unreachable(text) | Self::Failed(text) | Self::Deadline(text) => {
                return write!(f, "{text}");
            }
            Self::Refused(document) => document,
        };
        write!(f, "refused: {}", document["detail"].as_str().unwrap_or("the proxy does not say why"))?;
        for line in document["findings"].as_array().into_iter().flatten().filter_map(Value::as_str) {
            write!(f, "\n{line}")?;
        }
        match (document["status"].as_u64(), document["force"].as_bool()) {
            (Some(401), _) => {
                write!(f, "\nGive it with --token-file FILE, or in the environment variable HOMING_TOKEN.")
            }
            (_, Some(true)) => write!(f, "\nWith --force it is done all the same."),
            _ => Ok(()),
        }
    }
}

impl From<ArgumentError> for VerbFailure {
    fn from(why: ArgumentError) -> Self {
        Self::Usage(why.to_string())
    }
}

/// Runs a verb: its exit code.
pub fn run(verb: impl FnOnce() -> Result<(), VerbFailure>) -> i32 {
    match verb() {
        Ok(()) => 0,
        Err(failure) => {
            complain(&failure.to_string());
            failure.code()
        }
    }
}

impl AdminClient {
    /// The window that the arguments, the environment or the conf file name.
    pub fn find(remote: &Remote, conf: &Path) -> Result<Self, VerbFailure> {
        let known = if remote.admin.is_some() { None } else { Conf::read(conf) };
        let at = match (&remote.admin, &known) {
            (Some(url), _) => At::parse(url)?,
            (None, Some(conf)) => conf.at.clone(),
            (None, None) => At::parse(DEFAULT)?,
        };
        let token = match (&remote.token_file, std::env::var("HOMING_TOKEN").ok()) {
            (Some(file), _) => {
                Some(token::first(file).map_err(|e| VerbFailure::Usage(format!("{} {e}", file.display())))?)
            }
            (None, Some(token)) => Some(token.trim().to_owned()),
            // who may not read it may have none, or be told so by the proxy
            (None, None) => known.and_then(|conf| conf.token_file).and_then(|file| token::first(&file).ok()),
        };
        Ok(Self { at, token: token.filter(|token| !token.is_empty()), reason: None })
    }

    /// The same, to change something there.
    pub fn find_to_change(ask: &ChangeArgs, conf: &Path) -> Result<Self, VerbFailure> {
        Ok(Self { reason: ask.reason.clone(), ..Self::find(&ask.remote, conf)? })
    }

    /// Reads: the body, and the same as data.
    pub fn get<T: DeserializeOwned>(&self, path: &str) -> Result<(String, T), VerbFailure> {
        let body = self.ask(Method::GET, path, None)?;
        let text = String::from_utf8_lossy(&body).into_owned();
        let data = serde_json::from_str(&text)
            .map_err(|error| VerbFailure::Failed(self.other_answer(&error.to_string())))?;
        Ok((text, data))
    }

    /// Changes: the body and its data.
    pub fn post(&self, path: &str, body: Option<&Value>) -> Result<(String, Value), VerbFailure> {
        let mut asked = body.cloned();
        if let Some(reason) = &self.reason {
            asked.get_or_insert_with(|| Value::Object(Map::new()))["reason"] = reason.to_string().into();
        }
        let body = self.ask(Method::POST, path, asked.as_ref())?;
        let text = String::from_utf8_lossy(&body).into_owned();
        let data = serde_json::from_str(&text)
            .map_err(|error| VerbFailure::Failed(self.other_answer(&error.to_string())))?;
        Ok((text, data))
    }

    /// The status of an answer, whatever it is.
    pub fn status_of(&self, path: &str) -> Result<StatusCode, VerbFailure> {
        self.exchange(Method::GET, path, None).map(|(status, _)| status)
    }

    fn ask(&self, method: Method, path: &str, body: Option<&Value>) -> Result<Bytes, VerbFailure> {
        let (status, body) = self.exchange(method, path, body)?;
        if status.is_success() {
            return Ok(body);
        }
        match serde_json::from_slice::<Value>(&body) {
            Ok(document) if document["detail"].is_string() => Err(VerbFailure::Refused(document)),
            _ => Err(VerbFailure::Failed(self.other_answer(&format!("status {}", status.as_u16())))),
        }
    }

    fn other_answer(&self, what: &str) -> String {
        format!("{} answers, but not as Homing's admin address does ({what}): check --admin", self.at)
    }

    fn exchange(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> Result<(StatusCode, Bytes), VerbFailure> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|error| VerbFailure::Failed(format!("no runtime: {error}")))?;
        runtime.block_on(async {
            let connected = match &self.at {
                At::Tcp(address) => tokio::time::timeout(CONNECT, TcpStream::connect(address))
                    .await
                    .map(|c| c.map(AdminConnection::Tcp)),
                At::Unix(path) => tokio::time::timeout(CONNECT, UnixStream::connect(path))
                    .await
                    .map(|c| c.map(AdminConnection::Unix)),
            };
            let connection = match connected {
                Ok(Ok(connection)) => connection,
                Ok(Err(error)) => return Err(self.unreachable(&error.to_string())),
                Err(_) => return Err(self.unreachable(&format!("no connection within {CONNECT:?}"))),
            };
            let request =
                self.request(method, path, body).map_err(|error| VerbFailure::Usage(error.to_string()))?;
            let answer = async {
                match connection {
                    AdminConnection::Tcp(stream) => send(stream, request).await,
                    AdminConnection::Unix(stream) => send(stream, request).await,
                }
            };
            match tokio::time::timeout(ANSWER, answer).await {
                Ok(Ok(answer)) => Ok(answer),
                Ok(Err(error)) => Err(self.unreachable(&error.to_string())),
                Err(_) => Err(self.unreachable(&format!("no answer within {ANSWER:?}"))),
            }
        })
    }

    fn request(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> http::Result<Request<Full<Bytes>>> {
        let host = match &self.at {
            At::Tcp(address) => address,
            At::Unix(_) => "localhost",
        };
        let mut request = Request::builder().method(method).uri(path).header(header::HOST, host);
        if let Some(token) = &self.token {
            request = request.header(header::AUTHORIZATION, format!("Bearer {token}"));
        }
        if body.is_some() {
            request = request.header(header::CONTENT_TYPE, "application/json");
        }
        request.body(body.map_or_else(Full::default, |body| Full::from(body.to_string())))
    }

    fn unreachable(&self, why: &str) -> VerbFailure {
        let at = &self.at;
        VerbFailure::Unreachable(format!(
            "no proxy at {at}: {why}\nDoes it run, and does its conf file have server.admin? Another address is given with --admin URL or \
             in the environment variable HOMING_ADMIN."
        ))
    }
}

enum AdminConnection {
    Tcp(TcpStream),
    Unix(UnixStream),
}

/// Whatever goes wrong with a question.
type BoxError = Box<dyn Error + Send + Sync>;

async fn send(
    stream: impl AsyncRead + AsyncWrite + Unpin,
    request: Request<Full<Bytes>>,
) -> Result<(StatusCode, Bytes), BoxError> {
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    let answer = async {
        let response = sender.send_request(request).await?;
        let status = response.status();
        let body = Limited::new(response.into_body(), LARGEST).collect().await?;
        Ok((status, body.to_bytes()))
    };
    tokio::pin!(answer, connection);
    tokio::select! {
        answer = &mut answer => answer,
        // the rest of the answer may be read already
        _ = &mut connection => answer.await,
    }
}

impl At {
    fn parse(url: &str) -> Result<Self, ArgumentError> {
        if let Some(path) = url.strip_prefix("unix:") {
            return Ok(Self::Unix(path.into()));
        }
        let rest = match url.split_once("://") {
            Some(("http", rest)) => rest.strip_suffix('/').unwrap_or(rest),
            Some((scheme, _)) => return Err(ArgumentError::Scheme(scheme.to_owned())),
            None => url,
        };
        match rest.parse() {
            Ok(Address::Tcp(_) | Address::Name(..)) => Ok(Self::Tcp(rest.to_owned())),
            _ => Err(ArgumentError::Address(url.to_owned())),
        }
    }

    /// How to get to what listens there.
    fn of(bind: Address, folder: &Path) -> Self {
        match bind {
            Address::Unix(path) => Self::Unix(folder.join(path)),
            Address::Tcp(at) if at.ip().is_unspecified() && at.is_ipv4() => {
                Self::Tcp(format!("127.0.0.1:{}", at.port()))
            }
            Address::Tcp(at) if at.ip().is_unspecified() => Self::Tcp(format!("[::1]:{}", at.port())),
            other => Self::Tcp(other.to_string()),
        }
    }
}

impl fmt::Display for At {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => write!(f, "http://{address}"),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

/// What the conf file says of the window.
struct Conf {
    at: At,
    token_file: Option<PathBuf>,
}

impl Conf {
    fn read(path: &Path) -> Option<Self> {
        let (admin, token_file, folder) = match config::load(path) {
            Ok(loaded) => (loaded.config.server.admin, loaded.config.server.admin_token_file, loaded.folder),
            // it has mistakes, and the proxy runs by an older one: the address is likely to be the same
            Err(_) => {
                let text = std::fs::read_to_string(path).ok()?;
                (
                    server_key(&text, "admin"),
                    server_key(&text, "admin-token-file"),
                    path.parent().map(Path::to_owned).unwrap_or_default(),
                )
            }
        };
        let at = At::of(admin?.parse().ok()?, &folder);
        Some(Self { at, token_file: token_file.map(|file| folder.join(file)) })
    }
}

/// What a text that cannot be read as a whole gives a key, as in `key = "value"`.
fn server_key(text: &str, key: &str) -> Option<String> {
    let value = |line: &str| {
        line.trim()
            .strip_prefix(key)?
            .trim_start()
            .strip_prefix('=')?
            .trim_start()
            .strip_prefix('"')
            .map(str::to_owned)
    };
    text.lines().find_map(value)?.split('"').next().map(str::to_owned)
}

#[cfg(test)]
mod tests;
