//! What becomes of open sockets when their node is taken out: the table of docs/src/sockets.md.

use crate::support::socket::Socket;
use crate::support::{Client, Conf, DEADLINE, Origin, until};
use crate::window::Window;
use std::io::Read;
use std::sync::atomic::Ordering;

const COOKIE: &str = r#"{ cookie = "HOMING" }"#;

fn two() -> (Vec<Origin>, Window) {
    let nodes = Origin::several(2);
    let window = Window::with(Conf::over(&nodes).affinity(COOKIE));
    window.all_ready();
    (nodes, window)
}

/// A client with a session on this node, and so many sockets.
fn on(window: &Window, node: &str, count: usize) -> (Client, Vec<Socket>) {
    let mut client = loop {
        let mut client = Client::with_jar(window.proxy.addr);
        if client.get("/").node() == node {
            break client;
        }
    };
    let sockets = (0..count).map(|_| Socket::open(&mut client, "/ws").expect("a socket opens")).collect();
    (client, sockets)
}

/// The code that a socket is closed with.
fn code(socket: &mut Socket) -> Option<u16> {
    socket.next(DEADLINE).expect("a frame before the end").code()
}

#[test]
fn a_drain_names_the_sockets_it_waits_for() {
    let (_nodes, window) = two();
    let (_client, mut sockets) = on(&window, "n1", 3);
    let said = window.homing(&["drain", "app/n1", "--wait", "--deadline", "1s"]);
    assert_eq!(said.code, 3, "{said:?}");
    assert!(said.out.contains("1 session, 3 sockets left"), "{said:?}");
    assert!(said.err.contains("n1 has 1 session, 3 sockets left"), "{said:?}");
    let node = window.node_is("n1", "draining");
    assert_eq!((&node["sockets"], &node["in_flight"]), (&3.into(), &3.into()), "{node}");
    assert!(node["why"].as_str().unwrap().contains("1 session, 3 sockets left"), "{node}");
    assert!(sockets.iter_mut().all(|socket| socket.says("still here")), "who is left stays");
}

#[test]
fn a_drain_is_not_over_while_a_socket_without_a_session_is_open() {
    let nodes = Origin::several(2);
    let window = Window::with(Conf::over(&nodes).affinity(COOKIE).cluster("session-idle = \"1s\""));
    window.all_ready();
    let (_client, sockets) = on(&window, "n1", 2);
    assert_eq!(window.homing(&["drain", "app/n1"]).code, 0);
    let said = window.homing(&["drain", "app/n1", "--wait", "--deadline", "3s"]);
    assert!(said.code == 3 && said.err.contains("2 sockets left"), "{said:?}");
    drop(sockets);
    let said = window.homing(&["drain", "app/n1", "--wait"]);
    assert!(said.code == 0 && said.out.contains("safe to stop it"), "{said:?}");
}

#[test]
fn at_its_deadline_a_drain_that_moves_ends_sockets_as_a_restart_does() {
    let (_nodes, window) = two();
    let (mut client, mut sockets) = on(&window, "n1", 3);
    let said = window.homing(&["drain", "app/n1", "--wait", "--deadline", "2s", "--then", "move"]);
    assert!(said.code == 3 && said.err.contains("n1 still had 1 session, 3 sockets: moved"), "{said:?}");
    assert_eq!(sockets.iter_mut().map(code).collect::<Vec<_>>(), [Some(1012); 3]);
    let node = window.node_is("n1", "drained");
    assert_eq!(
        (&node["sockets"], &node["in_flight"]),
        (&0.into(), &0.into()),
        "it is safe to stop it: {node}"
    );
    let mut again = Socket::open(&mut client, "/ws").expect("they come back");
    assert!(again.says("hello"));
    assert_eq!(again.node.as_deref(), Some("n2"));
    let line = &window.proxy.access_of("/ws", 3)[0];
    assert_eq!(
        (line["note"].as_str(), line["why"].as_str()),
        (Some("tunnel-moved"), Some("cookie")),
        "{line}"
    );
}

