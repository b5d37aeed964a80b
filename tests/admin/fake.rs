//! A window that answers what a test tells it to, for what a proxy cannot be made to do on command.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::sync::{Arc, Mutex};

/// Answers each request by the next of its answers; the last one again and again.
pub struct Fake {
    pub addr: SocketAddr,
    /// Request lines and bodies so far.
    pub asked: Arc<Mutex<Vec<(String, String)>>>,
}

impl Fake {
    pub fn start(answers: Vec<(u16, serde_json::Value)>) -> Self {
        let socket = TcpListener::bind("127.0.0.1:0").unwrap();
        let addr = socket.local_addr().unwrap();
        let asked: Arc<Mutex<Vec<(String, String)>>> = Arc::default();
        let book = asked.clone();
        std::thread::spawn(move || {
            for (n, stream) in socket.incoming().map_while(Result::ok).enumerate() {
                let mut reader = BufReader::new(stream);
                let (mut first, mut length) = (String::new(), 0);
                reader.read_line(&mut first).unwrap();
                loop {
                    let mut line = String::new();
                    reader.read_line(&mut line).unwrap();
                    let lower = line.to_ascii_lowercase();
                    if let Some(value) = lower.strip_prefix("content-length:") {
                        length = value.trim().parse().unwrap();
                    }
                    if line.trim().is_empty() {
                        break;
                    }
                }
                let mut body = vec![0; length];
                reader.read_exact(&mut body).unwrap();
                book.lock().unwrap().push((first.trim().to_owned(), String::from_utf8(body).unwrap()));
                let (status, answer) = &answers[n.min(answers.len() - 1)];
                let answer = answer.to_string();
                let stream = reader.get_mut();
                let _ = write!(
                    stream,
                    "HTTP/1.1 {status} X\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{answer}",
                    answer.len()
                );
            }
        });
        Self { addr, asked }
    }

    pub fn asked(&self) -> Vec<(String, String)> {
        self.asked.lock().unwrap().clone()
    }
}
