//! Sockets for real, on the loopback device.

use super::socket::bind;
use super::*;
use crate::transport::stream::Stream;
use std::io::{Read, Write};
use std::net::TcpStream as Client;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::{Instant, timeout};

fn shared(address: &Address, n: usize, backlog: i32) -> std::io::Result<Vec<BoundSocket>> {
    bind(address, SocketOptions::new(Some(n), backlog))
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}

/// Answers one byte with one byte, then closes.
fn serve(mut stream: Stream) {
    tokio::spawn(async move {
        let mut byte = [0];
        if stream.read_exact(&mut byte).await.is_ok() {
            let _ = stream.write_all(&byte).await;
        }
    });
}

#[test]
fn many_on_one_port() {
    let sockets = shared(&"127.0.0.1:0".parse().unwrap(), 3, 16).unwrap();
    assert_eq!(sockets[0].address(), sockets[2].address());
    assert_ne!(sockets[0].address().to_string(), "127.0.0.1:0");
}

#[test]
fn dual_stack() {
    // Where the machine has no IPv6 there is nothing to see.
    let Ok(mut sockets) = shared(&"[::]:0".parse().unwrap(), 1, 16) else { return };
    let socket = sockets.remove(0);
    let Address::Tcp(address) = socket.address().clone() else { panic!() };
    runtime().block_on(async {
        let listener = socket.into_tokio().unwrap();
        let _client = Client::connect(("127.0.0.1", address.port())).unwrap();
        let (stream, peer) = listener.accept().await.unwrap();
        assert!(peer.address().unwrap().is_ipv4());
        assert!(matches!(stream, Stream::Tcp(stream) if stream.nodelay().unwrap()), "inherited");
    });
}

#[test]
fn unix_file_comes_and_goes() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("s");
    let address = Address::Unix(path.clone());
    let sockets = shared(&address, 2, 16).unwrap();
    assert!(shared(&address, 1, 16).is_err(), "in use");
    runtime().block_on(async {
        let mut listeners: Vec<_> = sockets.into_iter().map(|socket| socket.into_tokio().unwrap()).collect();
        let _client = std::os::unix::net::UnixStream::connect(&path).unwrap();
        assert_eq!(listeners[1].accept().await.unwrap().1, Peer::Unix);
        listeners.pop();
        assert!(path.exists());
    });
    assert!(!path.exists());

    drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
    assert!(path.exists());
    shared(&address, 1, 16).unwrap();
    std::fs::write(&path, "a file").unwrap();
    assert!(shared(&address, 1, 16).is_err());
    assert!(path.exists());
}

/// One socket of two goes under load. Nobody is reset; whoever's SYN it dropped is served by the other one a
/// second later.
#[test]
fn closing_one_of_two_loses_nobody() {
    let mut sockets = shared(&"127.0.0.1:0".parse().unwrap(), 2, 1024).unwrap();
    let Address::Tcp(address) = sockets[0].address().clone() else { panic!() };
    let (going, staying) = (sockets.remove(0), sockets.remove(0));
    let (stop, closed) = (AtomicBool::new(false), AtomicBool::new(false));
    let (good, slow, bad, moved) =
        (AtomicUsize::new(0), AtomicUsize::new(0), AtomicUsize::new(0), AtomicUsize::new(0));
    let client = || {
        while !stop.load(Ordering::Relaxed) {
            let began = std::time::Instant::now();
            let mut byte = [7];
            let answer = Client::connect(address).and_then(|mut stream| {
                stream.write_all(&byte)?;
                stream.read_exact(&mut byte)
            });
            match answer {
                Ok(()) => good.fetch_add(1, Ordering::Relaxed),
                Err(error) => {
                    eprintln!("lost: {error}");
                    bad.fetch_add(1, Ordering::Relaxed)
                }
            };
            if began.elapsed() > Duration::from_millis(500) {
                slow.fetch_add(1, Ordering::Relaxed);
            }
            thread::sleep(Duration::from_millis(1));
        }
    };
    thread::scope(|scope| {
        let clients: Vec<_> = (0..16).map(|_| scope.spawn(client)).collect();
        scope.spawn(|| {
            runtime().block_on(async {
                let listener = staying.into_tokio().unwrap();
                while !closed.load(Ordering::Relaxed) {
                    if let Ok(Ok((stream, _))) = timeout(Duration::from_millis(50), listener.accept()).await {
                        serve(stream);
                    }
                }
            });
        });
        runtime().block_on(async {
            let listener = going.into_tokio().unwrap();
            let until = Instant::now() + Duration::from_millis(300);
            while let Ok(Ok((stream, _))) = tokio::time::timeout_at(until, listener.accept()).await {
                serve(stream);
            }
            listener.quiesce().unwrap();
            let drained = Instant::now();
            listener
                .drain(|stream, _| {
                    moved.fetch_add(1, Ordering::Relaxed);
                    serve(stream);
                })
                .await;
            drop(listener);
            eprintln!("drained in {:?}", drained.elapsed());
            tokio::time::sleep(Duration::from_millis(1500)).await;
        });
        stop.store(true, Ordering::Relaxed);
        for client in clients {
            client.join().unwrap();
        }
        // Only now: it must not reset the last ones itself.
        closed.store(true, Ordering::Relaxed);
    });
    eprintln!("good {good:?}, slow {slow:?}, drained {moved:?}, lost {bad:?}");
    assert_eq!(bad.into_inner(), 0);
    assert!(good.into_inner() > 100);
}
