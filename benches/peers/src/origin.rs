//! The application behind the proxies: it answers as cheaply as it can, so that what is measured stands in
//! front of it.
//!
//! `/` is 100 bytes, `/16k` and `/1m` what they say; a body that is sent is read and dropped; an upgrade
//! turns into an echo.

use super::client::SMALL;
use std::collections::HashMap;
use std::io;
use std::rc::Rc;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

const HEAD_LIMIT: usize = 16 << 10;

/// Answers whoever connects, for ever. Runs in a `LocalSet`.
pub async fn serve(listener: TcpListener) {
    let answers =
        Rc::new(HashMap::from([("/", answer(SMALL)), ("/16k", answer(16 << 10)), ("/1m", answer(1 << 20))]));
    loop {
        if let Ok((stream, _)) = listener.accept().await {
            let _ = stream.set_nodelay(true);
            tokio::task::spawn_local(connection(stream, answers.clone()));
        }
    }
}

fn answer(size: usize) -> Vec<u8> {
    let mut whole =
        format!("HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: {size}\r\n\r\n").into_bytes();
    whole.resize(whole.len() + size, b'x');
    whole
}

/// What matters of a request's head.
struct Head {
    length: usize,
    path: String,
    body: usize,
    upgrade: bool,
}

fn head(bytes: &[u8]) -> io::Result<Option<Head>> {
    let mut headers = [httparse::EMPTY_HEADER; 64];
    let mut request = httparse::Request::new(&mut headers);
    let httparse::Status::Complete(length) = request.parse(bytes).map_err(io::Error::other)? else {
        return Ok(None);
    };
    let find = |name: &str| {
        request
            .headers
            .iter()
            .find(|header| header.name.eq_ignore_ascii_case(name))
            .map(|header| header.value)
    };
    if find("transfer-encoding").is_some() {
        return Err(io::Error::other("a body without a length"));
    }
    let body =
        find("content-length").and_then(|value| std::str::from_utf8(value).ok()?.parse().ok()).unwrap_or(0);
    Ok(Some(Head {
        length,
        path: request.path.unwrap_or("/").to_owned(),
        body,
        upgrade: find("upgrade").is_some(),
    }))
}

async fn connection(mut stream: TcpStream, answers: Rc<HashMap<&'static str, Vec<u8>>>) -> io::Result<()> {
    let mut buffer = vec![0; 64 << 10];
    let mut filled = 0;
    loop {
        let Some(head) = head(&buffer[..filled])? else {
            let got = if filled < HEAD_LIMIT { stream.read(&mut buffer[filled..]).await? } else { 0 };
            if got == 0 {
                return Ok(());
            }
            filled += got;
            continue;
        };
        if head.upgrade {
            return echo(stream, buffer).await;
        }
        let mut missing = (head.length + head.body).saturating_sub(filled);
        buffer.copy_within((head.length + head.body).min(filled)..filled, 0);
        filled = filled.saturating_sub(head.length + head.body);
        while missing > 0 {
            let most = missing.min(buffer.len());
            match stream.read(&mut buffer[..most]).await? {
                0 => return Ok(()),
                got => missing -= got,
            }
        }
        stream.write_all(answers.get(head.path.as_str()).unwrap_or(&answers["/"])).await?;
    }
}

/// The answer to the key of the WebSocket standard's own example; then everything comes back.
async fn echo(mut stream: TcpStream, mut buffer: Vec<u8>) -> io::Result<()> {
    let accept = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";
    stream.write_all(accept.as_bytes()).await?;
    buffer.truncate(1 << 10);
    buffer.shrink_to_fit();
    loop {
        match stream.read(&mut buffer).await? {
            0 => return Ok(()),
            got => stream.write_all(&buffer[..got]).await?,
        }
    }
}
