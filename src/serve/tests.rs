use super::*;
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;

#[tokio::test]
async fn a_follower_that_reads_nothing_is_cut_off() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut follower = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    follower.write_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
    let (stream, address) = listener.accept().await.unwrap();
    let (news, gone) = mpsc::channel(1);
    let gone = Rc::new(std::cell::Cell::new(Some(gone)));
    let handler = Rc::new(move |_, _| {
        let body = gone.take().map(Body::Stream);
        async move { Response::new(body.unwrap_or_else(|| Body::from(""))) }
    });
    let (_open, closed) = watch::channel(());
    let (stream, caller) = (
        WriteTimeout::new(stream, WriteLimit::of(Duration::from_millis(50))),
        Caller { peer: Peer::Tcp(address), user: None, names: None },
    );
    let serving = connection(stream, caller, false, handler, || false, closed);
    let feeding = async {
        let mut fed = 0;
        while news.send(Bytes::from(vec![b'x'; 64 << 10])).await.is_ok() {
            fed += 1;
        }
        fed
    };
    let ((), fed) = tokio::time::timeout(Duration::from_secs(30), async { tokio::join!(serving, feeding) })
        .await
        .expect("it ends");
    assert!(fed > 0 && fed < 1000, "{fed} parts wait for nobody");
}
