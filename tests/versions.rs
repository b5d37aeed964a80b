//! Every difference between the versions of HTTP, on the way to a node and back, and what may be sent and
//! answered over HTTP/1: each row of the tables in one exchange with the real binary, as bytes on both sides.

#![allow(missing_docs, clippy::unwrap_used, reason = "test code: a failure should stop it at once")]

#[path = "versions/client.rs"]
mod client;
#[path = "versions/frames.rs"]
mod frames;
#[path = "versions/hpack.rs"]
mod hpack;
#[path = "versions/node.rs"]
mod node;
#[path = "versions/proxies.rs"]
mod proxies;
#[path = "proxy/support/mod.rs"]
mod support;
#[path = "versions/table.rs"]
mod table;

use proxies::Between;
use std::collections::BTreeSet;
use table::Table;

/// The tables, and how many rows they have at least that differ in more than a value.
const TABLES: [(&str, usize); 4] =
    [("down.txt", 150), ("up.txt", 60), ("requests.txt", 250), ("answers.txt", 90)];

#[test]
fn every_difference_between_the_versions_is_bridged() {
    let (homing, bless) = (Between::homing(), std::env::var_os("HOMING_BLESS").is_some());
    let mut wrong = Vec::new();
    for (name, least) in TABLES {
        let mut table = Table::read(name);
        for row in &mut table.rows {
            let seen = homing.result(row);
            let same = table::decision(&seen) == table::decision(&row.seen[0]);
            if bless && !same {
                row.seen[0] = seen;
            } else if !same {
                wrong.push(format!(
                    "{name}, {} ({}, {}):\n  {}",
                    row.name,
                    row.way,
                    row.clause,
                    seen.join("\n  ")
                ));
            }
            let alone =
                row.seen[1..].iter().all(|other| table::decision(other) != table::decision(&row.seen[0]));
            if alone && row.because.is_empty() {
                wrong.push(format!(
                    "{name}, {} ({}): neither of the others does so, and nothing says why",
                    row.name, row.way
                ));
            }
        }
        if bless {
            table.write();
        }
        let shapes: BTreeSet<String> = table.rows.iter().map(table::Row::shape).collect();
        if shapes.len() < least {
            wrong.push(format!(
                "{name} has {} rows that differ in more than a value, and {least} are meant",
                shapes.len()
            ));
        }
    }
    assert!(wrong.is_empty(), "{} differ\n{}", wrong.len(), wrong.join("\n"));
}

/// `cargo test --test versions -- --ignored`: runs the real HAProxy and httpd, and writes what they do into
/// the tables, in the rows where nothing is said of them.
#[test]
#[ignore = "writes into the tables"]
fn what_the_others_do_is_written_down() {
    let others = [Between::haproxy(), Between::httpd()];
    for (name, _) in TABLES {
        let mut table = Table::read(name);
        for row in &mut table.rows {
            for (at, other) in others.iter().enumerate() {
                if row.seen[at + 1].is_empty() {
                    row.seen[at + 1] = other.result(row);
                }
            }
        }
        table.write();
    }
}
