//! `[server.admin]`: who may what, over TLS and over a Unix socket, and what becomes of those who may not.

use crate::support::proxy::replace;
use crate::support::{Certs, Client, Conf, DEADLINE, Origin, Proxy, free_addr, until};
use crate::window::{Said, homing};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;

const TOKENS: [(&str, &str); 3] = [("grafana", "read"), ("shift", "operate"), ("ops", "admin")];

/// The token of a name.
fn token(name: &str) -> String {
    name.repeat(8)
}

/// A proxy whose window has TLS, three tokens and a Unix socket.
struct Guarded {
    proxy: Proxy,
    admin: SocketAddr,
    certs: Certs,
    _nodes: Vec<Origin>,
}

impl Guarded {
    /// With this said of TLS, and with its tokens or without.
    fn new(tls: &str, with_tokens: bool) -> Self {
        let (nodes, folder, certs) = (Origin::several(2), tempfile::tempdir().unwrap(), Certs::new());
        let (admin, path) = (free_addr(), folder.path());
        certs.write(&path.join("certs"), &["127.0.0.1"]);
        std::fs::write(path.join("ca.pem"), certs.ca()).unwrap();
        let mut tokens = String::new();
        for (name, level) in TOKENS {
            let file = path.join(format!("{name}.token"));
            std::fs::write(&file, token(name)).unwrap();
            std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).unwrap();
            tokens += &format!("{name} = {{ file = \"{name}.token\", level = \"{level}\" }}\n");
        }
        let tokens = if with_tokens { format!("[server.admin.tokens]\n{tokens}") } else { String::new() };
        let table = format!(
            "[server.admin]\nbind = [\"{admin}\", \"unix:admin.sock\"]\ntls = {{ certs = [\"certs\"]{tls} }}\n{tokens}"
        );
        let conf = Conf::over(&nodes).affinity(r#"{ cookie = "HOMING" }"#).more(&table);
        std::fs::write(path.join("homing.toml"), conf.text()).unwrap();
        let proxy = Proxy::start_in(folder, "homing.toml");
        let socket = proxy.folder().join("admin.sock");
        until("the window opens", || UnixStream::connect(&socket).is_ok().then_some(()));
        Self { proxy, admin, certs, _nodes: nodes }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.proxy.folder().join(name)
    }

    fn client(&self) -> Client {
        self.certs.client(self.admin, "127.0.0.1")
    }

    fn send(&self, method: &str, path: &str, token: &str) -> (u16, String) {
        let shown = [("Authorization", format!("Bearer {token}"))];
        let shown: Vec<(&str, &str)> = shown.iter().map(|(name, value)| (*name, &**value)).collect();
        let answer = self.client().send(method, path, &shown, b"").unwrap();
        (answer.status, answer.text())
    }

    /// A verb from elsewhere, with these arguments.
    fn homing(&self, arguments: &[&str]) -> Said {
        let elsewhere = tempfile::tempdir().unwrap();
        let url = format!("https://{}", self.admin);
        homing(elsewhere.path(), &[arguments, &["--admin", &url]].concat(), &[])
    }

    fn metric(&self, sample: &str) -> String {
        let text = Client::unix(&self.path("admin.sock")).get("/metrics").text();
        text.lines()
            .find_map(|line| line.strip_prefix(sample))
            .unwrap_or_else(|| panic!("{text}"))
            .trim()
            .to_owned()
    }
}

#[test]
fn each_call_needs_its_level_and_says_which() {
    let guarded = Guarded::new("", true);
    let document: serde_json::Value =
        serde_json::from_str(&guarded.send("GET", "/api/openapi.json", &token("grafana")).1).unwrap();
    let rank = |level: &str| ["read", "operate", "admin"].iter().position(|known| *known == level).unwrap();
    let (mut asked, mut refused) = (0, 0);
    for (path, methods) in document["paths"].as_object().unwrap() {
        let (method, operation) = methods.as_object().unwrap().iter().next().unwrap();
        let Some(needed) = operation["x-level"].as_str() else {
            assert!(["/ping", "/ready"].contains(&&**path), "{path}");
            continue;
        };
        let place = path
            .replace("{cluster}", "app")
            .replace("{node}", "n9")
            .replace("{rule}", "99")
            .replace("{session}", "00000000000000ff");
        for (name, level) in TOKENS {
            let allowed = rank(level) >= rank(needed);
            // what goes on for ever, and what would stop the cluster, is asked for by those alone who may not
            if allowed && (path == "/api/events" || path.ends_with("{cluster}/disable")) {
                continue;
            }
            let (status, text) = guarded.send(&method.to_uppercase(), &place, &token(name));
            assert_eq!(status == 403, !allowed, "{method} {path} by {name}: {status} {text}");
            assert_ne!(status, 401, "{path}");
            if !allowed {
                assert!(text.contains(needed) && text.contains(level) && text.contains(name), "{text}");
                refused += 1;
            }
            asked += 1;
        }
    }
    assert!(asked > 60 && refused > 10, "{asked} {refused}");
    assert_eq!(guarded.metric("homing_admin_refused_total{reason=\"level\"}"), refused.to_string());
}

