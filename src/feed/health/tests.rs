use super::*;
use crate::affinity::KeyRing;
use crate::config;
use crate::feed::probe::CheckAnswer;
use crate::table::compile::{TableContext, adopt, compile};
use crate::table::{NodeLive, Rise};
use std::path::Path;
use tokio::net::TcpListener;
use tokio::task::LocalSet;

const SOON: u64 = 60_000;

/// A table of these clusters: name, health in TOML, and nodes in TOML.
pub fn table(clusters: &[(&str, &str, &str)], before: Option<&Table>) -> Arc<Table> {
    let mut text = String::from("[listener.web]\nbind = \"127.0.0.1:0\"\n[[rule]]\ncluster = \"shop\"\n");
    for (name, health, nodes) in clusters {
        text.push_str(&format!(
            "[cluster.{name}]\nhealth = {{ {health} }}\n[cluster.{name}.nodes]\n{nodes}\n"
        ));
    }
    let loaded = config::parse_str(&text, Path::new("homing.toml")).unwrap();
    let context = TableContext { files: &loaded.files, keys: &Arc::new(KeyRing::generate()) };
    let table =
        compile(Arc::new(loaded.config), &context, before.map(|before| (before, Now::look()))).unwrap();
    adopt(&table, Now::look());
    Arc::new(table)
}

fn node(table: &Table, cluster: usize, name: &str) -> Arc<Node> {
    table.clusters[cluster].nodes().find(|node| *node.spec.name == *name).unwrap().clone()
}

async fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let from = clock::monotonic_ms();
    while !holds() {
        assert!(clock::monotonic_ms() - from < SOON, "not in time: {what}");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

async fn listen() -> (TcpListener, String) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    (listener, url)
}

async fn dead_url() -> String {
    listen().await.1
}

const FAST: &str = r#"interval = "20ms", timeout = "500ms", rise = 2, fall = 2"#;
const SLOW: &str = r#"interval = "1h", rise = 2, fall = 2"#;

fn is_eased_in(live: &NodeLive, now: Now) -> bool {
    live.ramp(u32::MAX, now) < 1 << 16
}

#[tokio::test]
async fn new_nodes_are_decided_by_their_first_check() {
    let (_open, up) = listen().await;
    let down = dead_url().await;
    LocalSet::new()
        .run_until(async {
            let table = table(&[("shop", SLOW, &format!("n1 = \"{up}\"\nn2 = \"{down}\""))], None);
            let mut checks = Checks::new();
            checks.reconcile(&table);
            let (n1, n2) = (node(&table, 0, "n1"), node(&table, 0, "n2"));
            assert_eq!(n1.live.health(), Health::Unknown);
            until("both checked", || {
                n1.live.health() != Health::Unknown && n2.live.health() != Health::Unknown
            })
            .await;
            assert_eq!((n1.live.health(), n2.live.health()), (Health::Up, Health::Down));
            assert!(n1.live.why().starts_with("connects in "), "{}", n1.live.why());
            assert_eq!(n2.live.why(), "connection refused (1 check failed)");
            assert!(!is_eased_in(&n1.live, Now::look()), "a cluster that starts is not eased in");
        })
        .await;
}

#[tokio::test]
async fn falling_and_rising_takes_several_checks_and_is_said_for_the_cluster() {
    let (open, url) = listen().await;
    let address = open.local_addr().unwrap();
    LocalSet::new()
        .run_until(async {
            let table = table(&[("shop", FAST, &format!("n1 = \"{url}\""))], None);
            let mut checks = Checks::new();
            checks.reconcile(&table);
            let n1 = node(&table, 0, "n1");
            until("up", || n1.live.health() == Health::Up).await;
            drop(open);
            until("down", || n1.live.health() == Health::Down).await;
            assert!(checks.shared.outages.0.borrow().contains("shop"));
            let _open = TcpListener::bind(address).await.unwrap();
            until("up again", || n1.live.health() == Health::Up).await;
            assert!(checks.shared.outages.0.borrow().is_empty());
        })
        .await;
}

