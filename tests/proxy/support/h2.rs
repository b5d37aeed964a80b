//! An HTTP/2 client: hyper on a small runtime of its own, so that tests can stay plain functions.

use super::DEADLINE;
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http2::SendRequest;
use hyper::{Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo};
use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// Runs a future to its end, or fails at the deadline.
pub fn run<T>(future: impl Future<Output = T>) -> T {
    run_within(DEADLINE, future)
}

/// The same with a deadline of its own.
pub fn run_within<T>(deadline: Duration, future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async { tokio::time::timeout(deadline, future).await.expect("within the deadline") })
}

/// One connection with prior knowledge.
pub async fn connect(addr: SocketAddr) -> SendRequest<Full<Bytes>> {
    let stream = tokio::net::TcpStream::connect(addr).await.expect("the listener accepts");
    shake(TokioIo::new(stream)).await
}

/// One connection over TLS, agreed on by ALPN.
pub async fn connect_tls(
    addr: SocketAddr,
    config: Arc<rustls::ClientConfig>,
    name: &str,
) -> SendRequest<Full<Bytes>> {
    let stream = tokio::net::TcpStream::connect(addr).await.expect("the listener accepts");
    let server = rustls::pki_types::ServerName::try_from(name.to_owned()).expect("a server name");
    let stream =
        tokio_rustls::TlsConnector::from(config).connect(server, stream).await.expect("the handshake");
    assert_eq!(stream.get_ref().1.alpn_protocol(), Some(b"h2".as_slice()), "ALPN agrees on h2");
    shake(TokioIo::new(stream)).await
}

async fn shake<I: hyper::rt::Read + hyper::rt::Write + Unpin + Send + 'static>(
    io: I,
) -> SendRequest<Full<Bytes>> {
    let (send, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), io).await.expect("an HTTP/2 handshake");
    tokio::spawn(connection);
    send
}

/// A GET for a path on a host.
pub fn get(scheme: &str, host: &str, path: &str) -> Request<Full<Bytes>> {
    Request::builder().uri(format!("{scheme}://{host}{path}")).body(Full::default()).expect("a request")
}

/// Sends and reads all of it.
pub async fn fetch(send: &mut SendRequest<Full<Bytes>>, request: Request<Full<Bytes>>) -> Response<Bytes> {
    let response = send.send_request(request).await.expect("an answer");
    let (head, body) = response.into_parts();
    Response::from_parts(head, body.collect().await.expect("the whole body").to_bytes())
}

/// One connection on the library below hyper, which shows interim answers.
pub async fn connect_bare(addr: SocketAddr) -> h2::client::SendRequest<Bytes> {
    let stream = tokio::net::TcpStream::connect(addr).await.expect("the listener accepts");
    let (send, connection) = h2::client::handshake(stream).await.expect("an HTTP/2 handshake");
    tokio::spawn(connection);
    send
}

/// One connection that takes no byte of any answer's body.
pub async fn connect_unread(addr: SocketAddr) -> h2::client::SendRequest<Bytes> {
    let stream = tokio::net::TcpStream::connect(addr).await.expect("the listener accepts");
    let (send, connection) = h2::client::Builder::new()
        .initial_window_size(0)
        .handshake(stream)
        .await
        .expect("an HTTP/2 handshake");
    tokio::spawn(connection);
    send
}

/// Asks, and gives the interim answers too. A body is sent when `100 Continue` comes, and not at all if the
/// answer is there before it.
pub async fn ask(
    send: &h2::client::SendRequest<Bytes>,
    request: Request<()>,
    body: Option<&'static str>,
) -> (Vec<Response<()>>, Response<Bytes>) {
    let mut send = send.clone().ready().await.expect("open");
    let (mut answer, mut stream) = send.send_request(request, body.is_none()).expect("sent");
    let mut early = Vec::new();
    while let Some(interim) = std::future::poll_fn(|cx| answer.poll_informational(cx)).await {
        let interim = interim.expect("an interim answer");
        if let Some(body) = body.filter(|_| interim.status() == 100) {
            stream.send_data(Bytes::from_static(body.as_bytes()), true).expect("the stream takes it");
        }
        early.push(interim);
    }
    let (head, mut body) = answer.await.expect("an answer").into_parts();
    let mut bytes = Vec::new();
    while let Some(data) = body.data().await {
        let data = data.expect("the whole body");
        body.flow_control().release_capacity(data.len()).expect("room again");
        bytes.extend_from_slice(&data);
    }
    (early, Response::from_parts(head, bytes.into()))
}

/// The node that answered.
pub fn node(response: &Response<Bytes>) -> String {
    response.headers().get("x-node").map_or(String::new(), |v| v.to_str().expect("a name").to_owned())
}

/// Opens a WebSocket by extended CONNECT (RFC 8441), says `text`, and gives what came back.
pub async fn web_socket(send: &mut SendRequest<Full<Bytes>>, host: &str, path: &str, text: &str) -> Vec<u8> {
    // The server's leave to do this arrives with its SETTINGS; an exchange before makes sure they are here.
    fetch(send, get("http", host, "/before-the-socket")).await;
    let request = Request::builder()
        .method("CONNECT")
        .uri(format!("http://{host}{path}"))
        .header("sec-websocket-version", "13")
        .extension(hyper::ext::Protocol::from_static("websocket"))
        .body(Full::default())
        .expect("a request");
    let response = send.send_request(request).await.expect("an answer");
    assert_eq!(response.status(), 200, "extended CONNECT is accepted with 200");
    let mut tunnel = TokioIo::new(hyper::upgrade::on(response).await.expect("a tunnel"));
    tunnel
        .write_all(&super::ws::encode(super::ws::TEXT, text.as_bytes(), true))
        .await
        .expect("the tunnel takes it");
    let mut back = vec![0; 2 + text.len()];
    tunnel.read_exact(&mut back).await.expect("the tunnel gives it back");
    back.split_off(2)
}
