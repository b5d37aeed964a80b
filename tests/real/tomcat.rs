//! Two Tomcats with jvmRoute: sessions are kept by cookie and by `;jsessionid=`, and move when a node dies.

use crate::programs::{Running, have};
use crate::support::{Client, Conf, Origin, Proxy, free_addr, within};
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

const HOME: &str = "/usr/share/tomcat10";
const PAGE: &str = r#"<%@ page session="true" contentType="application/json" %><%
String ms = request.getParameter("ms");
if (ms != null) { Thread.sleep(Long.parseLong(ms)); }
Integer visits = (Integer) session.getAttribute("visits");
visits = visits == null ? 1 : visits + 1;
session.setAttribute("visits", visits);
response.setHeader("X-Node", System.getProperty("node.name"));
%>{"visits":<%= visits %>,"session":"<%= session.getId() %>","link":"<%= response.encodeURL("index.jsp") %>"}"#;

/// Begins a session of the application under `/app`, and goes on to its page by the address that Tomcat
/// knows, or by its path.
const GOES_ON: &str = r#"<%@ page session="true" %><%
String host = request.getScheme() + "://" + request.getServerName() + ":" + request.getServerPort();
String next = request.getContextPath() + "/index.jsp";
response.setStatus(302);
response.setHeader("Location", request.getParameter("path") == null ? host + next : next);
%>"#;

pub struct Tomcat {
    pub addr: SocketAddr,
    /// Where it speaks AJP.
    pub ajp: SocketAddr,
    pub name: String,
    pub running: Option<Running>,
    _base: tempfile::TempDir,
}

impl Tomcat {
    pub fn is_here() -> bool {
        have(&[&format!("{HOME}/bin/catalina.sh"), "java"])
    }

    pub fn start(number: u8) -> Self {
        Self::with(number, |_| String::new())
    }

    /// One with a valve that its requests pass through.
    pub fn behind(number: u8, valve: &str) -> Self {
        Self::make(number, |_| String::new(), valve)
    }

    /// Starts one on an address of its own, so that several can share a machine as they would share a rack.
    /// `listener`: what else its server does, by its address.
    pub fn with(number: u8, listener: impl FnOnce(SocketAddr) -> String) -> Self {
        Self::make(number, listener, "")
    }

    fn make(number: u8, listener: impl FnOnce(SocketAddr) -> String, valve: &str) -> Self {
        let name = format!("node{number}");
        let addr = SocketAddr::from(([127, 77, 0, 10 + number], free_addr().port()));
        let base = tempfile::tempdir().expect("a temporary folder");
        let ajp = SocketAddr::new(addr.ip(), free_addr().port());
        for folder in ["conf", "logs", "temp", "webapps/ROOT", "webapps/app", "work", "lib"] {
            std::fs::create_dir_all(base.path().join(folder)).expect("a folder of the base");
        }
        let conf = base.path().join("conf");
        for file in ["web.xml", "logging.properties", "catalina.properties"] {
            std::fs::copy(Path::new("/etc/tomcat10").join(file), conf.join(file))
                .expect("the package's conf is copied");
        }
        std::fs::write(conf.join("context.xml"), "<Context><Manager pathname=\"\"/></Context>")
            .expect("context.xml");
        std::fs::write(conf.join("server.xml"), server_xml(addr, ajp, &name, &listener(addr), valve))
            .expect("server.xml");
        for (file, page) in [("ROOT/index.jsp", PAGE), ("app/index.jsp", PAGE), ("app/go.jsp", GOES_ON)] {
            std::fs::write(base.path().join("webapps").join(file), page).expect("the page");
        }
        let mut running = Running::start(
            Command::new(format!("{HOME}/bin/catalina.sh")).arg("run").env("CATALINA_HOME", HOME).env("CATALINA_BASE", base.path()).env(
                "JAVA_OPTS",
                format!("-Djava.net.preferIPv4Stack=true -Xmx192m -XX:TieredStopAtLevel=1 -XX:+UseSerialGC -Dnode.name={name}"),
            ),
        );
        running.until_open(addr);
        // The first page compiles; its time belongs to no test, and on a busy machine it is long.
        let patience = Duration::from_secs(180);
        let mut first = Client::new(addr);
        first.patience = patience;
        within(patience, "the page is compiled", || {
            first.send("GET", "/", &[], b"").ok().filter(|a| a.status == 200)
        });
        Self { addr, ajp, name, running: Some(running), _base: base }
    }
}

