//! Who may use the window.

use crate::support::proxy::{refused_start, replace};
use crate::support::{Client, Conf, DEADLINE, Origin, Proxy, free_addr, until};
use crate::window::{Window, homing};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::fs::PermissionsExt;

const TOKEN: &str = "0123456789abcdef0123456789abcdef";

fn post(admin: SocketAddr, headers: &[(&str, &str)]) -> u16 {
    Client::new(admin).send("POST", "/api/reload", headers, b"").unwrap().status
}

#[test]
fn a_page_of_another_site_changes_nothing() {
    let nodes = Origin::several(1);
    let window = Window::over(&nodes);
    let own = format!("http://{}", window.admin);
    for (name, value, status) in [
        ("Origin", "http://evil.example", 403),
        ("Origin", "null", 403),
        ("Sec-Fetch-Site", "cross-site", 403),
        ("Sec-Fetch-Site", "same-site", 403),
        ("Host", "evil.example", 403),
        ("Host", "evil.example:9900", 403),
        ("Origin", &own, 200),
        ("Sec-Fetch-Site", "same-origin", 200),
        ("Host", "localhost:9900", 200),
    ] {
        assert_eq!(post(window.admin, &[(name, value)]), status, "{name}: {value}");
    }
    assert_eq!(window.status()["reload"]["applied"], 3, "the refused ones were not done");
    assert_eq!(
        window.client().get_with("/api/status", &[("Host", "evil.example")]).status,
        403,
        "DNS rebinding reads nothing"
    );
}

/// A proxy whose window asks for a token.
fn guarded(nodes: &[Origin]) -> (Proxy, SocketAddr, Conf) {
    let admin = free_addr();
    let (proxy, conf) = guarded_at(nodes, &admin.to_string());
    until("the window opens", || TcpStream::connect(admin).is_ok().then_some(()));
    (proxy, admin, conf)
}

fn guarded_at(nodes: &[Origin], admin: &str) -> (Proxy, Conf) {
    let folder = tempfile::tempdir().unwrap();
    let conf = Conf::over(nodes).server(&format!("admin = \"{admin}\"\nadmin-token-file = \"admin.token\""));
    let token = folder.path().join("admin.token");
    std::fs::write(&token, format!("{TOKEN}\n")).unwrap();
    std::fs::set_permissions(&token, std::fs::Permissions::from_mode(0o600)).unwrap();
    std::fs::write(folder.path().join("homing.toml"), conf.text()).unwrap();
    (Proxy::start_in(folder, "homing.toml"), conf)
}

#[test]
fn from_another_address_nothing_is_read_or_changed_without_the_token() {
    let nodes = Origin::several(1);
    let port = free_addr().port();
    let (_proxy, _) = guarded_at(&nodes, &format!("0.0.0.0:{port}"));
    // the address that others know this machine by, if it has one; asking the way sends nothing
    let known = std::net::UdpSocket::bind("0.0.0.0:0").and_then(|socket| {
        socket.connect("192.0.2.1:9")?;
        socket.local_addr()
    });
    let hosts = [Some([127, 0, 0, 2].into()), known.ok().map(|own| own.ip())];
    for admin in hosts.into_iter().flatten().map(|host| SocketAddr::new(host, port)) {
        until("the window opens", || TcpStream::connect(admin).is_ok().then_some(()));
        let document = Client::new(admin)
            .get_with("/api/openapi.json", &[("Authorization", &format!("Bearer {TOKEN}"))])
            .json();
        let mut refused = 0;
        for (path, methods) in document["paths"].as_object().unwrap() {
            let method = methods.as_object().unwrap().keys().next().unwrap().to_uppercase();
            let path = path.replace("{cluster}", "app").replace("{node}", "n1");
            if ["/ping", "/ready"].contains(&&*path) {
                continue;
            }
            for shown in ["", "Bearer wrong", "Basic eDp4", "Bearer"] {
                let headers = [("Authorization", shown)];
                let headers = if shown.is_empty() { &headers[..0] } else { &headers };
                let answer = Client::new(admin).send(&method, &path, headers, b"").unwrap();
                assert_eq!(
                    (answer.status, answer.head.get("content-type")),
                    (401, Some("application/problem+json")),
                    "{method} {path} {shown}"
                );
                refused += 1;
            }
        }
        assert!(refused > 60, "{refused}");
        let status = Client::new(admin)
            .get_with("/api/status", &[("Authorization", &format!("Bearer {TOKEN}"))])
            .json();
        assert_eq!(
            (status["reload"]["applied"].as_u64(), status["revision"].as_u64()),
            (Some(0), Some(1)),
            "nothing was changed"
        );
        assert!(!Client::new(admin).get("/").text().contains("n1"), "the page shows only where to log in");
    }
}

