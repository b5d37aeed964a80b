//! A node that hangs: its port takes connections, and nobody is answered.

use crate::checks::{Clicker, User, moved};
use crate::support::{Conf, Spawned, until};
use crate::window::Window;

/// Checks that only connect, the default.
const LINES: &str = r#"balance = "round-robin"
retries = 0
timeouts = { response = "500ms" }
health = { interval = "100ms", timeout = "500ms", rise = 2, fall = 2 }"#;

fn three() -> (Vec<Spawned>, Window) {
    let nodes: Vec<Spawned> = ["n1", "n2", "n3"].map(Spawned::start).into();
    let conf = nodes.iter().fold(Conf::over([]), |conf, node| conf.node(&node.name, &format!("{:?}", node.url())));
    let window = Window::with(conf.affinity(r#"{ cookie = "HOMING" }"#).cluster(LINES));
    window.all_ready();
    (nodes, window)
}

#[test]
fn a_node_that_hangs_behind_an_open_port_loses_its_users_while_others_are_answered() {
    let (nodes, window) = three();
    let mut users: Vec<User> = (0..3).map(|_| User::on(&window, "n2")).collect();
    let mut away = User::on(&window, "n2");
    let _busy = Clicker::start(User::on(&window, "n1"));
    nodes[1].pause();
    let mut in_vain = [0; 3];
    for _ in 0..12 {
        let answers: Vec<_> = users.iter_mut().map(|user| user.click("/hung").0).collect();
        answers.iter().zip(&mut in_vain).for_each(|(status, count)| *count += usize::from(*status == 504));
    }
    assert!(in_vain.iter().all(|count| *count <= 5), "{in_vain:?} of 12 clicks");
    until("its check says so", || {
        let node = window.node_is("n2", "down");
        node["why"].as_str().unwrap().contains("clients wait in vain: no answer within 500ms (2 checks failed)").then_some(())
    });

    nodes[1].resume();
    window.node_is("n2", "ready");
    assert_eq!(away.click("/back"), (200, "n2".into()), "who was not there meanwhile has lost nothing");
    assert!(users.iter_mut().all(|user| user.click("/stays").1 != "n2"), "who was moved stays");
}

#[test]
fn nodes_that_all_hang_keep_their_users() {
    let (nodes, window) = three();
    let mut users: Vec<User> = ["n1", "n2", "n3"].map(|node| User::on(&window, node)).into();
    nodes.iter().for_each(Spawned::pause);
    std::thread::scope(|scope| {
        for user in &mut users {
            scope.spawn(|| (0..6).for_each(|_| assert_eq!(user.click("/hung").0, 504)));
        }
    });
    nodes.iter().for_each(Spawned::resume);
    for user in &mut users {
        assert_eq!(user.click("/back"), (200, user.home.clone()));
    }
    assert_eq!(moved(&window), 0);
}
