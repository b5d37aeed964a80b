//! Nodes die, drain and come back under users of whom some show wrong pins: every node change that a user
//! sees has its cause in the metrics and in the log, and no cause is told without one.

use crate::support::{Client, Conf, Origin, until};
use crate::window::Window;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};

/// What a user saw.
#[derive(Default)]
struct Seen {
    requests: usize,
    /// Times that another node answered than before, the pin being as we were given it.
    changes: usize,
    /// Times that a pin which nobody gave us was shown.
    tampered: usize,
    unknown: usize,
    failures: Vec<String>,
}

fn click(addr: SocketAddr, user: usize, stop: &AtomicBool) -> Seen {
    let mut client = Client::with_jar(addr);
    let (mut seen, mut home) = (Seen::default(), String::new());
    while !stop.load(SeqCst) {
        seen.requests += 1;
        let broken = match (seen.requests + user) % 40 {
            10 => Some(("HOMING", "not-a-pin-of-ours")),
            30 => Some(("SRV", "n9")),
            _ => None,
        };
        if let Some((name, value)) = broken {
            client.jar = Some(BTreeMap::from([(name.to_owned(), value.to_owned())]));
            if name == "SRV" { seen.unknown += 1 } else { seen.tampered += 1 }
        }
        match client.send("GET", "/chaos", &[], b"") {
            Ok(answer) if answer.status == 200 => {
                seen.changes += usize::from(broken.is_none() && !home.is_empty() && answer.node() != home);
                home = answer.node().to_owned();
            }
            other => seen.failures.push(format!("user {user}: {other:?}")),
        }
        client.jar.get_or_insert_default().remove("SRV");
    }
    seen
}

#[test]
fn the_causes_add_up_to_the_node_changes() {
    let nodes = Origin::several(4);
    let affinity = r#"{ cookie = "HOMING", also = [ { cookie = "SRV", value = "route" } ] }"#;
    let window = Window::with(
        Conf::over(&nodes).affinity(affinity).cluster("slow-start = \"0s\"\nbalance = \"round-robin\""),
    );
    window.all_ready();
    let stop = Arc::new(AtomicBool::new(false));
    let addr = window.proxy.addr;
    let users: Vec<_> = (0..8)
        .map(|user| {
            let stop = stop.clone();
            std::thread::spawn(move || click(addr, user, &stop))
        })
        .collect();
    let more = |requests: usize| {
        let from = nodes.iter().map(Origin::hits).sum::<usize>();
        until("users go on", || {
            (nodes.iter().map(Origin::hits).sum::<usize>() >= from + requests).then_some(())
        });
    };
    for round in 0..3 {
        let (dies, leaves) = (&nodes[round], nodes[3 - round].name());
        more(200);
        dies.kill();
        more(200);
        assert_eq!(window.homing(&["disable", &format!("app/{leaves}")]).code, 0);
        more(200);
        dies.revive();
        window.node_is(dies.name(), "ready");
        assert_eq!(window.homing(&["enable", &format!("app/{leaves}")]).code, 0);
    }
    more(200);
    stop.store(true, SeqCst);
    let seen: Vec<Seen> = users.into_iter().map(|user| user.join().unwrap()).collect();
    let failures: Vec<&String> = seen.iter().flat_map(|seen| &seen.failures).collect();
    assert!(failures.is_empty(), "{failures:?}");
    let sum = |of: fn(&Seen) -> usize| seen.iter().map(of).sum::<usize>();
    let lines = window.proxy.access_of("/chaos", sum(|seen| seen.requests));
    let logged = |cause: &str| lines.iter().filter(|line| line["why"] == format!("moved:{cause}")).count();
    let counted = |cause: &str| {
        window.metric(&format!("homing_sessions_moved_total{{cluster=\"app\",cause=\"{cause}\"}}")) as usize
    };
    let causes =
        ["down", "draining", "tampered", "unknown-route"].map(|cause| (logged(cause), counted(cause)));
    assert!(causes.iter().all(|(logged, counted)| logged == counted && *logged > 0), "{causes:?}");
    let [down, draining, tampered, unknown] = causes.map(|(n, _)| n);
    assert_eq!(down + draining, sum(|seen| seen.changes), "{causes:?}");
    assert_eq!((tampered, unknown), (sum(|seen| seen.tampered), sum(|seen| seen.unknown)), "{causes:?}");
    let metrics = window.get("/metrics").text();
    let all = metrics.lines().filter_map(|line| {
        line.strip_prefix("homing_sessions_moved_total{cluster=\"app\",")?.rsplit_once(' ')
    });
    let all: usize = all.map(|(_, n)| n.parse::<usize>().unwrap()).sum();
    assert_eq!(all, sum(|seen| seen.changes + seen.tampered + seen.unknown), "the sum over all causes");
    assert_eq!(
        lines.iter().filter(|line| line["why"].as_str().unwrap().starts_with("moved:")).count(),
        down + draining + tampered + unknown
    );
    let moves = window.homing(&["moves", "app", "--json"]).json();
    assert_eq!(moves["clusters"][0]["causes"], window.status()["clusters"][0]["traffic"]["moved"]);
    for one in moves["clusters"][0]["latest"].as_array().unwrap() {
        let line = lines.iter().find(|line| line["id"] == one["id"]).unwrap();
        let gone = |key: &str| line[key].as_str().filter(|text| !text.is_empty());
        assert_eq!((one["was"].as_str(), one["node"].as_str()), (gone("was"), gone("node")), "{one}");
        assert_eq!(line["why"], format!("moved:{}", one["cause"].as_str().unwrap()));
    }
}
