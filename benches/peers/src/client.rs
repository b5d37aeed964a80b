//! Clients that cost little: a connection sends one prepared request after the other and reads each answer
//! whole.

use bytes::Bytes;
use http_body_util::{BodyExt, Empty};
use hyper::client::conn::http2::{self, SendRequest};
use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use std::cell::Cell;
use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;

/// The size of a small answer.
pub const SMALL: usize = 100;
/// The name on the certificates.
pub const HOST: &str = "bench.test";
/// What a browser with a session sends: a pin to the first node, the application's own cookie, and the usual
/// rest.
pub const COOKIE: &str = "SRV=n1; JSESSIONID=0123456789ABCDEF0123456789ABCDEF";
const AGENT: &str = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0";

/// Any connection.
pub trait Io: AsyncRead + AsyncWrite + Unpin {}
impl<T: AsyncRead + AsyncWrite + Unpin> Io for T {}

/// Where to, and whether by TLS.
#[derive(Clone)]
pub struct Target {
    addr: SocketAddr,
    tls: Option<Arc<rustls::ClientConfig>>,
    resumed: Rc<Cell<u64>>,
}

impl Target {
    pub fn new(addr: SocketAddr, tls: Option<Arc<rustls::ClientConfig>>) -> Self {
        Self { addr, tls, resumed: Rc::default() }
    }

    /// How many handshakes took up an earlier session.
    pub fn resumed(&self) -> u64 {
        self.resumed.get()
    }

    /// The same, its resumed handshakes counted by another.
    pub fn counting_for(self, other: &Self) -> Self {
        Self { resumed: other.resumed.clone(), ..self }
    }

    pub async fn connect(&self) -> io::Result<Box<dyn Io>> {
        let stream = TcpStream::connect(self.addr).await?;
        stream.set_nodelay(true)?;
        let Some(config) = &self.tls else { return Ok(Box::new(stream)) };
        let name = ServerName::try_from(HOST).map_err(io::Error::other)?;
        let stream = tokio_rustls::TlsConnector::from(config.clone()).connect(name, stream).await?;
        if stream.get_ref().1.handshake_kind() == Some(rustls::HandshakeKind::Resumed) {
            self.resumed.set(self.resumed.get() + 1);
        }
        Ok(Box::new(stream))
    }
}

/// The bytes of a request; with `upload` it is a POST of so many bytes.
pub fn request(path: &str, upload: Option<usize>, more: &str) -> Vec<u8> {
    let method = if upload.is_some() { "POST" } else { "GET" };
    let length = upload.map_or(String::new(), |size| format!("Content-Length: {size}\r\n"));
    let head = format!(
        "{method} {path} HTTP/1.1\r\nHost: {HOST}\r\nUser-Agent: {AGENT}\r\nAccept: */*\r\nCookie: {COOKIE}\r\n{length}{more}\r\n"
    );
    let mut whole = head.into_bytes();
    whole.resize(whole.len() + upload.unwrap_or(0), b'x');
    whole
}

/// Length of an answer's head and of its body, once the head is complete. Anything but a success is an error.
pub fn answer_head(bytes: &[u8]) -> io::Result<Option<(usize, usize)>> {
    let mut headers = [httparse::EMPTY_HEADER; 64];
    let mut answer = httparse::Response::new(&mut headers);
    let httparse::Status::Complete(head) = answer.parse(bytes).map_err(io::Error::other)? else {
        return Ok(None);
    };
    let status = answer.code.unwrap_or(0);
    if status == 101 {
        return Ok(Some((head, 0)));
    }
    let length = answer.headers.iter().find(|header| header.name.eq_ignore_ascii_case("content-length"));
    match length.and_then(|header| std::str::from_utf8(header.value).ok()?.parse().ok()) {
        Some(body) if status == 200 => Ok(Some((head, body))),
        _ => Err(io::Error::other(format!("answer {status}, or one without a length"))),
    }
}

/// An HTTP/1.1 connection.
pub struct Http1 {
    io: Box<dyn Io>,
    buffer: Vec<u8>,
}

impl Http1 {
    pub async fn open(target: &Target) -> io::Result<Self> {
        Ok(Self { io: target.connect().await?, buffer: vec![0; 4 << 10] })
    }

    /// Sends and reads the answer to its end.
    pub async fn exchange(&mut self, request: &[u8]) -> io::Result<()> {
        self.io.write_all(request).await?;
        self.io.flush().await?;
        let mut filled = 0;
        let (head, body) = loop {
            match self.io.read(&mut self.buffer[filled..]).await? {
                0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                got => filled += got,
            }
            if let Some(found) = answer_head(&self.buffer[..filled])? {
                break found;
            }
        };
        let mut missing = (head + body).saturating_sub(filled);
        if missing > self.buffer.len() {
            self.buffer.resize(64 << 10, 0);
        }
        while missing > 0 {
            let most = missing.min(self.buffer.len());
            match self.io.read(&mut self.buffer[..most]).await? {
                0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                got => missing -= got,
            }
        }
        Ok(())
    }

    /// Sends bytes into a tunnel and waits until so many came back.
    pub async fn echo(&mut self, message: &[u8]) -> io::Result<()> {
        self.io.write_all(message).await?;
        self.io.read_exact(&mut self.buffer[..message.len()]).await.map(drop)
    }

    /// Says goodbye and waits until the other side has closed, however it does that.
    pub async fn close(mut self) {
        let _ = self.io.shutdown().await;
        while self.io.read(&mut self.buffer).await.is_ok_and(|got| got > 0) {}
    }
}

/// A stream's maker on an HTTP/2 connection; clones share the connection.
#[derive(Clone)]
pub struct Http2(SendRequest<Empty<Bytes>>);

impl Http2 {
    pub async fn open(target: &Target) -> io::Result<Self> {
        let io = Box::pin(target.connect().await?);
        let (sender, connection) =
            http2::handshake(LocalExecutor, TokioIo::new(io)).await.map_err(io::Error::other)?;
        tokio::task::spawn_local(connection);
        Ok(Self(sender))
    }

    /// A small GET and its answer.
    pub async fn exchange(&mut self) -> io::Result<()> {
        let uri = format!("https://{HOST}/");
        let request =
            http::Request::get(uri).header("user-agent", AGENT).header("cookie", COOKIE).body(Empty::new());
        let request = request.map_err(io::Error::other)?;
        let answer = self.0.send_request(request).await.map_err(io::Error::other)?;
        let status = answer.status();
        let body = answer.into_body().collect().await.map_err(io::Error::other)?.to_bytes();
        if status == 200 && body.len() == SMALL {
            Ok(())
        } else {
            Err(io::Error::other(format!("answer {status}")))
        }
    }
}

/// Runs hyper's tasks on the thread they came from.
#[derive(Clone)]
struct LocalExecutor;

impl<F: Future<Output: 'static> + 'static> hyper::rt::Executor<F> for LocalExecutor {
    fn execute(&self, task: F) {
        tokio::task::spawn_local(task);
    }
}
