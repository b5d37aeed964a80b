//! Everything at once, under load: nodes join, drain and die, and the proxy is killed.

use crate::fleet::Fleet;
use crate::support::client::Answer;
use crate::support::{Client, Conf, DEADLINE, Origin, Spawned, until};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock};
use std::thread::JoinHandle;

/// How many sessions there are: fewer than in a run of `scripts/long`, so that everybody clicks often.
static SESSIONS: LazyLock<usize> =
    LazyLock::new(|| std::env::var("HOMING_USERS").map_or(600, |users| users.parse().unwrap()));
const THREADS: usize = 6;

/// A user: his pin, and the nodes he was on.
#[derive(Default)]
struct User {
    jar: BTreeMap<String, String>,
    nodes: Vec<String>,
}

/// Users who click in turn, some on each thread.
struct Crowd {
    stop: Arc<AtomicBool>,
    /// While it is up, a refused connection is no failure.
    proxy_is_away: Arc<AtomicBool>,
    answers: Arc<AtomicUsize>,
    rounds: Vec<Arc<AtomicUsize>>,
    threads: Vec<JoinHandle<(Vec<User>, Vec<String>)>>,
}

impl Crowd {
    fn arrive(addr: SocketAddr) -> Self {
        let (stop, away, answers) =
            (Arc::<AtomicBool>::default(), Arc::<AtomicBool>::default(), Arc::<AtomicUsize>::default());
        let rounds: Vec<Arc<AtomicUsize>> = (0..THREADS).map(|_| Arc::default()).collect();
        let threads = rounds
            .iter()
            .map(|round| {
                let (stop, away, answers, round) =
                    (stop.clone(), away.clone(), answers.clone(), round.clone());
                std::thread::spawn(move || click(addr, &stop, &away, &answers, &round))
            })
            .collect();
        Self { stop, proxy_is_away: away, answers, rounds, threads }
    }

    /// Waits until every user has clicked again.
    fn all_click(&self) {
        // the round under way began before
        let goals: Vec<usize> = self.rounds.iter().map(|round| round.load(Ordering::SeqCst) + 2).collect();
        crate::support::within(DEADLINE * 4, "every user clicks again", || {
            self.rounds
                .iter()
                .zip(&goals)
                .all(|(round, goal)| round.load(Ordering::SeqCst) >= *goal)
                .then_some(())
        });
    }

    fn go_home(self) -> (Vec<User>, Vec<String>) {
        self.stop.store(true, Ordering::SeqCst);
        let (mut users, mut failures) = (Vec::new(), Vec::new());
        for thread in self.threads {
            let (more, failed) = thread.join().unwrap();
            users.extend(more);
            failures.extend(failed);
        }
        (users, failures)
    }
}

fn click(
    addr: SocketAddr,
    stop: &AtomicBool,
    away: &AtomicBool,
    answers: &AtomicUsize,
    round: &AtomicUsize,
) -> (Vec<User>, Vec<String>) {
    let mut users: Vec<User> = (0..*SESSIONS / THREADS).map(|_| User::default()).collect();
    let mut failures = Vec::new();
    let mut client = Client::with_jar(addr);
    while !stop.load(Ordering::SeqCst) {
        for (n, user) in users.iter_mut().enumerate() {
            client.jar = Some(std::mem::take(&mut user.jar));
            // the users of one connection are different browsers
            let agent = format!("user {n} of {:?}", std::thread::current().id());
            let answer = patiently(&mut client, &agent, away);
            match answer {
                Ok(answer) if answer.status == 200 => {
                    if user.nodes.last().is_none_or(|node| node != answer.node()) {
                        user.nodes.push(answer.node().to_owned());
                    }
                    answers.fetch_add(1, Ordering::SeqCst);
                }
                Ok(answer) => failures.push(format!("{}: {}", answer.status, answer.text())),
                Err(error) => failures.push(error.to_string()),
            }
            user.jar = client.jar.take().unwrap_or_default();
        }
        round.fetch_add(1, Ordering::SeqCst);
    }
    (users, failures)
}

/// Asks until the proxy is there: a browser shows an error page then, and its user clicks again.
fn patiently(client: &mut Client, agent: &str, away: &AtomicBool) -> std::io::Result<Answer> {
    loop {
        let was_away = away.load(Ordering::SeqCst);
        match client.send("GET", "/visit", &[("User-Agent", agent)], b"") {
            Err(_) if was_away || away.load(Ordering::SeqCst) => {
                client.hang_up();
                std::thread::sleep(std::time::Duration::from_millis(5));
            }
            other => return other,
        }
    }
}

#[test]
fn nobody_loses_a_session_but_those_of_a_node_that_was_killed() {
    let nodes = Origin::several(2);
    let mut killed = Spawned::start("n3");
    let conf =
        Conf::over(&nodes).affinity(r#"{ cookie = "HOMING" }"#).node("n3", &format!("{:?}", killed.url()));
    let mut fleet = Fleet::with(conf.cluster("join = { admit = \"token\" }"));
    let window = &fleet;
    window.all_ready();
    let crowd = Crowd::arrive(window.proxy.addr);
    crowd.all_click();
    let sessions = || window.status()["clusters"][0]["sessions"].as_u64().unwrap();
    until("every session counts", || (sessions() == *SESSIONS as u64).then_some(()));

    let fourth = Origin::start("n4");
    fleet.beat(&fourth, serde_json::json!({"load": 10}));
    window.node_is("n4", "ready");
    crowd.all_click();

    assert_eq!(window.homing(&["drain", "app/n1"]).code, 0);
    window.node_is("n1", "draining");
    crowd.all_click();

    killed.sigkill();
    window.node_is("n3", "down");
    crowd.all_click();

    crowd.proxy_is_away.store(true, Ordering::SeqCst);
    fleet.window.kill_and_start_again();
    let window = &fleet;
    crowd.proxy_is_away.store(false, Ordering::SeqCst);
    crowd.all_click();
    window.node_is("n1", "draining");
    assert_ne!(window.homing(&["nodes", "app", "--json"]).json()[0]["node"], "n1");

    let answers = crowd.answers.load(Ordering::SeqCst);
    let (users, failures) = crowd.go_home();
    assert_eq!(failures, [""; 0], "of {answers} answers");
    assert_eq!(users.len(), *SESSIONS);
    let moved: Vec<&User> = users.iter().filter(|user| user.nodes.len() > 1).collect();
    assert!(
        moved.iter().all(|user| user.nodes[0] == "n3" && user.nodes.len() == 2),
        "{:?}",
        moved.iter().map(|u| &u.nodes).collect::<Vec<_>>()
    );
    assert!(users.iter().all(|user| user.nodes.last().is_some_and(|node| node != "n3")));
    assert!(moved.iter().all(|user| user.nodes[1] != "n1"), "nobody comes to a draining node");
    assert!(
        users.iter().any(|user| user.nodes.last().is_some_and(|node| node == "n4")),
        "the fourth serves too"
    );
    assert!(moved.len() > *SESSIONS / 6, "the killed node had its share: {}", moved.len());
}