#[test]
fn wrong_tokens_are_counted_and_logged_with_the_address_and_never_shown() {
    let guarded = Guarded::new("", true);
    let mark = guarded.proxy.log.mark();
    let wrong = "this-is-almost-the-token";
    for _ in 0..20 {
        assert_eq!(guarded.send("GET", "/api/status", wrong).0, 401);
    }
    assert_eq!(guarded.client().get("/metrics").status, 401);
    let own = "https://127.0.0.1".to_owned();
    let form = [("Content-Type", "application/x-www-form-urlencoded"), ("Origin", own.as_str())];
    let body = format!("token={wrong}");
    assert_eq!(guarded.client().send("POST", "/login", &form, body.as_bytes()).unwrap().status, 401);
    let line = guarded.proxy.log.wait(mark, DEADLINE, |line| line.contains("is refused"));
    let line = line.expect("a line in the log");
    assert!(line.contains("server.admin: a request from 127.0.0.1 is refused"), "{line}");
    let counted =
        |reason: &str| guarded.metric(&format!("homing_admin_refused_total{{reason=\"{reason}\"}}"));
    assert_eq!((&*counted("token"), &*counted("missing"), &*counted("origin")), ("21", "1", "0"));
    let lines = guarded.proxy.log.all().split_off(mark);
    assert_eq!(lines.iter().filter(|line| line.contains("is refused")).count(), 1, "{lines:?}");
    assert!(!lines.iter().any(|line| line.contains(wrong)), "{lines:?}");
}

#[test]
fn the_command_line_speaks_to_a_tls_door_with_a_token() {
    let guarded = Guarded::new("", true);
    let (ca, file) = (guarded.path("ca.pem"), guarded.path("shift.token"));
    let (ca, file) = (ca.to_str().unwrap(), file.to_str().unwrap());
    let said =
        guarded.homing(&["drain", "app/n1", "--ca", ca, "--token-file", file, "--reason", "new kernel"]);
    assert_eq!(said.code, 0, "{said:?}");
    let said = guarded.homing(&["history", "--ca", ca, "--token-file", file]);
    assert!(said.out.contains("shift from 127.0.0.1: drain app/n1 (new kernel)"), "{said:?}");
    let said = guarded.homing(&["reload", "--ca", ca, "--token-file", file]);
    assert!(said.code == 1 && said.err.contains("level \"admin\""), "{said:?}");
    assert_eq!(guarded.homing(&["healthcheck", "--ca", ca]).code, 0);
    let unknown = guarded.homing(&["status", "--token-file", file]);
    assert!(unknown.code == 4 && unknown.err.contains("--ca FILE"), "{unknown:?}");
    // on this machine the conf file says it all: also who shows what certificate
    let conf = guarded.proxy.conf();
    let said = homing(&std::env::temp_dir(), &["status", "--config", conf.to_str().unwrap()], &[]);
    assert!(said.code == 0 && said.out.contains("CLUSTER app"), "{said:?}");
    std::fs::remove_file(guarded.path("admin.sock")).unwrap();
    let said = homing(&std::env::temp_dir(), &["status", "--config", conf.to_str().unwrap()], &[]);
    assert!(said.code == 0 && said.out.contains("CLUSTER app"), "past a socket that is gone: {said:?}");
}

#[test]
fn a_certificate_is_asked_for_and_names_who_did_it() {
    let guarded = Guarded::new(", client-ca = \"ca.pem\"", false);
    let (cert, key) = guarded.certs.pair_of("anna", &["anna.ops.test"]);
    std::fs::write(guarded.path("anna.pem"), cert + &key).unwrap();
    let (ca, own) = (guarded.path("ca.pem"), guarded.path("anna.pem"));
    let (ca, own) = (ca.to_str().unwrap(), own.to_str().unwrap());
    let without = guarded.homing(&["status", "--ca", ca]);
    assert!(without.code == 4 && without.err.contains("--cert FILE"), "{without:?}");
    let said = guarded.homing(&["set", "app/n1", "weight=7", "--ca", ca, "--cert", own]);
    assert_eq!(said.code, 0, "{said:?}");
    let history = Client::unix(&guarded.path("admin.sock")).get("/api/history").json();
    assert_eq!(history[0]["who"], "anna.ops.test", "{history}");
}

