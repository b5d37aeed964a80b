//! Ids that nobody here knows.

use super::keys::ring;
use super::*;

#[test]
fn an_id_that_nobody_knows_has_one_place() {
    let [a, b, c] = ring(LEARN);
    let at =
        |slot: u32, words: &'static str| std::array::from_fn(|n| if n as u32 == slot { words } else { "" });
    let on = |slot: u32, rest: &str| format!("n{slot} {rest}");
    let (tried, waited) = ([a], DecisionInput { waited: true, ..facts() });
    let (on_a, on_b, on_c, back) = (on(a, "new"), on(b, "new"), on(c, "new"), on(b, "learned honoured"));
    type Row<'a> = (&'a str, [&'a str; 3], Vec<Do>, DecisionInput<'a>, &'a str);
    let cases: Vec<Row<'_>> = vec![
        ("all are there", [""; 3], vec![], facts(), &on_a),
        ("down", [""; 3], vec![Down(a)], facts(), &on_b),
        ("two down", [""; 3], vec![Down(a), Down(b)], facts(), &on_c),
        ("full", at(a, "max-sessions = 1"), vec![Fill(a)], facts(), &on_b),
        ("draining", at(a, "state = 'draining'"), vec![], facts(), &on_b),
        ("a backup", at(a, "backup = true"), vec![], facts(), &on_b),
        ("busy: it waits there", at(a, "max-requests = 1"), vec![Busy(a)], facts(), &on_a),
        ("tried in vain", [""; 3], vec![], DecisionInput { tried: &tried, ..facts() }, &on_b),
        ("not yet checked", [""; 3], vec![Unchecked(a)], facts(), "wait"),
        ("its check is late", [""; 3], vec![Unchecked(a)], waited, &on_a),
        ("known elsewhere by now", [""; 3], vec![Seen(b)], facts(), &back),
        ("all are full", ["max-sessions = 1"; 3], vec![Fill(0), Fill(1), Fill(2)], facts(), "full"),
    ];
    for (name, nodes, done, facts, expected) in cases {
        for balance in ["first", "least-sessions", "round-robin", "random", "hash"] {
            let cluster = cluster(&format!("balance = '{balance}'\n{LEARN}"), nodes, &done);
            let reading = PinLookup {
                found: FoundPin::Ledger { via: Via::Learned },
                session: Some(SESSION),
                stamp: PinMeta::of_id(true),
            };
            for _ in 0..3 {
                assert_eq!(said(&cluster, &reading, &facts), expected, "{name}, {balance}");
            }
        }
    }
}

#[test]
fn behind_a_pin_that_is_no_good_the_applications_id_counts() {
    let conf = "affinity = { route = 'JSESSIONID' }";
    let first = ring(conf)[0];
    for (lost, word) in [(Lost::UnknownRoute, "moved:unknown-route"), (Lost::Expired, "moved:expired")] {
        let reading =
            PinLookup { found: FoundPin::Lost(lost), session: Some(SESSION), stamp: PinMeta::of_id(true) };
        assert_eq!(said(&cluster(conf, [""; 3], &[Seen(2)]), &reading, &facts()), "n2 learned honoured");
        assert_eq!(said(&cluster(conf, [""; 3], &[]), &reading, &facts()), format!("n{first} {word}"));
        let guessed = PinLookup { stamp: PinMeta::default(), ..reading };
        assert_eq!(said(&cluster(conf, [""; 3], &[Seen(2)]), &guessed, &facts()), format!("n0 {word}"));
    }
}
