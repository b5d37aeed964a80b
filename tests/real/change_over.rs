//! The way over and back: jars pinned by the real old front end, then Homing on its address with what the
//! documents show in its place, then the old one again. A jar has moved when it is seen on another node, and
//! is lost when the node does not know it.

use crate::fronts::{Front, NEEDED};
use crate::programs::{have, output};
use crate::support::{Client, Conf, Origin, Proxy, Sessions, free_addr};
use crate::tomcat::Tomcat;
use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;
use std::process::Command;

/// One way of keeping sessions: what the old one has, and what stands for it in ours.
struct Form {
    name: &'static str,
    old: Front,
    /// As one of the documents shows it.
    affinity: &'static str,
    routes: [&'static str; 3],
    sessions: fn(usize) -> Sessions,
    /// The first page, where the application says what the form needs it to say.
    first: &'static str,
    /// All the others.
    page: &'static str,
    /// New pins are ours alone, and the old one does not know them: what the documents say of sealed ones.
    seals: bool,
}

/// Of so many jars.
#[derive(Debug, Default, PartialEq, Eq)]
struct Count {
    jars: usize,
    moved: usize,
    lost: usize,
}

impl fmt::Display for Count {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}/{} of {}", self.moved, self.lost, self.jars)
    }
}

/// A user with cookies, at an address of its own.
struct Jar {
    client: Client,
    page: &'static str,
    node: String,
    visits: u64,
}

impl Jar {
    fn begin(number: usize, front: SocketAddr, form: &Form) -> Self {
        let source = [127, 0, 1, u8::try_from(number + 1).expect("at most 254 jars")];
        let mut client = Client::from(source, front);
        client.jar = Some(BTreeMap::new());
        let answer = client.get(form.first);
        Self { client, page: form.page, node: answer.node().to_owned(), visits: visits(&answer.text()) }
    }

    /// Three more visits: whether it was seen elsewhere, and whether it was not known.
    fn visit(&mut self) -> (bool, bool) {
        self.client.hang_up();
        let (mut moved, mut lost) = (false, false);
        for _ in 0..3 {
            let answer = self.client.get(self.page);
            assert_eq!(answer.status, 200, "{}", answer.text());
            moved |= answer.node() != self.node;
            lost |= visits(&answer.text()) != self.visits + u64::from(self.visits > 0);
            (self.node, self.visits) = (answer.node().to_owned(), visits(&answer.text()));
        }
        (moved, lost)
    }
}

/// How often the session has been there, if the application keeps any.
fn visits(page: &str) -> u64 {
    let page: serde_json::Value = serde_json::from_str(page).unwrap_or_default();
    page["visits"].as_u64().unwrap_or(0)
}

/// All of them once, in an order that is not the one they came in.
fn all(jars: &mut [Jar]) -> Count {
    let mut count = Count { jars: jars.len(), ..Count::default() };
    let step = if jars.len().is_multiple_of(7) { 5 } else { 7 };
    for turn in 0..jars.len() {
        let at = turn * step % jars.len();
        let (moved, lost) = jars[at].visit();
        count.moved += usize::from(moved);
        count.lost += usize::from(lost);
    }
    count
}

/// How many jars for each form: `HOMING_JARS`.
fn how_many() -> usize {
    std::env::var("HOMING_JARS").map_or(12, |text| text.parse().expect("HOMING_JARS is a number"))
}

/// Over, back, and back for those who came meanwhile; between the nodes of origins, or of Tomcats by HTTP and
/// as the old one reaches them.
fn there_and_back(form: &Form) -> [Count; 3] {
    let nodes: Vec<Origin> = (1..=3).map(|i| Origin::with(&format!("n{i}"), (form.sessions)(i))).collect();
    let addresses: Vec<SocketAddr> = nodes.iter().map(|node| node.addr).collect();
    over_nodes(form, &addresses, &addresses)
}