#[test]
fn its_certificate_is_shown_in_the_status_and_renewed_without_a_restart() {
    let guarded = Guarded::new("", true);
    let before = guarded.certs.shown(guarded.admin, "127.0.0.1").unwrap();
    let status = Client::unix(&guarded.path("admin.sock")).get("/api/status").json();
    assert_eq!(status["certificates"][0]["listener"], "server.admin", "{status}");
    guarded.certs.write(&guarded.path("certs"), &["127.0.0.1"]);
    until("the new one is shown", || {
        let now = guarded.certs.shown(guarded.admin, "127.0.0.1").ok()?;
        (now != before).then_some(())
    });
    assert_eq!(guarded.send("GET", "/api/status", &token("grafana")).0, 200);
}

#[test]
fn tokens_and_levels_change_with_the_conf() {
    let guarded = Guarded::new("", true);
    let status = |name: &str| guarded.send("GET", "/api/status", &token(name)).0;
    assert_eq!(status("grafana"), 200);
    let text = std::fs::read_to_string(guarded.proxy.conf()).unwrap();
    let text = text.replace("\"shift.token\", level = \"operate\"", "\"shift.token\", level = \"read\"");
    let fewer: String =
        text.lines().filter(|line| !line.starts_with("grafana")).map(|line| format!("{line}\n")).collect();
    assert!(guarded.proxy.reload_to(&fewer).applied());
    until("its token is none any more", || (status("grafana") == 401).then_some(()));
    assert_eq!(guarded.send("POST", "/api/clusters/app/nodes/n1/drain", &token("shift")).0, 403);
    replace(&guarded.path("shift.token"), "another-token-than-before");
    until("the old token is good no more", || (status("shift") == 401).then_some(()));
}

#[test]
fn over_the_unix_socket_no_token_is_asked_for_and_no_crowd_is_in_the_way() {
    let guarded = Guarded::new("", true);
    let socket = guarded.path("admin.sock");
    assert_eq!(std::fs::metadata(&socket).unwrap().permissions().mode() & 0o777, 0o600);
    let _crowd: Vec<TcpStream> = (0..1000).map(|_| TcpStream::connect(guarded.admin).unwrap()).collect();
    let _more: Vec<_> = (0..400).filter_map(|_| UnixStream::connect(&socket).ok()).collect();
    for verb in ["status", "healthcheck"] {
        let said = homing(guarded.proxy.folder(), &[verb, "--admin", "unix:admin.sock"], &[]);
        assert_eq!(said.code, 0, "{said:?}");
    }
    assert_eq!(guarded.client().get("/ping").status, 200, "nor over TLS");
    assert_eq!(guarded.send("GET", "/api/status", &token("ops")).0, 200);
}

#[test]
fn a_page_shows_the_level_of_who_looks_and_a_browser_is_kept_to_it() {
    let guarded = Guarded::new("", true);
    let own = "https://127.0.0.1".to_owned();
    let form = [("Content-Type", "application/x-www-form-urlencoded"), ("Origin", own.as_str())];
    let body = format!("token={}", token("grafana"));
    let answer = guarded.client().send("POST", "/login", &form, body.as_bytes()).unwrap();
    let cookie = answer.head.get("set-cookie").unwrap().to_owned();
    assert!(answer.status == 303 && cookie.contains(" Secure;"), "{cookie}");
    let pair = cookie.split(';').next().unwrap();
    let shown = [form[0], form[1], ("Cookie", pair)];
    let page = guarded.client().get_with("/", &[("Cookie", pair)]);
    assert!(page.status == 200 && page.text().contains("grafana may look"), "{}", page.text());
    for offered in ["action=\"/api/", "action=\"/bulk", "name=\"node\""] {
        assert!(!page.text().contains(offered), "whoever only reads is offered {offered}: {}", page.text());
    }
    let drain = guarded.client().send("POST", "/api/clusters/app/nodes/n1/drain", &shown, b"").unwrap();
    assert!(drain.status == 403 && drain.text().contains("operate"), "{}", drain.text());
}
