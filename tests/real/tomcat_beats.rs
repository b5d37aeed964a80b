//! Tomcat's own HeartbeatListener, over UDP and over TCP: it registers, weighs, and leaves when it is
//! stopped.

use crate::support::{Client, Conf, DEADLINE, Origin, free_addr, until};
use crate::tomcat::Tomcat;
use crate::window::Window;
use std::net::SocketAddr;

const GROUP: &str = "239.77.2.105";

/// The listener as server.xml has it; the connector is bound to one address, so `host` names it.
fn listener(addr: SocketAddr, way: &str) -> String {
    let (host, port) = (addr.ip(), addr.port());
    format!(
        r#"<Listener className="org.apache.catalina.ha.backend.HeartbeatListener" host="{host}" port="{port}" {way}/>"#
    )
}

fn registers_weighs_and_leaves(number: u8, way: impl FnOnce(SocketAddr) -> String) {
    if !Tomcat::is_here() {
        return;
    }
    let heard = free_addr();
    let line = format!(
        "mod-heartbeat = {{ bind = \"{heard}\", groups = [\"{GROUP}\"], from = [\"127.77.0.0/16\"], cluster = \"app\", interval = \"1s\" }}"
    );
    let conf = Conf::over(std::iter::empty::<&Origin>()).affinity(r#"{ cookie = "HOMING" }"#).server(&line);
    let window = Window::with(conf);
    let way = way(heard);
    let mut tomcat = Tomcat::with(number, |addr| listener(addr, &way));
    let name = format!("{}-{}", tomcat.addr.ip(), tomcat.addr.port());

    // it registers, and serves once it is accepted
    window.node_is(&name, "pending");
    assert_eq!(Client::new(window.proxy.addr).get("/index.jsp").status, 503);
    let said = window.homing(&["accept", &format!("app/{name}")]);
    assert_eq!(said.code, 0, "{said:?}");
    window.node_is(&name, "ready");
    let mut user = Client::with_jar(window.proxy.addr);
    for visit in 1..=3u64 {
        assert_eq!(user.get("/index.jsp").json()["visits"].as_u64(), Some(visit));
    }

    // it weighs: four of its eight threads are busy for as long as it takes to say so
    let load = || window.get(&format!("/api/clusters/app/nodes/{name}")).json()["load"].as_u64();
    until("it is idle", || (load() == Some(0)).then_some(()));
    let addr = window.proxy.addr;
    let users: Vec<_> = (0..4)
        .map(|_| {
            std::thread::spawn(move || assert_eq!(Client::new(addr).get("/index.jsp?ms=4000").status, 200))
        })
        .collect();
    until("half of it is busy", || (load() == Some(50)).then_some(()));
    users.into_iter().for_each(|user| user.join().unwrap());
    until("it is idle again", || (load() == Some(0)).then_some(()));

    // it leaves
    let mark = window.proxy.log.mark();
    tomcat.running = None;
    window.node_is(&name, "down");
    let silent = |line: &str| line.contains(&format!("node {name} is silent"));
    assert!(
        window.proxy.log.wait(mark, DEADLINE, silent).is_some(),
        "its last beat is more than three intervals ago"
    );
    assert_eq!(load(), None);
    let counted = window.status()["heartbeats"]["mod-heartbeat"].clone();
    assert!(counted["taken"].as_u64() > Some(5) && counted.as_object().unwrap().len() == 1, "{counted}");
}

#[test]
fn tomcat_registers_weighs_and_leaves_over_udp() {
    registers_weighs_and_leaves(3, |heard| {
        format!(r#"group="{GROUP}" multiport="{}" ttl="1""#, heard.port())
    });
}

#[test]
fn tomcat_registers_weighs_and_leaves_over_tcp() {
    registers_weighs_and_leaves(4, |heard| format!(r#"proxyList="{heard}""#));
}
