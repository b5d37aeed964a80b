//! Where keys fall.

use super::*;

/// Where the test's key falls: the nodes in the order in which they would serve it.
pub(super) fn ring(conf: &str) -> [u32; 3] {
    let cluster = cluster(conf, [""; 3], &[]);
    let mut order = Vec::new();
    for slot in cluster.roster.placement.by_key(SESSION) {
        if !order.contains(&slot) {
            order.push(slot);
        }
    }
    order.try_into().unwrap()
}

#[test]
fn a_key_goes_where_it_falls() {
    let [a, b, c] = ring(KEY);
    let at =
        |slot: u32, words: &'static str| std::array::from_fn(|n| if n as u32 == slot { words } else { "" });
    let keyed = |name, done, expected| Case {
        conf: KEY,
        found: FoundPin::Key { hash: SESSION },
        ..case(name, done, expected)
    };
    let tried = [a];
    let tried = DecisionInput { tried: &tried, ..facts() };
    let waited = DecisionInput { waited: true, ..facts() };
    let on = |slot: u32, rest: &str| format!("n{slot} {rest}");
    let (on_a, on_b, on_c) = (on(a, "key"), on(b, "key"), on(c, "key"));
    let (was_down, was_out) =
        (on(b, &format!("moved:down was {a}")), on(b, &format!("moved:draining was {a}")));
    run(vec![
        keyed("up", &[], &on_a),
        keyed("down", &[Down(a)], &on_b),
        keyed("two down", &[Down(a), Down(b)], &on_c),
        keyed("down, and it had it", &[Down(a), Seen(a)], &was_down),
        keyed("ejected, and it had it", &[Eject(a), Seen(a)], &was_down),
        keyed("home again", &[Seen(b)], &on_a),
        Case { nodes: at(a, "max-requests = 1"), ..keyed("busy", &[Busy(a)], &on_a) },
        Case { nodes: at(a, "max-sessions = 1"), ..keyed("full of others", &[Fill(a)], &on_b) },
        Case { nodes: at(a, "max-sessions = 1"), ..keyed("full, of this one", &[Seen(a)], &on_a) },
        Case { nodes: at(a, "state = 'draining'"), ..keyed("draining", &[], &on_b) },
        Case { nodes: at(a, "state = 'draining'"), ..keyed("draining, and has it", &[Seen(a)], &on_a) },
        Case {
            nodes: at(a, "state = 'maintenance'"),
            ..keyed("taken out, and had it", &[Seen(a)], &was_out)
        },
        Case { nodes: at(a, "backup = true"), ..keyed("a backup", &[], &on_b) },
        Case { nodes: at(a, "backup = true"), ..keyed("only the backup", &[Down(b), Down(c)], &on_a) },
        keyed("unchecked", &[Unchecked(a)], "wait"),
        keyed("the next one unchecked", &[Unchecked(b)], &on_a),
        keyed("down, and the next one unchecked", &[Down(a), Unchecked(b)], "wait"),
        Case { nodes: at(a, "backup = true"), ..keyed("a backup, unchecked", &[Unchecked(a)], &on_b) },
        Case {
            nodes: at(a, "backup = true"),
            ..keyed("only the backup, unchecked", &[Down(b), Down(c), Unchecked(a)], "wait")
        },
        Case { facts: waited, ..keyed("its check is late", &[Unchecked(a)], &on_a) },
        Case { facts: waited, ..keyed("another's check is late", &[Unchecked(c)], &on_a) },
        Case { nodes: at(a, "state = 'draining'"), ..keyed("draining, unchecked", &[Unchecked(a)], &on_b) },
        Case {
            nodes: at(a, "state = 'draining'"),
            ..keyed("draining, unchecked, and has it", &[Unchecked(a), Seen(a)], "wait")
        },
        Case { facts: tried, ..keyed("tried in vain", &[], &on_b) },
        Case {
            facts: tried,
            ..keyed("tried in vain, and it had it", &[Seen(a)], &on(b, &format!("moved:down was {a}")))
        },
    ]);
}

#[test]
fn a_key_with_nobody_to_serve_it_is_placed_as_any_other() {
    for conf in [KEY.to_owned(), format!("balance = 'hash'\n{KEY}")] {
        let keyed = |done, expected| Case {
            conf: &conf,
            found: FoundPin::Key { hash: SESSION },
            ..case("nobody", done, expected)
        };
        let all_down = [Down(0), Down(1), Down(2)];
        let first = if conf.contains("hash'\n") { ring(&conf)[0] } else { 0 };
        run(vec![
            keyed(&all_down, &format!("n{first} key")),
            Case { nodes: ["max-sessions = 1"; 3], ..keyed(&[Fill(0), Fill(1), Fill(2)], "full") },
            Case { nodes: ["state = 'draining'"; 3], ..keyed(&[], "no-node") },
        ]);
    }
}
