//! Other ways to a node: TLS or a unix socket in front of an origin, and a node of its own that speaks
//! HTTP/2. They run on one runtime that lives as long as the test process.

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::{Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo};
use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, LazyLock, Mutex};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream, UnixListener};
use tokio::runtime::Handle;

static RUNTIME: LazyLock<Handle> = LazyLock::new(|| {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let handle = runtime.handle().clone();
    std::thread::spawn(move || runtime.block_on(std::future::pending::<()>()));
    handle
});

async fn relay(mut near: impl AsyncRead + AsyncWrite + Unpin, origin: SocketAddr) {
    if let Ok(mut far) = TcpStream::connect(origin).await {
        let _ = tokio::io::copy_bidirectional(&mut near, &mut far).await;
    }
}

fn listener() -> (TcpListener, SocketAddr) {
    let socket = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    socket.set_nonblocking(true).expect("it can be polled");
    let _in_runtime = RUNTIME.enter();
    let listener = TcpListener::from_std(socket).expect("the runtime takes it");
    let addr = listener.local_addr().expect("a bound socket has an address");
    (listener, addr)
}

/// Takes TLS off and hands the rest to an origin.
pub fn tls_in_front(config: Arc<rustls::ServerConfig>, origin: SocketAddr) -> SocketAddr {
    TlsDoor::open(config, origin).addr
}

/// Takes TLS off, in a way that may change.
pub struct TlsDoor {
    pub addr: SocketAddr,
    config: Arc<Mutex<Arc<rustls::ServerConfig>>>,
}

impl TlsDoor {
    pub fn open(config: Arc<rustls::ServerConfig>, origin: SocketAddr) -> Self {
        let (listener, addr) = listener();
        let config = Arc::new(Mutex::new(config));
        let current = config.clone();
        RUNTIME.spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let acceptor =
                    tokio_rustls::TlsAcceptor::from(current.lock().expect("nobody panics in here").clone());
                tokio::spawn(async move {
                    if let Ok(stream) = acceptor.accept(stream).await {
                        relay(stream, origin).await;
                    }
                });
            }
        });
        Self { addr, config }
    }

    /// From now on handshakes go so.
    pub fn change(&self, config: Arc<rustls::ServerConfig>) {
        *self.config.lock().expect("nobody panics in here") = config;
    }
}

/// Listens on a unix socket and hands everything to an origin.
pub fn unix_in_front(path: &Path, origin: SocketAddr) {
    let _in_runtime = RUNTIME.enter();
    let listener = UnixListener::bind(path).expect("a unix socket");
    RUNTIME.spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(relay(stream, origin));
        }
    });
}

/// A node that speaks HTTP/2 alone, over connections of 128 streams, and answers everything with so many
/// bytes.
pub fn big_h2_node(bytes: usize) -> SocketAddr {
    let (listener, addr) = listener();
    let body = Bytes::from(vec![b'x'; bytes]);
    RUNTIME.spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let body = body.clone();
            let service = hyper::service::service_fn(move |_: Request<Incoming>| {
                let answer = Response::new(Full::new(body.clone()));
                async { Ok::<_, hyper::Error>(answer) }
            });
            let mut builder = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
            builder.max_concurrent_streams(128);
            tokio::spawn(builder.serve_connection(TokioIo::new(stream), service));
        }
    });
    addr
}

/// A node that speaks HTTP/2 alone and answers with the version and the size of the body it got.
pub fn h2_node(name: &'static str) -> SocketAddr {
    let (listener, addr) = listener();
    RUNTIME.spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let service = hyper::service::service_fn(move |request: Request<Incoming>| async move {
                let version = format!("{:?}", request.version());
                let body = request.into_body().collect().await?.to_bytes();
                let text = Bytes::from(format!("{version} {}", body.len()));
                Ok::<_, hyper::Error>(
                    Response::builder().header("x-node", name).body(Full::new(text)).expect("an answer"),
                )
            });
            let builder = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
            tokio::spawn(builder.serve_connection(TokioIo::new(stream), service));
        }
    });
    addr
}