#[test]
fn whatever_takes_a_node_out_ends_its_sockets() {
    type How = fn(&Window);
    fn without(window: &Window, node: &str) -> String {
        let text = window.conf.text();
        text.lines()
            .filter(|line| !line.starts_with(&format!("{node} = ")))
            .map(|line| format!("{line}\n"))
            .collect()
    }
    let ways: [(&str, How); 4] = [
        ("disable", |window| assert_eq!(window.homing(&["disable", "app/n1"]).code, 0)),
        ("remove", |window| assert_eq!(window.homing(&["remove", "app/n1", "--force"]).code, 0)),
        ("maintenance in the file", |window| {
            let text = without(window, "n1")
                + "[cluster.app.nodes.n1]\nurl = \"http://127.0.0.1:1\"\nstate = \"maintenance\"\n";
            assert!(window.proxy.reload_to(&text).applied());
        }),
        ("gone from the file", |window| assert!(window.proxy.reload_to(&without(window, "n1")).applied())),
    ];
    for (how, take_out) in ways {
        let (_nodes, window) = two();
        let (_gone, mut sockets) = on(&window, "n1", 2);
        let (_stays, mut others) = on(&window, "n2", 1);
        take_out(&window);
        assert_eq!(sockets.iter_mut().map(code).collect::<Vec<_>>(), [Some(1012); 2], "{how}");
        assert!(others[0].says("nothing happened here"), "{how}");
    }
}

#[test]
fn an_operators_own_socket_past_a_nodes_state_stays() {
    let (_nodes, window) = two();
    assert_eq!(window.homing(&["disable", "app/n1"]).code, 0);
    let bypass = window.homing(&["bypass", "app/n1"]).out.lines().next().unwrap().to_owned();
    let mut operator = Client::new(window.proxy.addr).cookie("homing-bypass", &bypass);
    let mut socket = Socket::open(&mut operator, "/ws").expect("a socket opens");
    assert_eq!(socket.node.as_deref(), Some("n1"));
    assert_eq!(window.homing(&["disable", "app/n1"]).code, 0);
    assert!(socket.says("looking around") && socket.says("undisturbed"));
}

/// The client reads nothing at first, so that part of a frame waits in the proxy when it is told to end.
#[test]
fn the_last_word_never_stands_within_another_frame() {
    let (nodes, window) = two();
    let (mut client, _) = on(&window, "n1", 0);
    let headers = [
        ("Connection", "Upgrade"),
        ("Upgrade", "websocket"),
        ("Sec-WebSocket-Version", "13"),
        ("Sec-WebSocket-Key", "AAAAAAAAAAAAAAAAAAAAAA=="),
    ];
    let (head, mut wire) = client.upgrade("/flood", &headers).expect("a socket opens");
    assert_eq!(head.status(), 101);
    let sent = || nodes[0].state.body_bytes.load(Ordering::SeqCst);
    // how much the sockets in between hold is the kernel's to say
    let (mut before, mut looks) = (0, 0);
    until("the flood stands still", || {
        let now = sent();
        looks = if now > 100_000 && now == std::mem::replace(&mut before, now) { looks + 1 } else { 0 };
        std::thread::sleep(std::time::Duration::from_millis(50));
        (looks == 10).then_some(())
    });
    window.proxy.signal("TERM");
    let mut all = Vec::new();
    wire.read_to_end(&mut all).expect("read to the end");
    let mut rest = &all[..];
    while let Some((header, body)) = rest.split_first_chunk::<4>() {
        if header[..2] == [0x88, 2] {
            assert_eq!(rest, [0x88, 2, 0x03, 0xf4], "the last word");
            return;
        }
        assert_eq!(header, &[0x82, 126, 0xc3, 0x50], "a frame of 50,000 bytes");
        rest = &body[body.len().min(50_000)..];
    }
}