fn server_xml(addr: SocketAddr, ajp: SocketAddr, route: &str, listener: &str, valve: &str) -> String {
    format!(
        r#"<Server port="-1" periodicEventDelay="1">{listener}<Service name="Catalina">
<Connector port="{}" address="{}" protocol="HTTP/1.1" maxThreads="8"/>
<Connector port="{}" address="{}" protocol="AJP/1.3" secretRequired="false" maxThreads="8"/>
<Engine name="Catalina" defaultHost="localhost" jvmRoute="{route}">{valve}
<Host name="localhost" appBase="webapps" autoDeploy="false"/>
</Engine></Service></Server>"#,
        addr.port(),
        addr.ip(),
        ajp.port(),
        ajp.ip()
    )
}

fn cluster() -> Option<(Vec<Tomcat>, Proxy)> {
    if !Tomcat::is_here() {
        return None;
    }
    let nodes: Vec<Tomcat> = [1, 2].into_iter().map(Tomcat::start).collect();
    let conf = Conf::over(std::iter::empty::<&Origin>()).affinity(r#"{ route = "JSESSIONID" }"#);
    let conf =
        nodes.iter().fold(conf, |conf, node| conf.node(&node.name, &format!("\"http://{}\"", node.addr)));
    let conf = conf.cluster("slow-start = \"0s\"\nhealth = { path = \"/\", interval = \"500ms\", timeout = \"2s\", fall = 2, rise = 1 }");
    let proxy = Proxy::start(&conf.text());
    Some((nodes, proxy))
}

#[test]
fn tomcat_sessions_are_kept_and_moved_only_when_their_node_dies() {
    let Some((mut nodes, proxy)) = cluster() else { return };
    by_cookie(&proxy);
    by_path(&proxy);
    let mut user = Client::with_jar(proxy.addr);
    let home = user.get("/index.jsp").node().to_owned();
    let dead = nodes.iter_mut().find(|n| n.name == home).expect("one of ours");
    dead.running = None;
    let moved = user.get("/index.jsp?moved");
    assert_eq!(moved.status, 200);
    assert_ne!(moved.node(), home);
    assert_eq!(moved.json()["visits"], 1, "a new session, on the node that lives");
    let refuge = moved.node().to_owned();
    for visit in 2..10 {
        let answer = user.get("/index.jsp");
        assert_eq!((answer.node(), answer.json()["visits"].as_u64()), (refuge.as_str(), Some(visit)));
    }
    let lines = proxy.access_of("/index.jsp", 2 * 20 * 20 + 10);
    let moves: Vec<_> = lines.iter().filter(|l| l["why"] == "moved:down").collect();
    assert!(moves.len() == 1 && moves[0]["was"] == home.as_str(), "{moves:?}");
}

fn by_cookie(proxy: &Proxy) {
    let mut homes = std::collections::BTreeSet::new();
    for user in 0..20 {
        let mut client = Client::with_jar(proxy.addr);
        let home = client.get("/index.jsp").node().to_owned();
        for visit in 2..=20u64 {
            let answer = client.get("/index.jsp");
            assert_eq!(
                (answer.node(), answer.json()["visits"].as_u64()),
                (home.as_str(), Some(visit)),
                "user {user}"
            );
        }
        homes.insert(home);
    }
    assert_eq!(homes.len(), 2, "both nodes have users");
}

fn by_path(proxy: &Proxy) {
    for user in 0..20 {
        let mut client = Client::new(proxy.addr);
        let first = client.get("/index.jsp");
        let (home, link) =
            (first.node().to_owned(), first.json()["link"].as_str().expect("a link").to_owned());
        assert!(
            link.contains(&format!(".{home}")) && link.contains(";jsessionid="),
            "Tomcat puts the id into the link: {link}"
        );
        for visit in 2..=20u64 {
            let answer = client.get(&format!("/{link}"));
            assert_eq!(
                (answer.node(), answer.json()["visits"].as_u64()),
                (home.as_str(), Some(visit)),
                "user {user}"
            );
        }
    }
}
