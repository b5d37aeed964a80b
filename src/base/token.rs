//! Secret tokens: kept in files, shown as `Authorization: Bearer TOKEN`, compared without telling by time how
//! much was right.

use super::file::{self, FileError};
use super::owner;
use aws_lc_rs::{constant_time, digest, hmac};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::{HeaderMap, header};
use rand::RngCore;
use std::cell::RefCell;
use std::collections::HashMap;
use std::error::Error;
use std::fmt;
use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::Arc;

/// The shortest token: a shorter one can be guessed.
const SHORTEST: usize = 16;
/// The longest token: it travels in a header.
const LONGEST: usize = 1024;

/// Why a file gives no token. Its words stand behind the file's name; what the file holds is never repeated:
/// it may be most of a token.
#[derive(Debug, Clone)]
pub enum TokenError {
    /// It cannot be read.
    File(FileError),
    /// It is not there, and cannot be made.
    NotMade(Arc<io::Error>),
    /// This line is no token.
    Line(usize),
    /// There is none.
    Empty,
}

impl fmt::Display for TokenError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(why) => why.fmt(out),
            Self::NotMade(error) => write!(out, "cannot be made: {error}"),
            Self::Line(line) => write!(
                out,
                "line {line} holds no token: write {SHORTEST} to {LONGEST} letters, digits and signs, as `homing token` makes them"
            ),
            Self::Empty => out.write_str("holds no token: write one that `homing token` made"),
        }
    }
}

impl Error for TokenError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::File(why) => Some(why),
            Self::NotMade(error) => Some(error.as_ref()),
            Self::Line(_) | Self::Empty => None,
        }
    }
}

/// The tokens of a file; each of them is good, so that one can be changed for another without a gap.
#[derive(Clone, PartialEq, Eq)]
pub struct Tokens {
    /// Their hashes, so that lengths tell nothing and no dump shows a token.
    hashes: Vec<[u8; 32]>,
}

impl Tokens {
    /// None: nobody is admitted.
    pub const fn none() -> Self {
        Self { hashes: Vec::new() }
    }

    /// Reads the file that holds them.
    pub fn read(path: &Path) -> Result<Self, TokenError> {
        Self::parse(&read(path)?)
    }

    /// Reads tokens, one a line; empty lines and comments behind `#` are passed over.
    pub fn parse(text: &str) -> Result<Self, TokenError> {
        tokens(text)
            .map(|tokens| Self { hashes: tokens.into_iter().map(|token| hash(token.as_bytes())).collect() })
    }

    /// True when what is shown is one of the tokens. Takes the same time whichever it is, and however much of
    /// it is right.
    pub fn admit(&self, shown: &ShownToken) -> bool {
        self.hashes
            .iter()
            .fold(false, |good, hash| good | constant_time::verify_slices_are_equal(hash, &shown.0).is_ok())
    }

    /// True when a node's token was made of one of these.
    pub fn admit_node(&self, shown: &NodeToken) -> bool {
        let whose = whose(&shown.cluster, &shown.node);
        self.hashes.iter().any(|hash| hmac::verify(&node_key(hash), whose.as_bytes(), &shown.seal).is_ok())
    }
}

/// Passes that are out at one time; beyond it the one ends whose time is over first.
const MOST_PASSES: usize = 1000;

/// What browsers are given in place of the token that they showed. A pass is good until its time is over, it is
/// ended, its token leaves the file, or this process ends.
#[derive(Default)]
pub struct Passes(RefCell<HashMap<[u8; 32], PassEntry>>);

/// Of a pass, whose hash is its key: what is seen of the table shows none.
struct PassEntry {
    token: [u8; 32],
    until: u64,
}

impl Passes {
    /// A pass for who shows a good token.
    pub fn issue(&self, tokens: &Tokens, shown: &ShownToken, until: u64, now: u64) -> Option<String> {
        if !tokens.admit(shown) {
            return None;
        }
        let (pass, mut all) = (generate(), self.0.borrow_mut());
        all.retain(|_, entry| entry.until > now);
        if all.len() >= MOST_PASSES
            && let Some(first) = all.iter().min_by_key(|(_, entry)| entry.until).map(|(key, _)| *key)
        {
            all.remove(&first);
        }
        all.insert(hash(pass.as_bytes()), PassEntry { token: shown.0, until });
        Some(pass)
    }

    /// True when this pass is good now, for one of these tokens.
    pub fn admit(&self, tokens: &Tokens, pass: &str, now: u64) -> bool {
        let all = self.0.borrow();
        all.get(&hash(pass.as_bytes()))
            .is_some_and(|entry| entry.until > now && tokens.hashes.contains(&entry.token))
    }

    /// Nobody gets in by this pass any more, whoever has it.
    pub fn end(&self, pass: &str) {
        self.0.borrow_mut().remove(&hash(pass.as_bytes()));
    }
}

impl fmt::Debug for Tokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Tokens({}, not shown)", self.hashes.len())
    }
}