#[tokio::test]
async fn a_reload_keeps_what_did_not_change() {
    let (_open, up) = listen().await;
    let (_other, moved) = listen().await;
    let down = dead_url().await;
    LocalSet::new()
        .run_until(async {
            let first =
                table(&[("shop", SLOW, &format!("n1 = \"{up}\"\nn2 = \"{up}\"\nn3 = \"{up}\""))], None);
            let mut checks = Checks::new();
            checks.reconcile(&first);
            let all = || first.clusters[0].nodes().all(|node| node.live.health() == Health::Up);
            until("all up", all).await;
            let key = |name: &str| (Arc::from("shop"), Arc::from(name));
            let subject = Rc::clone(&checks.tasks.get(&key("n1")).unwrap().subject);

            // n1 stays, n2 moves to where nobody is, n3 goes, n4 joins
            let nodes = format!("n1 = \"{up}\"\nn2 = \"{down}\"\nn4 = \"{moved}\"");
            let second = table(&[("shop", SLOW, &nodes)], Some(&first));
            checks.reconcile(&second);
            assert!(Rc::ptr_eq(&subject, &checks.tasks.get(&key("n1")).unwrap().subject));
            assert_eq!(checks.tasks.len(), 3);
            let (n2, n4) = (node(&second, 0, "n2"), node(&second, 0, "n4"));
            assert_eq!(n2.live.health(), Health::Up, "health stays until the new place is checked");
            until("n2 down", || n2.live.health() == Health::Down).await;
            until("n4 up", || n4.live.health() == Health::Up).await;
            assert!(is_eased_in(&n4.live, Now::look()), "a node that joins others is eased in");

            // new limits: checked at once with the memory kept
            let third = table(&[("shop", FAST, &nodes)], Some(&second));
            checks.reconcile(&third);
            assert_eq!(node(&third, 0, "n1").live.health(), Health::Up);
            assert!(!Rc::ptr_eq(&subject, &checks.tasks.get(&key("n1")).unwrap().subject));
            assert!(!checks.tasks.get(&key("n1")).unwrap().watch.borrow().is_fresh());
        })
        .await;
}

