//! Certificates change while clients keep shaking hands.

use crate::support::relay::TlsDoor;
use crate::support::socket::Socket;
use crate::support::{Certs, Client, Conf, Origin, Proxy, free_addr, proxy::replace, until};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

#[test]
fn a_new_certificate_is_shown_without_a_failed_handshake() {
    let (certs, nodes, secure) = (Arc::new(Certs::new()), Origin::several(1), free_addr());
    let folder = tempfile::tempdir().expect("a temporary folder");
    let at = folder.path().join("certs");
    certs.write(&at, &["app.test"]);
    let conf = Conf::over(&nodes)
        .more(&format!("[listener.secure]\nbind = \"{secure}\"\ntls = {{ certs = [\"certs\"] }}"));
    replace(&folder.path().join("homing.toml"), &conf.text());
    let _proxy = Proxy::start_in(folder, "homing.toml");
    let stop = Arc::new(AtomicBool::new(false));
    let (shaker, stopped) = (certs.clone(), stop.clone());
    let hands = std::thread::spawn(move || {
        let mut failed = Vec::new();
        while !stopped.load(Ordering::SeqCst) {
            failed.extend(shaker.shown(secure, "app.test").err());
        }
        failed
    });
    for swap in 0..10 {
        let old = certs.shown(secure, "app.test").expect("a handshake");
        certs.write(&at, &["app.test"]);
        until(&format!("swap {swap} is shown"), || {
            certs.shown(secure, "app.test").is_ok_and(|new| new != old).then_some(())
        });
    }
    stop.store(true, Ordering::SeqCst);
    let failed = hands.join().expect("no panic");
    assert!(failed.is_empty(), "{failed:?}");
}

#[test]
fn a_folder_of_certbots_is_served_and_its_renewals_are_seen() {
    let (certs, nodes, secure) = (Certs::new(), Origin::several(1), free_addr());
    let folder = tempfile::tempdir().expect("a temporary folder");
    let at = folder.path().join("letsencrypt");
    // as certbot does: numbered files, and links to the newest that are turned one by one
    let renew = |number: u8| {
        let (live, archive) = (at.join("live/app.test"), at.join("archive/app.test"));
        std::fs::create_dir_all(&live).expect("a folder");
        std::fs::create_dir_all(&archive).expect("a folder");
        let (cert, key) = certs.pair(&["app.test"]);
        for (name, text) in [("cert", &cert), ("privkey", &key), ("chain", &cert), ("fullchain", &cert)] {
            replace(&archive.join(format!("{name}{number}.pem")), text);
            let link = live.join(format!("{name}.link"));
            std::os::unix::fs::symlink(format!("../../archive/app.test/{name}{number}.pem"), &link)
                .expect("a link");
            std::fs::rename(&link, live.join(format!("{name}.pem"))).expect("it is turned");
        }
    };
    renew(1);
    let tls = "tls = { certs = [\"letsencrypt/live\"] }";
    replace(
        &folder.path().join("homing.toml"),
        &Conf::over(&nodes).more(&format!("[listener.secure]\nbind = \"{secure}\"\n{tls}")).text(),
    );
    let _proxy = Proxy::start_in(folder, "homing.toml");
    let old = certs.shown(secure, "app.test").expect("a handshake");
    renew(2);
    until("the new one is shown", || {
        certs.shown(secure, "app.test").is_ok_and(|new| new != old).then_some(())
    });
}

#[test]
fn renewed_files_towards_the_nodes_are_used_and_tunnels_go_on() {
    let (old, new, node) = (Certs::new(), Certs::new(), Origin::start("n1"));
    let door = TlsDoor::open(old.server_for("node.test", Some(&old)), node.addr);
    let folder = tempfile::tempdir().expect("a temporary folder");
    let at = folder.path().to_owned();
    let put = |certs: &Certs| {
        let (cert, key) = certs.pair(&["homing.test"]);
        replace(&at.join("ca.pem"), certs.ca());
        replace(&at.join("me.pem"), &(cert + &key));
    };
    put(&old);
    let conf = Conf::over(std::iter::empty::<&Origin>())
        .affinity(r#""cookie""#)
        .cluster("tls = { ca = \"ca.pem\", cert = \"me.pem\", server-name = \"node.test\" }\nhealth = { kind = \"off\" }\npassive = { failures = 0 }")
        .node("n1", &format!("\"https://{}\"", door.addr));
    replace(&folder.path().join("homing.toml"), &conf.text());
    let proxy = Proxy::start_in(folder, "homing.toml");
    assert_eq!(Client::new(proxy.addr).get("/").node(), "n1");
    let mut tunnel = Socket::connect(proxy.addr).expect("a WebSocket opens");
    door.change(new.server_for("node.test", Some(&new)));
    // a WebSocket has a connection of its own, so each is a handshake
    assert!(Socket::connect(proxy.addr).is_err(), "the node is not believed any more");
    put(&new);
    until("both sides believe each other", || Socket::connect(proxy.addr).ok());
    assert_eq!(Client::new(proxy.addr).get("/").node(), "n1");
    assert!(tunnel.says("still here"));
}

#[test]
fn only_a_matching_pair_is_swapped_in() {
    let (certs, nodes, secure) = (Certs::new(), Origin::several(1), free_addr());
    let folder = tempfile::tempdir().expect("a temporary folder");
    let at = folder.path().join("certs");
    std::fs::create_dir(&at).expect("a folder for certificates");
    let (cert, key) = certs.pair(&["app.test"]);
    replace(&at.join("app.crt"), &cert);
    replace(&at.join("app.key"), &key);
    let conf = Conf::over(&nodes)
        .more(&format!("[listener.secure]\nbind = \"{secure}\"\ntls = {{ certs = [\"certs\"] }}"));
    replace(&folder.path().join("homing.toml"), &conf.text());
    let proxy = Proxy::start_in(folder, "homing.toml");
    let old = certs.shown(secure, "app.test").expect("a handshake");
    let (cert, key) = certs.pair(&["app.test"]);
    // Renewal tools write one file after the other; in between the folder holds a pair that does not match.
    let word = proxy.reloads(|| replace(&at.join("app.crt"), &cert));
    assert!(!word.applied(), "a certificate without its key is refused: {word:?}");
    assert_eq!(certs.shown(secure, "app.test").expect("a handshake"), old);
    replace(&at.join("app.key"), &key);
    until("the new pair is shown", || {
        certs.shown(secure, "app.test").is_ok_and(|new| new != old).then_some(())
    });
    proxy.log.says("certs/app.crt: its new certificate is shown from here on, good until ");
}