/// The token of one node of a cluster: made of the cluster's, so that nothing more is to be kept, and good
/// for nobody else. It says whose it is, `CLUSTER/NODE/SEAL`, so that what it is good for is known before
/// anything else is read.
pub struct NodeToken {
    cluster: String,
    node: String,
    seal: Vec<u8>,
}

impl NodeToken {
    /// Makes the one of a node.
    pub fn make(token: &str, cluster: &str, node: &str) -> String {
        let seal = hmac::sign(&node_key(&hash(token.as_bytes())), whose(cluster, node).as_bytes());
        format!("{cluster}/{node}/{}", URL_SAFE_NO_PAD.encode(seal))
    }

    /// The one in a request's `Authorization: Bearer TOKEN`, good or not.
    pub fn by(headers: &HeaderMap) -> Option<Self> {
        let mut parts = std::str::from_utf8(bearer(headers)?).ok()?.split('/');
        let (cluster, node, seal) = (parts.next()?, parts.next()?, parts.next()?);
        let seal = URL_SAFE_NO_PAD.decode(seal).ok().filter(|_| parts.next().is_none())?;
        Some(Self { cluster: cluster.to_owned(), node: node.to_owned(), seal })
    }

    /// Its cluster.
    pub fn cluster(&self) -> &str {
        &self.cluster
    }

    /// Its node.
    pub fn node(&self) -> &str {
        &self.node
    }
}

fn node_key(token: &[u8; 32]) -> hmac::Key {
    hmac::Key::new(hmac::HMAC_SHA256, token)
}

fn whose(cluster: &str, node: &str) -> String {
    format!("homing node token {cluster}/{node}")
}

/// What a request shows behind `Authorization: Bearer`.
fn bearer(headers: &HeaderMap) -> Option<&[u8]> {
    let (scheme, token) = headers.get(header::AUTHORIZATION)?.as_bytes().split_at_checked(7)?;
    scheme.eq_ignore_ascii_case(b"bearer ").then(|| token.trim_ascii())
}

/// What somebody shows as his token; only its hash is kept.
pub struct ShownToken([u8; 32]);

impl ShownToken {
    /// What somebody typed.
    pub fn of(token: &str) -> Self {
        Self(hash(token.as_bytes()))
    }

    /// The token in a request's `Authorization: Bearer TOKEN`.
    pub fn by(headers: &HeaderMap) -> Option<Self> {
        bearer(headers).map(|token| Self(hash(token)))
    }
}

/// The first token of a file: the one to show.
pub fn first(path: &Path) -> Result<String, TokenError> {
    let text = read(path)?;
    Ok(tokens(&text)?[0].to_owned())
}

/// The first token of a file, which is made if there is none. Of several who make it at one time, one wins
/// and all read his.
pub fn first_or_made(path: &Path) -> Result<String, TokenError> {
    match make(path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => first(path),
        Err(error) => Err(TokenError::NotMade(Arc::new(error))),
        Ok(()) => first(path),
    }
}

/// Makes a file with a fresh token, for its owner alone. It appears whole, or not at all.
fn make(path: &Path) -> io::Result<()> {
    if path.exists() {
        return Err(io::ErrorKind::AlreadyExists.into());
    }
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        owner::make_folder(folder)?;
    }
    let beside = path.with_extension(format!("new-{}", std::process::id()));
    let mut options = OpenOptions::new();
    let mut file = owner::open(options.write(true).create(true).truncate(true).mode(0o600), &beside)?;
    let made = file
        .write_all(format!("{}\n", generate()).as_bytes())
        .and_then(|()| file.sync_all())
        .and_then(|()| fs::hard_link(&beside, path));
    let _ = fs::remove_file(&beside);
    made
}

/// A fresh token.
pub fn generate() -> String {
    let mut secret = [0; 32];
    rand::rng().fill_bytes(&mut secret);
    URL_SAFE_NO_PAD.encode(secret)
}

/// What is no text is no token either.
fn read(path: &Path) -> Result<String, TokenError> {
    file::read(path).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).map_err(TokenError::File)
}

/// The tokens of a text; at least one.
fn tokens(text: &str) -> Result<Vec<&str>, TokenError> {
    let mut tokens = Vec::new();
    for (at, line) in text.lines().enumerate() {
        let mut words = line.split_whitespace().take_while(|word| !word.starts_with('#'));
        let Some(token) = words.next() else { continue };
        if words.next().is_some()
            || !(SHORTEST..=LONGEST).contains(&token.len())
            || !token.bytes().all(|byte| byte.is_ascii_graphic())
        {
            return Err(TokenError::Line(at + 1));
        }
        tokens.push(token);
    }
    if tokens.is_empty() { Err(TokenError::Empty) } else { Ok(tokens) }
}

fn hash(bytes: &[u8]) -> [u8; 32] {
    let mut hash = [0; 32];
    hash.copy_from_slice(digest::digest(&digest::SHA256, bytes).as_ref());
    hash
}

#[cfg(test)]
mod tests;
