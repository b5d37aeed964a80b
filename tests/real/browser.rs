//! A real Chromium over TLS, which speaks HTTP/2 and splits its cookies, in front of applications that read
//! one Cookie line.

use crate::programs::{Running, have, node_folder, output};
use crate::support::{Certs, Conf, Origin, Proxy, free_addr, proxy::replace};
use std::path::Path;
use std::process::Command;

/// Counts the visits of a session, and tells what else PHP knows of the request.
const PAGE: &str = "<?php session_start(); $n = $_SESSION['n'] = ($_SESSION['n'] ?? 0) + 1; \
    foreach (['theme' => 'dark', 'lang' => 'de'] as $k => $v) setcookie($k, $v); \
    header('Content-Type: application/json'); echo json_encode(['n' => $n, 'cookies' => array_keys($_COOKIE)]);";

#[test]
fn a_browser_over_http2_keeps_its_session_at_php_and_wsgi() {
    if !have(&[
        "chromium",
        "node",
        "php",
        "/usr/bin/python3",
        &node_folder().join("node_modules/playwright-core").display().to_string(),
    ]) {
        return;
    }
    let (php, secure, folder) = (free_addr(), free_addr(), tempfile::tempdir().expect("a temporary folder"));
    let site = folder.path().join("site");
    std::fs::create_dir(&site).expect("a folder");
    replace(&site.join("index.php"), PAGE);
    let save = format!("session.save_path={}", folder.path().display());
    let mut server =
        Running::start(Command::new("php").args(["-d", &save, "-S", &php.to_string(), "-t"]).arg(&site));
    server.until_open(php);
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/real/cookies.py");
    let python = Running::start(Command::new("/usr/bin/python3").arg(script));
    Certs::new().write(&folder.path().join("certs"), &["localhost"]);
    let conf = Conf::over(std::iter::empty::<&Origin>())
        .affinity(r#"{ cookie = "HOMING" }"#)
        .rule("path = \"/php\"")
        .node("php", &format!("\"http://{php}\""))
        .more(&format!(
            "[listener.secure]\nbind = \"{secure}\"\ntls = {{ certs = [\"certs\"] }}\n[[rule]]\ncluster = \"wsgi\"\n\
             [cluster.wsgi]\naffinity = {{ cookie = \"HOMING\" }}\n[cluster.wsgi.nodes]\npy = \"http://{}\"",
            python.first_line()
        ));
    replace(&folder.path().join("homing.toml"), &conf.text());
    let _proxy = Proxy::start_in(folder, "homing.toml");
    let said = output(
        Command::new("node")
            .arg(node_folder().join("cookies.js"))
            .arg(format!("https://localhost:{}", secure.port())),
    );
    assert!(said.contains("good"), "{said}");
}
