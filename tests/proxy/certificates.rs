//! Certificates change while clients keep shaking hands.

use crate::support::proxy::{binary, replace};
use crate::support::relay::TlsDoor;
use crate::support::socket::Socket;
use crate::support::{Certs, Client, Conf, Origin, Proxy, free_addr, until};
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

/// A certificate signed by itself, good between these years, with its key.
fn between(from: i32, until: i32) -> String {
    let key = rcgen::KeyPair::generate().unwrap();
    let mut params = rcgen::CertificateParams::new(vec!["app.test".to_owned()]).unwrap();
    (params.not_before, params.not_after) =
        (rcgen::date_time_ymd(from, 1, 1), rcgen::date_time_ymd(until, 1, 1));
    params.self_signed(&key).unwrap().pem() + &key.serialize_pem()
}

#[test]
fn a_certificate_that_is_not_good_now_is_told_by_check_and_log() {
    let nodes = Origin::several(1);
    for (from, until, words) in
        [(2000, 2001, "has expired on 2001"), (2900, 2901, "is not good before 2900"), (2000, 2900, "")]
    {
        let (folder, secure) = (tempfile::tempdir().unwrap(), free_addr());
        for key in ["listener", "cluster", "ca"] {
            let file = |name: &str| folder.path().join(name);
            // only one of the three is what is looked at
            for name in ["listener", "cluster", "ca"] {
                let text = if name == key { between(from, until) } else { between(2000, 2900) };
                replace(&file(&format!("{name}.pem")), &text);
            }
            let conf = Conf::over(&nodes)
                .affinity(r#""cookie""#)
                .cluster("tls = { ca = \"ca.pem\", cert = \"cluster.pem\" }")
                .server("max-connections = 100")
                .more(&format!(
                    "[listener.secure]\nbind = \"{secure}\"\ntls = {{ certs = [\"listener.pem\"] }}"
                ));
            replace(&file("homing.toml"), &conf.text());
            let checked = std::process::Command::new(binary())
                .args(["check", "--strict"])
                .arg(file("homing.toml"))
                .output()
                .unwrap();
            let said = String::from_utf8_lossy(&checked.stderr).into_owned();
            assert_eq!(checked.status.success(), words.is_empty(), "{key} {words}: {said}");
            assert!(
                said.contains(words) && (words.is_empty() || said.contains(&format!("{key}.pem"))),
                "{said}"
            );
        }
        if words.is_empty() {
            continue;
        }
        let proxy = Proxy::start_in(folder, "homing.toml");
        proxy.log.says(words);
    }
}

#[test]
fn a_reload_says_which_of_the_files_are_others() {
    let (certs, nodes, secure) = (Certs::new(), Origin::several(1), free_addr());
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path().to_owned();
    certs.write(&at.join("certs"), &["app.test"]);
    replace(&at.join("sorry.html"), "sorry");
    let conf = Conf::over(&nodes)
        .affinity(r#""cookie""#)
        .cluster("error-page = \"sorry.html\"")
        .more(&format!("[listener.secure]\nbind = \"{secure}\"\ntls = {{ certs = [\"certs\"] }}"));
    replace(&at.join("homing.toml"), &conf.text());
    let proxy = Proxy::start_in(folder, "homing.toml");
    let line = |change: &dyn Fn()| format!("{:?}", proxy.reloads(change));
    let renewed = line(&|| certs.write(&at.join("certs"), &["app.test"]));
    assert!(
        renewed.contains("app.test.pem: its new certificate is shown from here on, good until"),
        "{renewed}"
    );
    let more = line(&|| certs.write(&at.join("certs"), &["more.test"]));
    assert!(more.contains("more.test.pem: its certificate is shown too"), "{more}");
    assert!(!more.contains("app.test.pem"), "{more}");
    let fewer = line(&|| std::fs::remove_file(at.join("certs/more.test.pem")).unwrap());
    assert!(fewer.contains("more.test.pem: its certificate is not shown any more"), "{fewer}");
    let page = line(&|| replace(&at.join("sorry.html"), "very sorry"));
    assert!(page.contains("sorry.html: its new text is used from here on"), "{page}");
    let nothing = line(&|| proxy.signal("HUP"));
    assert!(nothing.contains("nothing changed"), "{nothing}");
}

#[test]
fn a_node_with_a_certificate_that_is_not_believed_is_down_with_what_to_do() {
    let (certs, node) = (Certs::new(), Origin::start("n1"));
    let door = TlsDoor::open(certs.server("other.test"), node.addr);
    let folder = tempfile::tempdir().unwrap();
    replace(&folder.path().join("ca.pem"), certs.ca());
    let conf = Conf::over(std::iter::empty::<&Origin>())
        .cluster("tls = { ca = \"ca.pem\" }\nhealth = { path = \"/\", interval = \"100ms\", fall = 1 }")
        .node("n1", &format!("\"https://{}\"", door.addr));
    replace(&folder.path().join("homing.toml"), &conf.text());
    let proxy = Proxy::start_in(folder, "homing.toml");
    proxy.log.says("the node's certificate is made out to other.test, and not to 127.0.0.1: write it as server-name in `tls`");
}
