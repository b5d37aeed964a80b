//! The clients people use: curl in every version of HTTP, h2load and wrk at full speed, all without one
//! failure.

use crate::programs::{have, output};
use crate::support::{Certs, Conf, Origin, Proxy, free_addr, proxy::replace};
use std::net::SocketAddr;
use std::process::Command;

struct Site {
    proxy: Proxy,
    secure: SocketAddr,
    _nodes: Vec<Origin>,
}

fn site() -> Site {
    let (certs, nodes, secure) = (Certs::new(), Origin::several(2), free_addr());
    let folder = tempfile::tempdir().expect("a temporary folder");
    certs.write(&folder.path().join("certs"), &["app.test"]);
    std::fs::write(folder.path().join("ca.pem"), certs.ca()).expect("the authority is written");
    let conf = Conf::over(&nodes)
        .affinity(r#"{ cookie = "HOMING" }"#)
        .more(&format!("[listener.secure]\nbind = \"{secure}\"\ntls = {{ certs = [\"certs\"] }}"));
    replace(&folder.path().join("homing.toml"), &conf.text());
    Site { proxy: Proxy::start_in(folder, "homing.toml"), secure, _nodes: nodes }
}

impl Site {
    /// curl's word on status and version, with a cookie jar that must hold our pin at the end.
    fn curl(&self, version: &str, scheme: &str) -> String {
        let jar = self.proxy.folder().join("jar");
        let (port, ca) = (
            if scheme == "https" { self.secure.port() } else { self.proxy.addr.port() },
            self.proxy.folder().join("ca.pem"),
        );
        let mut command = Command::new("curl");
        command.args([
            "-sS",
            version,
            "--max-time",
            "20",
            "-o",
            "/dev/null",
            "-w",
            "%{http_code} %{http_version} %{size_download}",
        ]);
        command.args(["--resolve", &format!("app.test:{port}:127.0.0.1")]).arg("--cacert").arg(ca);
        command.arg("-b").arg(&jar).arg("-c").arg(&jar);
        let said = output(command.arg(format!("{scheme}://app.test:{port}/big?n=1000000")));
        assert!(
            std::fs::read_to_string(&jar).is_ok_and(|text| text.contains("HOMING")),
            "the jar holds the pin"
        );
        said
    }
}

#[test]
fn curl_speaks_every_version() {
    if !have(&["curl"]) {
        return;
    }
    let site = site();
    assert_eq!(site.curl("--http1.0", "http"), "200 1 1000000");
    assert_eq!(site.curl("--http1.1", "http"), "200 1.1 1000000");
    assert_eq!(site.curl("--http2-prior-knowledge", "http"), "200 2 1000000");
    assert_eq!(site.curl("--http2", "http"), "200 1.1 1000000", "an upgrade to h2c is not taken");
    assert_eq!(site.curl("--http1.1", "https"), "200 1.1 1000000");
    assert_eq!(site.curl("--http2", "https"), "200 2 1000000");
}

fn h2load(args: &[&str], url: &str) {
    let said =
        output(Command::new("h2load").args(["-n", "20000", "-c", "16", "-t", "2"]).args(args).arg(url));
    let whole = said.contains("20000 succeeded, 0 failed, 0 errored, 0 timeout")
        && said.contains("status codes: 20000 2xx, 0 3xx, 0 4xx, 0 5xx");
    assert!(whole, "{url} {args:?}: {said}");
}

#[test]
fn h2load_runs_clean() {
    if !have(&["h2load"]) {
        return;
    }
    let site = site();
    let (clear, secure) =
        (format!("http://{}/visit", site.proxy.addr), format!("https://{}/visit", site.secure));
    h2load(&["--h1"], &clear);
    h2load(&["-m", "10"], &clear);
    h2load(&["--h1"], &secure);
    h2load(&["-m", "10"], &secure);
}

fn wrk(url: &str, connections: &str) {
    let said =
        output(Command::new("wrk").args(["-t", "2", "-d", "3s", "--timeout", "10s", "-c", connections, url]));
    assert!(said.contains("Requests/sec"), "{said}");
    assert!(!said.contains("Non-2xx") && !said.contains("Socket errors"), "{url}: {said}");
}

#[test]
fn wrk_runs_clean() {
    if !have(&["wrk"]) {
        return;
    }
    let site = site();
    wrk(&format!("http://{}/visit", site.proxy.addr), "50");
    wrk(&format!("https://{}/visit", site.secure), "20");
    wrk(&format!("http://{}/big?n=100000", site.proxy.addr), "20");
}
