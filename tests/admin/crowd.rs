//! Connections that never ask for anything keep nobody out who does.

use crate::support::{Certs, Client, Conf, DEADLINE, Origin, free_addr};
use crate::window::Window;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// More than there are places.
const MANY: usize = 1000;

/// Connections that begin so and go no further; every other one sends a byte now and then, until this is gone.
struct Crowd {
    all: Vec<TcpStream>,
    ends: Arc<AtomicBool>,
    drips: Option<std::thread::JoinHandle<()>>,
}

impl Crowd {
    fn at(address: SocketAddr, begin: &[u8]) -> Self {
        let connect = |n: usize| {
            let mut stream = TcpStream::connect(address).unwrap();
            // it may be closed already
            let _ = stream.write_all(if n.is_multiple_of(3) { b"" } else { begin });
            stream
        };
        let all: Vec<TcpStream> = (0..MANY).map(connect).collect();
        let mut slow: Vec<TcpStream> =
            all.iter().step_by(2).map(|stream| stream.try_clone().unwrap()).collect();
        let ends = Arc::<AtomicBool>::default();
        let ended = ends.clone();
        let drips = std::thread::spawn(move || {
            while !ended.load(Ordering::Relaxed) {
                slow.iter_mut().for_each(|stream| drop(stream.write_all(b"x")));
                std::thread::sleep(Duration::from_millis(100));
            }
        });
        Self { all, ends, drips: Some(drips) }
    }

    /// Until the proxy has let go of all of them.
    fn is_cut(&mut self) {
        for stream in &mut self.all {
            stream.set_read_timeout(Some(DEADLINE)).unwrap();
            // an answer that says so, the end, or a reset
            let mut rest = Vec::new();
            if let Err(error) = stream.read_to_end(&mut rest) {
                assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset);
            }
        }
    }
}

impl Drop for Crowd {
    fn drop(&mut self) {
        self.ends.store(true, Ordering::Relaxed);
        drop(self.drips.take().map(std::thread::JoinHandle::join));
    }
}

#[test]
fn a_thousand_half_open_connections_keep_no_healthcheck_from_its_answer() {
    let nodes = Origin::several(1);
    let window = Window::over(&nodes);
    let mut crowd = Crowd::at(window.admin, b"GET /api/status HTTP/1.1\r\nHost: x\r\nX-");
    for _ in 0..10 {
        let said = window.homing(&["healthcheck"]);
        assert_eq!(said.code, 0, "{said:?}");
        assert_eq!((window.get("/ping").status, window.get("/api/status").status), (200, 200));
        crowd.all.extend((0..50).map(|_| TcpStream::connect(window.admin).unwrap()));
    }
    crowd.is_cut();
}

#[test]
fn neither_do_bodies_that_never_come() {
    let nodes = Origin::several(1);
    let window = Window::over(&nodes);
    let login = "POST /login HTTP/1.1\r\nHost: x\r\nOrigin: http://x\r\nContent-Type: application/x-www-form-urlencoded\r\n\
                 Content-Length: 9999\r\n\r\ntoken=";
    let _crowd = Crowd::at(window.admin, login.as_bytes());
    for _ in 0..10 {
        assert_eq!(window.homing(&["healthcheck"]).code, 0);
        assert_eq!(window.get("/api/status").status, 200);
    }
}

#[test]
fn a_head_and_a_handshake_that_never_end_are_cut() {
    let nodes = Origin::several(1);
    let certs = Certs::new();
    let folder = tempfile::tempdir().unwrap();
    certs.write(folder.path(), &["localhost"]);
    for (tls, begin) in [(false, &b"POST /heartbeat HTTP/1.1\r\n"[..]), (true, &[22, 3, 1, 1, 0, 1])] {
        let announce = free_addr();
        let more = if tls { format!(", tls = {{ certs = [{:?}] }}", folder.path()) } else { String::new() };
        let conf = Conf::over(&nodes).server(&format!("announce = {{ bind = \"{announce}\"{more} }}"));
        let _window = Window::with(conf);
        Crowd::at(announce, begin).is_cut();
        if !tls {
            assert_eq!(Client::new(announce).get("/clusters/app/nodes").status, 200);
        }
    }
}
