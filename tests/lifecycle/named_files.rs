//! Files that the conf names and that are of no use: `homing check` refuses what a reload would, and nobody
//! waits for them.

use crate::support::{Certs, Client, Conf, Origin};
use crate::window::{Window, homing};
use std::fs;
use std::process::Command;

#[test]
fn what_a_reload_would_refuse_the_check_refuses() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let (chain, key) = Certs::new().pair(&["a.test"]);
    fs::write(path("short.key"), "abc\n").unwrap();
    fs::write(path("junk.pem"), "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n").unwrap();
    fs::write(path("a.crt"), chain).unwrap();
    fs::write(path("a.key"), key).unwrap();
    assert!(Command::new("mkfifo").arg(path("pipe")).status().unwrap().success());
    for (cluster, said) in [
        ("affinity = { cookie = 'X', keys = 'short.key' }", Some("not a key")),
        ("tls = { ca = 'junk.pem' }", Some("cannot be read")),
        ("tls = { ca = 'pipe' }", Some("is a pipe")),
        ("error-page = 'pipe'", Some("is a pipe")),
        ("tls = { cert = 'a.crt' }", None),
    ] {
        let conf = format!(
            "[listener.web]\nbind = '127.0.0.1:0'\n[cluster.app]\n{cluster}\n[cluster.app.nodes]\nn1 = 'https://127.0.0.1:1'\n"
        );
        fs::write(path("homing.toml"), conf).unwrap();
        let checked = homing(folder.path(), &["check", "homing.toml"], &[]);
        match said {
            Some(said) => assert!(checked.code == 1 && checked.err.contains(said), "{cluster}: {checked:?}"),
            None => assert_eq!(checked.code, 0, "the key lies beside it: {checked:?}"),
        }
    }
}

#[test]
fn a_pipe_in_a_files_place_keeps_nobody_waiting() {
    let node = Origin::start("n1");
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("sorry.html"), "sorry").unwrap();
    let window = Window::at(folder, Conf::over([&node]).cluster("error-page = \"sorry.html\""));
    window.all_ready();
    let page = window.proxy.folder().join("sorry.html");
    fs::remove_file(&page).unwrap();
    assert!(Command::new("mkfifo").arg(&page).status().unwrap().success());
    let reload = window.homing(&["reload"]);
    assert!(reload.code == 1 && reload.err.contains("is a pipe"), "{reload:?}");
    assert_eq!(Client::new(window.proxy.addr).get("/").status, 200);
    assert_eq!(window.get("/ping").status, 200);
}