#[test]
fn a_token_is_asked_for_where_there_is_one() {
    let nodes = Origin::several(1);
    let (proxy, admin, _) = guarded(&nodes);
    let get = |path: &str, headers: &[(&str, &str)]| Client::new(admin).get_with(path, headers);
    for path in ["/api/status", "/metrics", "/api/config", "/api/events", "/nothing"] {
        let answer = get(path, &[]);
        assert_eq!((answer.status, answer.head.get("www-authenticate").is_some()), (401, true), "{path}");
        assert_eq!(answer.head.get("content-type"), Some("application/problem+json"));
    }
    assert_eq!(post(admin, &[]), 401);
    let bearer = format!("Bearer {TOKEN}");
    let shown = [("Authorization", bearer.as_str())];
    assert_eq!((get("/api/status", &shown).status, post(admin, &shown)), (200, 200));
    assert_eq!(
        get("/api/status", &[("Authorization", "Bearer 0123456789abcdef0123456789abcdee")]).status,
        401
    );
    assert_eq!(get("/ping", &[]).status, 200, "whether the process is there is no secret");
    // another token in the file is another token
    replace(&proxy.folder().join("admin.token"), "fedcba9876543210fedcba9876543210");
    until("the old token is good no more", || (get("/api/status", &shown).status == 401).then_some(()));
    assert_eq!(
        get("/api/status", &[("Authorization", "Bearer fedcba9876543210fedcba9876543210")]).status,
        200
    );
}

#[test]
fn a_browser_logs_in_and_out() {
    let nodes = Origin::several(1);
    let (_proxy, admin, _) = guarded(&nodes);
    let own = format!("http://{admin}");
    let form = [("Content-Type", "application/x-www-form-urlencoded"), ("Origin", own.as_str())];
    let mut browser = Client::with_jar(admin);
    let page = browser.get("/");
    assert!(
        page.status == 401 && page.text().contains("action=\"/login\"") && !page.text().contains("app"),
        "{}",
        page.text()
    );
    assert_eq!(browser.get("/page.css").status, 200);
    let log_in = |browser: &mut Client, token: &str| {
        browser.send("POST", "/login", &form, format!("token={token}").as_bytes()).unwrap()
    };
    let wrong = log_in(&mut browser, "0123456789abcdef0123456789abcdee");
    assert!(wrong.status == 401 && wrong.text().contains("none of the tokens"), "{}", wrong.text());
    let right = log_in(&mut browser, TOKEN);
    let cookie = right.head.get("set-cookie").unwrap().to_owned();
    assert!(
        right.status == 303 && cookie.contains("HttpOnly; SameSite=Strict") && !cookie.contains(TOKEN),
        "{cookie}"
    );
    assert!(browser.get("/").text().contains("cluster-app"));
    assert_eq!(browser.get("/api/status").status, 200);
    let mut reload =
        |headers: &[(&str, &str)]| browser.send("POST", "/api/reload", headers, b"").unwrap().status;
    assert_eq!(reload(&[]), 403, "a cookie alone changes nothing: any page of this host may have sent it");
    assert_eq!(reload(&[("Origin", "http://127.0.0.1:1")]), 403);
    assert_eq!(reload(&[("Origin", &own)]), 200);
    let pair = cookie.split(';').next().unwrap();
    let copied = |path: &str| Client::new(admin).get_with(path, &[("Cookie", pair)]).status;
    assert_eq!(copied("/api/status"), 200, "who has a copy of it is in, too");
    assert_eq!(browser.send("POST", "/logout", &form, b"").unwrap().status, 303);
    assert_eq!(browser.get("/").status, 401);
    assert_eq!((copied("/api/status"), copied("/metrics")), (401, 401), "until it is ended");
}

#[test]
fn the_cookie_of_a_browser_goes_to_the_window_and_to_no_other_node() {
    let nodes = Origin::several(1);
    let admin = free_addr();
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("admin.token"), TOKEN).unwrap();
    let own = format!(
        "[[rule]]\nhost = \"window.test\"\ncluster = \"window\"\n[cluster.window.nodes]\nown = {{ url = \"http://{admin}\", own = true }}"
    );
    let conf = Conf::over(&nodes)
        .server(&format!("admin = \"{admin}\"\nadmin-token-file = \"admin.token\""))
        .rule("host = \"app.test\"")
        .more(&own);
    std::fs::write(folder.path().join("homing.toml"), conf.text()).unwrap();
    let proxy = Proxy::start_in(folder, "homing.toml");
    until("the window opens", || TcpStream::connect(admin).is_ok().then_some(()));
    let origin = format!("http://{admin}");
    let form = [("Content-Type", "application/x-www-form-urlencoded"), ("Origin", origin.as_str())];
    let answer =
        Client::new(admin).send("POST", "/login", &form, format!("token={TOKEN}").as_bytes()).unwrap();
    let pair = answer.head.get("set-cookie").unwrap().split(';').next().unwrap().to_owned();
    let cookies = format!("a=1; {pair}; b=2");
    let ask = |host: &str, path: &str| {
        Client::new(proxy.addr).get_with(path, &[("Host", host), ("Cookie", &cookies), ("Cookie", &pair)])
    };
    assert_eq!(ask("window.test", "/api/status").status, 200, "behind a listener it is the window still");
    assert_eq!(ask("app.test", "/headers").seen("cookie"), ["a=1; b=2"]);
}

