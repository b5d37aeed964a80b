//! The command line's side of the operator's window: where it is, what is asked, and what becomes of a
//! failure.

use super::argument_error::ArgumentError;
use super::door::{AdminDoor, DoorStream, KnownDoors};
use super::door_tls;
use super::show::complain;
use crate::base::token;
use crate::control::asker::StatedReason;
use bytes::Bytes;
use clap::Args;
use http::{Method, Request, StatusCode, header};
use http_body_util::{BodyExt, Full, Limited};
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use std::error::Error;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};

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
    /// The proxy's admin address: http://host:port, https://host:port or unix:/path. Else what the conf file
    /// says, else http://127.0.0.1:9900.
    #[arg(long, env = "HOMING_ADMIN", value_name = "URL")]
    admin: Option<String>,
    /// A file with the token, where one is asked for; or put it into the environment variable HOMING_TOKEN.
    #[arg(long, value_name = "FILE")]
    token_file: Option<PathBuf>,
    /// Of https: a PEM file with the authority of its certificate, or with that itself; else the public ones, or
    /// what the conf file names.
    #[arg(long, env = "HOMING_CA", value_name = "FILE")]
    ca: Option<PathBuf>,
    /// Of https: a certificate to show, with its key in the file or beside it.
    #[arg(long, env = "HOMING_CERT", value_name = "FILE")]
    cert: Option<PathBuf>,
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
    /// The first that opens is taken.
    doors: Vec<AdminDoor>,
    tls: Option<Arc<ClientConfig>>,
    shows_certificate: bool,
    token: Option<String>,
    /// Why what is changed is changed.
    reason: Option<StatedReason>,
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
        let known = if remote.admin.is_some() {
            None
        } else {
            KnownDoors::read(conf).map_err(|why| VerbFailure::Failed(format!("{} {why}", conf.display())))?
        };
        let doors = match (&remote.admin, &known) {
            (Some(url), _) => vec![AdminDoor::parse(url)?],
            (None, Some(known)) => known.doors.clone(),
            (None, None) => vec![AdminDoor::parse(DEFAULT)?],
        };
        let pinned = known.as_ref().map(|known| &*known.certificates).unwrap_or_default();
        let encrypted = doors.iter().any(|door| matches!(door, AdminDoor::Tls(_)));
        let tls = encrypted
            .then(|| door_tls::settings(remote.ca.as_deref(), remote.cert.as_deref(), pinned))
            .transpose()
            .map_err(|why| VerbFailure::Usage(why.to_string()))?;
        let token = match (&remote.token_file, std::env::var("HOMING_TOKEN").ok()) {
            (Some(file), _) => {
                Some(token::first(file).map_err(|e| VerbFailure::Usage(format!("{} {e}", file.display())))?)
            }
            (None, Some(token)) => Some(token.trim().to_owned()),
            // who may not read it may have none, or be told so by the proxy
            (None, None) => {
                known.and_then(|known| known.token_files.iter().find_map(|file| token::first(file).ok()))
            }
        };
        let token = token.filter(|token| !token.is_empty());
        Ok(Self { doors, tls, shows_certificate: remote.cert.is_some(), token, reason: None })
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
        let at = self.doors.first().map(AdminDoor::to_string).unwrap_or_default();
        format!("{at} answers, but not as Homing's admin address does ({what}): check --admin")
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
            let (connection, door) = self.connect().await?;
            let request = self
                .request(door, method, path, body)
                .map_err(|error| VerbFailure::Usage(error.to_string()))?;
            let answer = send(connection, request);
            match tokio::time::timeout(ANSWER, answer).await {
                Ok(Ok(answer)) => Ok(answer),
                Ok(Err(error)) => Err(self.cut_off(door, &*error)),
                Err(_) => Err(unreachable(door, &format!("no answer within {ANSWER:?}"))),
            }
        })
    }

    /// To the first door that opens.
    async fn connect(&self) -> Result<(DoorStream, &AdminDoor), VerbFailure> {
        let mut failure = None;
        for door in &self.doors {
            match tokio::time::timeout(CONNECT, door.connect(self.tls.as_ref())).await {
                Ok(Ok(connection)) => return Ok((connection, door)),
                Ok(Err(error)) => failure = Some(unreachable(door, &error.to_string())),
                Err(_) => failure = Some(unreachable(door, &format!("no connection within {CONNECT:?}"))),
            }
        }
        Err(failure.unwrap_or_else(|| VerbFailure::Failed("there is no address to ask".into())))
    }

    /// It was spoken to, and did not answer. Who should have shown a certificate learns of it so late.
    fn cut_off(&self, door: &AdminDoor, error: &(dyn Error + Send + Sync + 'static)) -> VerbFailure {
        let why = in_full(error);
        if matches!(door, AdminDoor::Tls(_)) && !self.shows_certificate {
            let hint = "It may ask for a certificate: show one with --cert FILE.";
            return VerbFailure::Unreachable(format!("no answer from {door}: {why}\n{hint}"));
        }
        unreachable(door, &why)
    }

    fn request(
        &self,
        door: &AdminDoor,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> http::Result<Request<Full<Bytes>>> {
        let mut request = Request::builder().method(method).uri(path).header(header::HOST, door.host());
        if let Some(token) = &self.token {
            request = request.header(header::AUTHORIZATION, format!("Bearer {token}"));
        }
        if body.is_some() {
            request = request.header(header::CONTENT_TYPE, "application/json");
        }
        request.body(body.map_or_else(Full::default, |body| Full::from(body.to_string())))
    }
}

/// What went wrong, down to its cause.
fn in_full(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(why) = cause {
        text = format!("{text}: {why}");
        cause = why.source();
    }
    text
}

fn unreachable(door: &AdminDoor, why: &str) -> VerbFailure {
    let hint = door_tls::hint(why).unwrap_or(
        "Does it run, and does its conf file have server.admin? Another address is given with --admin URL or in the environment \
         variable HOMING_ADMIN.",
    );
    VerbFailure::Unreachable(format!("no proxy at {door}: {why}\n{hint}"))
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

#[cfg(test)]
mod tests;
