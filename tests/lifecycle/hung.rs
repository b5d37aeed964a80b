//! A node that hangs: its port takes connections, and nobody is answered.

use crate::checks::{Clicker, User, moved};
use crate::support::{Conf, Spawned, until};
use crate::window::Window;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::time::{Duration, Instant};

/// Checks that only connect, the default. What is heard of nobody for 1.5 s hangs.
const LINES: &str = r#"balance = "round-robin"
retries = 0
timeouts = { response = "500ms" }
passive = { eject = "500ms" }
health = { interval = "100ms", timeout = "500ms" }"#;

fn window(nodes: &[Spawned], more: &[SocketAddr]) -> Window {
    let conf =
        nodes.iter().fold(Conf::over([]), |conf, node| conf.node(&node.name, &format!("{:?}", node.url())));
    let conf = more.iter().fold(conf, |conf, addr| conf.node("odd", &format!("\"http://{addr}\"")));
    let window = Window::with(conf.affinity(r#"{ cookie = "HOMING" }"#).cluster(LINES));
    window.all_ready();
    window
}

fn three() -> (Vec<Spawned>, Window) {
    let nodes: Vec<Spawned> = ["n1", "n2", "n3"].map(Spawned::start).into();
    let window = window(&nodes, &[]);
    (nodes, window)
}

/// A healthy node that takes so long for "/", and for ever for "/report".
fn odd_node(root: Duration) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = listener.local_addr().unwrap();
    let serve = move |mut stream: std::net::TcpStream| -> std::io::Result<()> {
        let mut head = [0; 4096];
        loop {
            let length = stream.read(&mut head)?;
            match &head[..length] {
                [] => return Ok(()),
                head if head.starts_with(b"GET / ") => std::thread::sleep(root),
                head if head.starts_with(b"GET /report") => std::thread::sleep(Duration::from_secs(600)),
                _ => {}
            }
            stream.write_all(b"HTTP/1.1 200 OK\r\nx-node: odd\r\ncontent-length: 0\r\n\r\n")?;
        }
    };
    std::thread::spawn(move || {
        listener.incoming().flatten().for_each(|stream| drop(std::thread::spawn(move || serve(stream))))
    });
    addr
}

const IN_VAIN: &str = "is set aside: clients wait in vain";

fn set_aside_in_vain(window: &Window) -> bool {
    window.proxy.log.all().iter().any(|line| line.contains(IN_VAIN))
}

#[test]
fn a_node_that_hangs_behind_an_open_port_loses_its_users_while_others_are_answered() {
    let (nodes, window) = three();
    let mut users: Vec<User> = (0..3).map(|_| User::on(&window, "n2")).collect();
    let mut away = User::on(&window, "n2");
    let _busy = Clicker::start(User::on(&window, "n1"));
    nodes[1].pause();
    std::thread::scope(|scope| {
        for user in &mut users {
            scope.spawn(move || until("it is moved", || (user.click("/hung").0 == 200).then_some(())));
        }
    });
    window.proxy.log.says(IN_VAIN);
    let again = window.node_is("n2", "ready");
    assert!(
        again["why"].as_str().unwrap().starts_with("connects in "),
        "it is tried again, though it still hangs: {again}"
    );

    nodes[1].resume();
    assert_eq!(away.click("/back"), (200, "n2".into()), "who was not there meanwhile has lost nothing");
    assert!(users.iter_mut().all(|user| user.click("/stays").1 != "n2"), "who was moved stays");
}

#[test]
fn a_healthy_node_whose_first_page_is_slow_keeps_its_users_whatever_one_of_them_waits_for() {
    let nodes = [Spawned::start("n1")];
    let window = window(&nodes, &[odd_node(Duration::from_millis(800))]);
    let (mut user, mut silent) = (User::on(&window, "odd"), User::on(&window, "odd"));
    let _busy = Clicker::start(User::on(&window, "n1"));
    let asked = Instant::now();
    while asked.elapsed() < Duration::from_secs(8) {
        assert_eq!(user.click("/report").0, 504);
    }
    assert_eq!(silent.click("/back"), (200, "odd".into()));
    let log = window.proxy.log.all().join("\n");
    // until it has answered the first check that asks
    assert!(!set_aside_in_vain(&window) && log.matches("is set aside").count() <= 2, "{log}");
    assert_eq!(moved(&window), 0);
}

#[test]
fn what_one_client_opens_at_once_takes_no_healthy_node_away_from_the_others() {
    let nodes = [Spawned::start("n1")];
    let window = window(&nodes, &[odd_node(Duration::from_secs(600))]);
    let mut silent = User::on(&window, "odd");
    let user = User::on(&window, "odd");
    let _busy = Clicker::start(User::on(&window, "n1"));
    std::thread::scope(|scope| {
        for _ in 0..6 {
            let mut tab = user.another(&window);
            scope.spawn(move || assert_eq!(tab.click("/report").0, 504));
        }
    });
    // longer than it takes to find that nobody is answered
    std::thread::sleep(Duration::from_millis(2500));
    assert_eq!(silent.click("/back"), (200, "odd".into()));
    assert!(!set_aside_in_vain(&window));
}

#[test]
fn nodes_that_all_hang_keep_their_users() {
    let (nodes, window) = three();
    let mut users: Vec<User> = ["n1", "n2", "n3"].map(|node| User::on(&window, node)).into();
    nodes.iter().for_each(Spawned::pause);
    std::thread::scope(|scope| {
        for user in &mut users {
            scope.spawn(|| (0..8).for_each(|_| assert_eq!(user.click("/hung").0, 504)));
        }
    });
    nodes.iter().for_each(Spawned::resume);
    for user in &mut users {
        assert_eq!(user.click("/back"), (200, user.home.clone()));
    }
    assert_eq!(moved(&window), 0);
}
