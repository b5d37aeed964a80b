use super::*;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;

const OPTIONS: ControlOptions = ControlOptions {
    key: "x",
    places: PlaceLimits { connections: 2, spare: 1 },
    always: &["/ping"],
    backlog: 1,
    mode: None,
    pages: false,
    clear_sockets: true,
};

#[tokio::test]
async fn when_all_work_at_something_ping_is_answered_all_the_same() {
    let tasks = tokio::task::LocalSet::new();
    let asked = async {
        let (places, (_open, closed)) = (ControlPlaces::new(OPTIONS.places), watch::channel(()));
        let (news, follower) = mpsc::channel(1);
        let follower = Rc::new(std::cell::Cell::new(Some(follower)));
        let handler = Rc::new(move |_: Request<ControlBody>, _| {
            let body = follower.take().map_or_else(|| Body::from("ok"), Body::Stream);
            async move { Response::new(body) }
        });
        let connect = async || {
            let (ours, theirs) = tokio::io::duplex(4096);
            let place = places.enter().await;
            let served = Served { options: OPTIONS, place: place.clone(), handler: handler.clone() };
            let caller = Caller { peer: Peer::Unix, encrypted: false, user: None, names: None };
            let task = tokio::task::spawn_local(connection(ours, caller, served, closed.clone()));
            place.is_served_by(task.abort_handle());
            theirs
        };
        let ask = async |stream: &mut tokio::io::DuplexStream, path: &str| {
            stream.write_all(format!("GET {path} HTTP/1.1\r\nHost: x\r\n\r\n").as_bytes()).await.unwrap();
            let mut head = [0; 12];
            stream.read_exact(&mut head).await.unwrap();
            String::from_utf8(head[9..].to_vec()).unwrap()
        };
        let (mut follows, mut asks) = (connect().await, connect().await);
        assert_eq!(ask(&mut follows, "/events").await, "200");
        assert_eq!(ask(&mut asks, "/status").await, "503");
        for _ in 0..3 {
            // another one is let go for it, and not the one that is answered
            let mut healthcheck = connect().await;
            assert_eq!(ask(&mut healthcheck, "/ping").await, "200");
        }
        assert!(!news.is_closed());
    };
    tasks.run_until(asked).await;
}

#[tokio::test]
async fn a_follower_that_reads_nothing_is_cut_off() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut follower = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    follower.write_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
    let (stream, address) = listener.accept().await.unwrap();
    let (news, gone) = mpsc::channel(1);
    let gone = Rc::new(std::cell::Cell::new(Some(gone)));
    let handler = Rc::new(move |_: Request<ControlBody>, _| {
        let body = gone.take().map(Body::Stream);
        async move { Response::new(body.unwrap_or_else(|| Body::from(""))) }
    });
    let (_open, closed) = watch::channel(());
    let place = ControlPlaces::new(OPTIONS.places).enter().await;
    let watch = PlaceWatch::new(place.clone(), WriteLimit::of(Duration::from_millis(50)));
    let stream = WatchedStream::new(stream, watch);
    let caller = Caller { peer: Peer::Tcp(address), encrypted: false, user: None, names: None };
    let serving = connection(stream, caller, Served { options: OPTIONS, place, handler }, closed);
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
