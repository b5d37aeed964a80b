//! Requests that began under a table that was replaced since.

use super::*;
use crate::table::Table;

/// A table of these nodes, the first of which is taken first, after the one before.
fn table(nodes: &[&str], before: Option<&Table>) -> Arc<Table> {
    let url = |node: &&str| format!("{node} = 'http://127.0.0.1:{}'\n", node.len());
    let nodes: String = nodes.iter().map(url).collect();
    let text = format!(
        "[listener.web]\nbind = '127.0.0.1:0'\n[cluster.c]\nbalance = 'first'\naffinity = {{ cookie = 'S' }}\n[cluster.c.nodes]\n{nodes}"
    );
    let loaded = config::parse_str(&text, Path::new("homing.toml")).unwrap();
    let context = TableContext { files: &loaded.files, keys: &Arc::new(KeyRing::generate()) };
    let table = compile(Arc::new(loaded.config), &context, before.map(|before| (before, NOW))).unwrap();
    adopt(&table, NOW);
    let cluster = &table.clusters[0];
    for node in cluster.nodes() {
        node.live.set_health(Health::Up, "", Rise::Found, NOW);
        node.live.evidence.set_check_passes(true);
        cluster.live.rescore(node.live.slot, NOW);
    }
    Arc::new(table)
}

#[test]
fn who_came_since_is_passed_over_and_nobody_is_placed_by_an_older_board() {
    let older = table(&["n0", "n1"], None);
    let newer = table(&["n2", "n0", "n1"], Some(&older));
    let cluster = &older.clusters[0];
    assert_eq!(decided(&newer.clusters[0], FoundPin::Absent, &facts()), "n2 new");
    assert_eq!(decided(cluster, FoundPin::Absent, &facts()), "n0 new");
    cluster.node(0).unwrap().live.set_check_drains(true);
    cluster.live.rescore(0, NOW);
    assert_eq!(decided(cluster, FoundPin::Absent, &facts()), "n1 new", "the older board has n0 still");
}

#[test]
fn a_request_of_an_older_table_goes_by_what_is_so_now() {
    let older = table(&["n0", "n1"], None);
    let cluster = &older.clusters[0];
    table(&["n0", "n1"], Some(&older));
    assert_eq!(decided(cluster, FoundPin::Absent, &facts()), "n0 new");
    cluster.node(0).unwrap().live.set_check_drains(true);
    cluster.live.rescore(0, NOW);
    assert_eq!(decided(cluster, FoundPin::Absent, &facts()), "n1 new");
}