#[tokio::test]
async fn without_checks_a_node_is_up_at_once() {
    let down = dead_url().await;
    LocalSet::new()
        .run_until(async {
            let mut checks = Checks::new();
            let first = table(&[("shop", SLOW, &format!("n1 = \"{down}\""))], None);
            checks.reconcile(&first);
            let n1 = node(&first, 0, "n1");
            until("down", || n1.live.health() == Health::Down).await;
            let second = table(&[("shop", r#"kind = "off""#, &format!("n1 = \"{down}\""))], Some(&first));
            checks.reconcile(&second);
            assert_eq!((n1.live.health(), n1.live.why().as_str()), (Health::Up, "no checks"));
        })
        .await;
}

#[tokio::test]
async fn a_name_has_time_to_resolve_and_a_bad_one_stops_nobody() {
    let (open, up) = listen().await;
    let port = open.local_addr().unwrap().port();
    LocalSet::new()
        .run_until(async {
            let nodes = format!(
                "n1 = \"http://localhost:{port}\"\nn2 = \"http://nowhere.invalid:80\"\nn3 = \"{up}\""
            );
            let table = table(&[("shop", SLOW, &nodes)], None);
            let (mut checks, mut names) = (Checks::new(), crate::feed::Resolver::new());
            names.reconcile(&table);
            checks.reconcile(&table);
            let health = |name| node(&table, 0, name).live.health();
            until("good ones up", || health("n1") == Health::Up && health("n3") == Health::Up).await;
            until("bad one down", || health("n2") == Health::Down).await;
            assert_eq!(
                node(&table, 0, "n2").live.why(),
                "name nowhere.invalid does not resolve (1 check failed)"
            );
        })
        .await;
}

#[tokio::test]
async fn thousands_of_nodes_are_checked() {
    let down = dead_url().await;
    LocalSet::new()
        .run_until(async {
            let nodes: String = (0..3000).map(|n| format!("n{n} = \"{down}\"\n")).collect();
            let table = table(&[("shop", SLOW, &nodes)], None);
            let mut checks = Checks::new();
            checks.reconcile(&table);
            until("all checked", || table.clusters[0].nodes().all(|node| node.live.health() == Health::Down))
                .await;
            drop(checks);
        })
        .await;
}

/// What a node says of being eased in, after the nodes of a cluster came up one by one, so many seconds apart
/// each.
fn eased(joined: bool, courses: &[(&str, u64, Health)]) -> Vec<bool> {
    let nodes = "n1 = \"http://127.0.0.1:1\"\nn2 = \"http://127.0.0.1:2\"\nn3 = \"http://127.0.0.1:3\"";
    let table = table(&[("shop", SLOW, nodes)], None);
    let cluster = &table.clusters[0];
    let at = |second| Now::at(Duration::from_secs(second));
    let mut now = 1000;
    for (name, seconds, health) in courses {
        now += seconds;
        let node = node(&table, 0, name);
        let subject = CheckedNode::of(cluster, &node, joined);
        node.live.evidence.set_check_passes(*health == Health::Up);
        judge::publish(&subject, *health, "", at(now));
    }
    cluster.nodes().map(|node| is_eased_in(&node.live, at(now))).collect()
}

#[test]
fn nodes_that_come_back_from_the_same_outage_share_what_is_new_by_weight() {
    use Health::{Down, Up};
    const START: [(&str, u64, Health); 3] = [("n1", 0, Up), ("n2", 1, Up), ("n3", 0, Up)];
    const OUTAGE: [(&str, u64, Health); 3] = [("n1", 60, Down), ("n2", 0, Down), ("n3", 1, Down)];
    let back = |courses: &[&[(&str, u64, Health)]]| eased(false, &courses.concat());
    assert_eq!(back(&[&START]), [false; 3], "a start");
    assert_eq!(
        back(&[&START, &OUTAGE, &[("n1", 60, Up), ("n2", 0, Up), ("n3", 20, Up)]]),
        [false; 3],
        "an outage"
    );
    assert_eq!(
        back(&[&OUTAGE, &[("n1", 60, Up), ("n2", 1, Up), ("n3", 1, Up)]]),
        [false; 3],
        "that we were started in"
    );
    assert_eq!(
        back(&[&START, &OUTAGE, &[("n1", 60, Up), ("n2", 0, Up), ("n3", 40, Up)]]),
        [false, false, true],
        "one is late"
    );
    assert_eq!(
        back(&[&START, &[("n3", 1, Down), ("n3", 5, Up)]]),
        [false, false, true],
        "one comes back to others"
    );
    // n1 and n2 are restarted beside n3, and then n3 beside them, which are being eased in
    let rolled =
        [("n1", 9, Down), ("n1", 5, Up), ("n2", 0, Down), ("n2", 5, Up), ("n3", 0, Down), ("n3", 5, Up)];
    assert_eq!(back(&[&START, &rolled]), [true; 3], "one after the other");
    assert_eq!(eased(true, &START), [false; 3], "a cluster that joins");
    assert_eq!(
        eased(true, &[("n1", 0, Up), ("n2", 0, Up), ("n3", 60, Up)]),
        [false, false, true],
        "one joins it later"
    );
}

/// A node whose checks are recorded one after the other, a second apart.
struct Recorded {
    table: Arc<Table>,
    subject: CheckedNode,
    watch: Watch,
    at: u64,
}

impl Recorded {
    fn new(node_keys: &str) -> Self {
        let nodes =
            format!("n1 = {{ url = \"http://127.0.0.1:1\"{node_keys} }}\nn2 = \"http://127.0.0.1:2\"");
        let table = table(&[("shop", "interval = \"1s\", rise = 1, fall = 1", &nodes)], None);
        let cluster = &table.clusters[0];
        node(&table, 0, "n2").live.set_health(Health::Up, "", Rise::Found, Now::at(Duration::from_secs(999)));
        let subject = CheckedNode::of(cluster, &node(&table, 0, "n1"), false);
        Self { watch: Watch::new(Health::Up, 1, 1, 1000), table, subject, at: 1000 }
    }

    fn check(&mut self, good: bool) -> Health {
        self.at += 1;
        let seen = match good {
            true => Ok(CheckAnswer { words: "fine".into(), drains: false }),
            false => Err(CheckFailure { meaning: Meaning::Refused, why: "refused".into() }),
        };
        let at = Now::at(Duration::from_secs(self.at));
        judge::record(&self.subject, &mut self.watch, &Outages::default(), seen, at);
        self.subject.live.health()
    }

    fn restarts(&mut self, times: usize) -> Health {
        (0..times).map(|_| (self.check(false), self.check(true)).1).last().unwrap()
    }
}

#[test]
fn who_restarts_a_node_that_was_taken_out_has_meant_to() {
    assert_eq!(Recorded::new("").restarts(4), Health::Down, "it is held after so many flips");
    for state in ["draining", "maintenance"] {
        let mut drained = Recorded::new(&format!(", state = \"{state}\""));
        assert_eq!(drained.restarts(9), Health::Up, "{state}");
        assert!(drained.watch.held(drained.at * 1000).is_none());
    }
    let mut stopping = Recorded::new("");
    let beat = crate::heartbeat::Heartbeat {
        state: Some(crate::heartbeat::Announced::Stopping),
        ..Default::default()
    };
    stopping.subject.live.report.apply(&beat, 0, 60_000, Now::at(Duration::from_secs(1000)));
    assert_eq!(stopping.restarts(9), Health::Up, "it said that it stops");
}

#[test]
fn who_enables_a_node_ends_what_holds_it_down() {
    let mut held = Recorded::new("");
    assert_eq!(held.restarts(4), Health::Down);
    assert_eq!(held.check(true), Health::Down, "its check passes, and that is not enough");
    let live = node(&held.table, 0, "n1").live.clone();
    assert!(live.is_held(Now::at(Duration::from_secs(held.at))));
    live.pardon();
    assert_eq!(held.check(true), Health::Up);
    assert_eq!(held.restarts(3), Health::Up, "and it begins anew");
}