fn over_nodes(form: &Form, nodes: &[SocketAddr], reached: &[SocketAddr]) -> [Count; 3] {
    let (front, jars) = (free_addr(), how_many());
    let old = form.old.start(front, reached);
    let mut before: Vec<Jar> = (0..jars).map(|i| Jar::begin(i, front, form)).collect();
    assert_eq!(all(&mut before), Count { jars, ..Count::default() }, "{}: the old one is sticky", form.name);
    drop(old);

    let mut conf = Conf::over(std::iter::empty::<&Origin>()).affinity(form.affinity);
    conf.web = front;
    for (n, (node, route)) in nodes.iter().zip(form.routes).enumerate() {
        conf =
            conf.node(&format!("n{}", n + 1), &format!("{{ url = \"http://{node}\", route = {route:?} }}"));
    }
    let homing = Proxy::start(&conf.text());
    let over = all(&mut before);
    let mut meanwhile: Vec<Jar> = (0..jars / 3).map(|i| Jar::begin(jars + i, front, form)).collect();
    let fresh = all(&mut meanwhile);
    assert_eq!(fresh, Count { jars: jars / 3, ..Count::default() }, "{}: Homing is sticky", form.name);
    let alerts: Vec<String> =
        homing.log.all().into_iter().filter(|line| line.contains("names no node")).collect();
    assert_eq!(alerts, [""; 0], "{}", form.name);
    drop(homing);

    let _old = form.old.start(front, reached);
    [over, all(&mut before), all(&mut meanwhile)]
}

/// The text stands in one of the documents, so that it is what a reader would write.
fn is_shown(affinity: &str) -> bool {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let documents = [
        "docs/src/affinity.md",
        "docs/src/change-over.md",
        "conf/homing.toml",
        "examples/migrate-from-haproxy.toml",
        "examples/migrate-from-httpd.toml",
    ];
    documents
        .iter()
        .any(|name| std::fs::read_to_string(root.join(name)).expect("a document").contains(affinity))
}

fn hold(forms: &[Form]) {
    if have(&NEEDED) {
        judge(forms, there_and_back);
    }
}

fn judge(forms: &[Form], run: impl Fn(&Form) -> [Count; 3]) {
    let mut wrong = Vec::new();
    for form in forms {
        assert!(is_shown(form.affinity), "no document shows {}", form.affinity);
        let [over, back, fresh] = run(form);
        let line = format!("{}: over {over}, back {back}, new ones back {fresh}", form.name);
        println!("{line}");
        let kept = |count: &Count| count.moved + count.lost == 0;
        if !kept(&over) || !kept(&back) || !(form.seals || kept(&fresh)) {
            wrong.push(line);
        }
    }
    assert!(wrong.is_empty(), "moved/lost:\n{}", wrong.join("\n"));
}

const INSERT: &str = "  cookie SRV insert indirect nocache
  server n1 N1 cookie s1
  server n2 N2 cookie s2
  server n3 N3 cookie s3";
const PREFIX: &str = "  cookie APPSID prefix
  server n1 N1 cookie s1
  server n2 N2 cookie s2
  server n3 N3 cookie s3";
const REWRITE: &str = "  cookie SRV rewrite
  server n1 N1 cookie s1
  server n2 N2 cookie s2
  server n3 N3 cookie s3";
const PASSIVE: &str = "  cookie SRV
  server n1 N1 cookie n1
  server n2 N2 cookie n2
  server n3 N3 cookie n3";
const SRV: [&str; 3] = ["s1", "s2", "s3"];

/// What most have: sessions of a plain cookie, one page for all visits.
fn simple(name: &'static str, old: Front, affinity: &'static str) -> Form {
    let sessions = |_| Sessions::Plain("SID".into());
    Form { name, old, affinity, routes: SRV, sessions, first: "/visit", page: "/visit", seals: false }
}

