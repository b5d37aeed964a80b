//! What is refused to an operator does not happen.

use super::*;
use crate::affinity::KeyRing;
use crate::config;
use crate::table::compile::{TableContext, adopt, compile};
use crate::table::{Health, Rise};
use std::path::Path;
use std::time::Duration;

const NOW: Now = Now::at(Duration::from_secs(1000));
const ID: u64 = 7;

fn table() -> Table {
    let text = "[listener.web]\nbind = '127.0.0.1:0'\n[cluster.c]\naffinity = { key = 'header:x-user' }\n[cluster.c.nodes]\n\
                n0 = 'http://127.0.0.1:1'\nn1 = 'http://127.0.0.1:2'";
    let loaded = config::parse_str(text, Path::new("homing.toml")).unwrap();
    let context = TableContext { files: &loaded.files, keys: &Arc::new(KeyRing::generate()) };
    let table = compile(Arc::new(loaded.config), &context, None).unwrap();
    adopt(&table, NOW);
    table
}

#[test]
fn a_move_that_is_refused_leaves_the_session_where_it_is() {
    let table = table();
    let live = &table.clusters[0].live;
    live.ledger.touch(ID, 0, NOW.secs(), &live.tally(NOW));
    let mut others = 1000..;
    while others.next().is_some_and(|other| live.remember_move(other, 0, 1, NOW.secs())) {}
    let order = SessionChange::Move { to: Some("n1".into()) };
    table.clusters[0].nodes().for_each(|node| {
        node.live.set_health(Health::Up, "", Rise::Found, NOW);
    });
    let shown = live.names.shown(ID);
    let refused = change(&table, "c", shown, &order, NOW);
    assert!(matches!(refused, Err(Error::TooManyOrders)), "{refused:?}");
    let on = live.ledger.find(ID).map(|seen| seen.slot);
    assert_eq!((live.orders.sent(ID), live.went_to(ID, 0), on), (None, None, Some(0)));
}