#[test]
fn the_command_line_shows_the_token() {
    let nodes = Origin::several(1);
    let (proxy, admin, _) = guarded(&nodes);
    let url = format!("http://{admin}");
    let elsewhere = tempfile::tempdir().unwrap();
    let without = homing(elsewhere.path(), &["status", "--admin", &url], &[]);
    assert_eq!(without.code, 1, "{without:?}");
    assert!(without.err.contains("--token-file") && without.err.contains("HOMING_TOKEN"), "{}", without.err);
    let file = proxy.folder().join("admin.token");
    for (arguments, environment) in [
        (vec!["status", "--admin", &url, "--token-file", file.to_str().unwrap()], vec![]),
        (vec!["status"], vec![("HOMING_TOKEN", TOKEN), ("HOMING_ADMIN", url.as_str())]),
        (vec!["status", "--config", proxy.conf().to_str().unwrap()], vec![]),
    ] {
        let said = homing(elsewhere.path(), &arguments, &environment);
        assert_eq!(said.code, 0, "{arguments:?}: {said:?}");
        assert!(said.out.contains("CLUSTER app"), "{}", said.out);
    }
    assert_eq!(homing(elsewhere.path(), &["healthcheck", "--admin", &url], &[]).code, 0);
}

#[test]
fn an_address_that_others_reach_needs_a_token() {
    let nodes = Origin::several(1);
    let (code, said) = refused_start(&Conf::over(&nodes).server("admin = \"0.0.0.0:0\"").text());
    assert_eq!(code, Some(1));
    assert!(said.contains("no token guards it") && said.contains("admin-token-file"), "{said}");
}

#[test]
fn two_proxies_do_not_share_a_window() {
    let nodes = Origin::several(1);
    let window = Window::over(&nodes);
    let (code, said) =
        refused_start(&Conf::over(&nodes).server(&format!("admin = \"{}\"", window.admin)).text());
    assert_eq!(code, Some(1));
    assert!(said.contains("server.admin: cannot listen on"), "{said}");
}

#[test]
fn a_unix_socket_is_for_its_own_user() {
    let nodes = Origin::several(1);
    let proxy = Proxy::start(&Conf::over(&nodes).server("admin = \"unix:admin.sock\"").text());
    let path = proxy.folder().join("admin.sock");
    until("the window opens", || std::os::unix::net::UnixStream::connect(&path).is_ok().then_some(()));
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(Client::unix(&path).get("/api/status").status, 200);
    let said = homing(proxy.folder(), &["status", "--admin", "unix:admin.sock"], &[]);
    assert!(said.code == 0 && said.out.contains("CLUSTER app"), "{said:?}");
    let said =
        homing(&std::env::temp_dir(), &["nodes", "app", "--config", proxy.conf().to_str().unwrap()], &[]);
    assert!(said.code == 0 && said.out.contains("n1"), "{said:?}");
}

#[test]
fn the_window_moves_with_the_conf() {
    let nodes = Origin::several(1);
    let window = Window::over(&nodes);
    let (old, new) = (window.admin, free_addr());
    let moved = window.conf.text().replace(&old.to_string(), &new.to_string());
    std::fs::write(window.proxy.conf(), &moved).unwrap();
    // asked for through the old address, which goes: the answer still comes, whoever was first to see the
    // file
    let answer = window.client().send("POST", "/api/reload", &[], b"");
    assert!(answer.is_ok_and(|answer| answer.status == 200) || Client::new(new).get("/ping").status == 200);
    until("the new address is open", || TcpStream::connect(new).is_ok().then_some(()));
    until("the old one is closed", || TcpStream::connect(old).is_err().then_some(()));
    assert!(window.proxy.reload_to(&moved.replace(&format!("admin = \"{new}\""), "")).applied());
    until("the new one is closed too", || TcpStream::connect(new).is_err().then_some(()));
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let mark = window.proxy.log.mark();
    replace(&window.proxy.conf(), &moved.replace(&new.to_string(), &taken.local_addr().unwrap().to_string()));
    let word = window.proxy.log.wait(mark, DEADLINE, |line| line.contains("refused"));
    assert!(word.is_some_and(|word| word.contains("server.admin")), "an address that is taken is refused");
}

#[test]
fn clients_that_say_nothing_stall_nobody() {
    let nodes = Origin::several(1);
    let window = Window::over(&nodes);
    let silent: Vec<TcpStream> = (0..200).map(|_| TcpStream::connect(window.admin).unwrap()).collect();
    assert_eq!(window.get("/ping").status, 200);
    let more: Vec<TcpStream> = (0..100).map(|_| TcpStream::connect(window.admin).unwrap()).collect();
    assert!(
        window.proxy.reload_to(&window.conf.clone().cluster("retries = 1").text()).applied(),
        "a reload waits for no client"
    );
    drop((silent, more));
    until("there is room again", || (window.get("/ping").status == 200).then_some(()));
}