#[test]
fn everybody_stays_on_the_way_from_haproxy_and_back() {
    let form = |name, old, affinity| simple(name, Front::Haproxy(old), affinity);
    hold(&[
        form("insert", INSERT, r#"{ cookie = "SRV", value = "route" }"#),
        Form {
            seals: true,
            ..form(
                "insert, sealed at once",
                INSERT,
                r#"{ cookie = "HOMING", also = [{ cookie = "SRV", value = "route" }] }"#,
            )
        },
        form(
            "maxidle, maxlife",
            "  cookie SRV insert indirect nocache maxidle 30m maxlife 8h
  server n1 N1 cookie s1
  server n2 N2 cookie s2
  server n3 N3 cookie s3",
            r#"{ cookie = "SRV", value = "route", max-idle = "30m", max-life = "8h" }"#,
        ),
        form(
            "preserve httponly secure",
            "  cookie SRV insert preserve httponly secure
  server n1 N1 cookie s1
  server n2 N2 cookie s2
  server n3 N3 cookie s3",
            r#"{ cookie = "SRV", value = "route", indirect = false, preserve = true, http-only = true, secure = true }"#,
        ),
        Form {
            routes: ["n1", "n2", "n3"],
            ..form(
                "dynamic",
                "  cookie SRV insert indirect nocache dynamic
  dynamic-cookie-key a-key
  server n1 N1
  server n2 N2
  server n3 N3",
                r#"{ cookie = "SRV", value = "dynamic", dynamic-key = "a-key" }"#,
            )
        },
        Form {
            sessions: |_| Sessions::Plain("APPSID".into()),
            ..form("prefix", PREFIX, r#"{ cookie = "APPSID", mode = "prefix" }"#)
        },
        Form {
            sessions: |_| Sessions::None,
            first: "/set?SRV=any",
            ..form("rewrite", REWRITE, r#"{ cookie = "SRV", mode = "rewrite" }"#)
        },
        Form {
            sessions: |_| Sessions::None,
            first: "/set?SRV=NODE",
            routes: ["n1", "n2", "n3"],
            ..form("passive", PASSIVE, r#"{ cookie = "SRV", mode = "passive" }"#)
        },
    ]);
}

/// The recipe of httpd's own manual.
const ROUTEID: &str = r#"Header add Set-Cookie "ROUTEID=.%{BALANCER_WORKER_ROUTE}e; path=/" env=BALANCER_ROUTE_CHANGED
<Proxy "balancer://app">
  BalancerMember "http://N1" route=1
  BalancerMember "http://N2" route=2
  BalancerMember "http://N3" route=3
  ProxySet stickysession=ROUTEID
</Proxy>
ProxyPass "/" "balancer://app/""#;

#[test]
fn everybody_stays_on_the_way_from_httpd_and_back() {
    let routeid =
        |name, affinity| Form { routes: ["1", "2", "3"], ..simple(name, Front::Httpd(ROUTEID), affinity) };
    hold(&[
        routeid("ROUTEID", r#"{ cookie = "ROUTEID", value = "route", separator = "." }"#),
        Form {
            seals: true,
            ..routeid(
                "ROUTEID, sealed at once",
                r#"{ cookie = "HOMING", also = [{ cookie = "ROUTEID", value = "route" }] }"#,
            )
        },
        Form {
            routes: ["n1", "n2", "n3"],
            sessions: |i| Sessions::Jvm(format!("n{i}")),
            old: Front::Httpd(
                r#"<Proxy "balancer://app">
  BalancerMember "http://N1" route=n1
  BalancerMember "http://N2" route=n2
  BalancerMember "http://N3" route=n3
  ProxySet stickysession=JSESSIONID|jsessionid nofailover=On
</Proxy>
ProxyPass "/" "balancer://app/""#,
            ),
            ..routeid("jvmRoute", r#"{ route = "JSESSIONID", parameter = "jsessionid" }"#)
        },
    ]);
}

#[test]
fn everybody_stays_on_the_way_from_nginx_and_back() {
    let form = |name, old, affinity| simple(name, Front::Nginx(old), affinity);
    hold(&[
        form(
            "map of a cookie",
            r#"upstream app { server N1; server N2; server N3; }
map $cookie_ROUTE $node { s1 N1; s2 N2; s3 N3; default app; }
map $upstream_addr $route { N1 s1; N2 s2; N3 s3; }
map $node $add { app "ROUTE=$route; Path=/"; default ""; }"#,
            r#"{ cookie = "ROUTE", value = "route" }"#,
        ),
        Form {
            routes: ["n1", "n2", "n3"],
            sessions: |i| Sessions::Jvm(format!("n{i}")),
            ..form(
                "map of the jvmRoute",
                r#"upstream app { server N1; server N2; server N3; }
map $cookie_jsessionid $node { ~\.n1$ N1; ~\.n2$ N2; ~\.n3$ N3; default app; }
map $node $add { default ""; }"#,
                r#"{ route = "JSESSIONID" }"#,
            )
        },
    ]);
}

/// mod_jk speaks AJP to two Tomcats, and httpd's own example HTTP; the applications' cookies are for the
/// paths that Tomcat knows.
#[test]
fn everybody_stays_on_the_way_from_mod_jk_and_from_httpds_example_with_tomcat() {
    if !have(&NEEDED) || !Tomcat::is_here() {
        return;
    }
    let tomcats: Vec<Tomcat> = [21, 22].into_iter().map(Tomcat::start).collect();
    let by_http: Vec<SocketAddr> = tomcats.iter().map(|node| node.addr).collect();
    let by_ajp: Vec<SocketAddr> = tomcats.iter().map(|node| node.ajp).collect();
    let old = Front::Httpd(
        "JkWorkerProperty worker.list=app
JkWorkerProperty worker.app.type=lb
JkWorkerProperty worker.app.balance_workers=node21,node22
JkWorkerProperty worker.node21.type=ajp13
JkWorkerProperty worker.node21.host=H1
JkWorkerProperty worker.node21.port=P1
JkWorkerProperty worker.node22.type=ajp13
JkWorkerProperty worker.node22.host=H2
JkWorkerProperty worker.node22.port=P2
JkShmFile FOLDER/jk.shm
JkLogFile FOLDER/jk.log
JkMount /* app",
    );
    let mod_jk = Form {
        routes: ["node21", "node22", ""],
        first: "/index.jsp",
        page: "/index.jsp",
        ..simple("mod_jk", old, r#"{ route = "JSESSIONID" }"#)
    };
    judge(&[mod_jk], |form| over_nodes(form, &by_http, &by_ajp));
    example_of_httpd(&by_http);
}

/// `examples/migrate-from-httpd.toml`: what its comments show, then itself, then what they show. A real
/// client goes by the paths of cookies.
fn example_of_httpd(nodes: &[SocketAddr]) {
    let example = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/migrate-from-httpd.toml");
    let example = std::fs::read_to_string(example).expect("the example");
    let front = free_addr();
    let here = |text: &str| {
        let filled = text
            .replace("127.0.0.1:8081", &nodes[0].to_string())
            .replace("127.0.0.1:8082", &nodes[1].to_string());
        filled
            .replace("127.0.0.1:8080", &front.to_string())
            .replace("tomcat1", "node21")
            .replace("tomcat2", "node22")
    };
    let shown: String = example
        .lines()
        .filter_map(|line| line.strip_prefix("#   "))
        .map(|line| format!("{line}\n"))
        .collect();
    assert!(shown.contains("ProxyPassReverseCookiePath"), "{shown}");
    let httpd: &'static str = here(&shown).leak();
    let jars = tempfile::tempdir().expect("a folder");
    let visits = |user: usize, page: &str| -> u64 {
        let jar = jars.path().join(user.to_string());
        let page = output(
            Command::new("curl")
                .args(["-s", "-L", "-b"])
                .arg(&jar)
                .arg("-c")
                .arg(&jar)
                .arg(format!("http://{front}/shop/{page}")),
        );
        let known = visits(&page);
        assert!(known > 0, "user {user}: {page}");
        known
    };
    let users = 0..how_many() / 2;
    let mut expected = 0;
    let mut all_are_known = |who: &str, pages: &[&str]| {
        for page in pages {
            expected += 1;
            users
                .clone()
                .for_each(|user| assert_eq!(visits(user, page), expected, "user {user} of {who}: {page}"));
        }
    };
    let old = Front::Httpd(httpd).start(front, nodes);
    all_are_known("httpd", &["go.jsp", "go.jsp", "index.jsp"]);
    drop(old);
    let homing = Proxy::start(&here(&example));
    all_are_known("Homing", &["go.jsp", "index.jsp", "go.jsp?path=1", "go.jsp"]);
    drop(homing);
    let _old = Front::Httpd(httpd).start(front, nodes);
    all_are_known("httpd again", &["go.jsp", "index.jsp"]);
}
