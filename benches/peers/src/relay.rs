//! The floor under every proxy: bytes in, bytes out, nothing looked at. One connection to the origin for each
//! client.

use std::cell::RefCell;
use std::io;
use std::net::{Shutdown, SocketAddr};
use std::rc::Rc;
use tokio::net::{TcpListener, TcpStream};

/// One buffer for all: it is empty again before anybody waits.
type Buffer = Rc<RefCell<Vec<u8>>>;

/// Relays between whoever connects and the origin, for ever. Runs in a `LocalSet`.
pub async fn serve(listen: SocketAddr, origin: SocketAddr) -> io::Result<()> {
    let listener = TcpListener::bind(listen).await?;
    let buffer: Buffer = Rc::new(RefCell::new(vec![0; 64 << 10]));
    loop {
        if let Ok((client, _)) = listener.accept().await {
            tokio::task::spawn_local(relay(client, origin, buffer.clone()));
        }
    }
}

async fn relay(client: TcpStream, origin: SocketAddr, buffer: Buffer) -> io::Result<()> {
    let origin = TcpStream::connect(origin).await?;
    client.set_nodelay(true)?;
    origin.set_nodelay(true)?;
    tokio::try_join!(pump(&client, &origin, &buffer), pump(&origin, &client, &buffer)).map(drop)
}

async fn pump(from: &TcpStream, to: &TcpStream, buffer: &Buffer) -> io::Result<()> {
    loop {
        from.readable().await?;
        let rest = {
            let mut buffer = buffer.borrow_mut();
            let got = match from.try_read(&mut buffer) {
                Ok(0) => break,
                Ok(got) => got,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => continue,
                Err(error) => return Err(error),
            };
            let written = match to.try_write(&buffer[..got]) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => 0,
                written => written?,
            };
            buffer[written..got].to_vec()
        };
        write_all(to, &rest).await?;
    }
    socket2::SockRef::from(to).shutdown(Shutdown::Write)
}

async fn write_all(to: &TcpStream, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        to.writable().await?;
        match to.try_write(bytes) {
            Ok(written) => bytes = &bytes[written..],
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}
