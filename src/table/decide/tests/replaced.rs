//! Requests that began under a table that was replaced since.

use super::*;

#[test]
fn a_request_of_an_older_table_goes_by_what_is_so_now() {
    let text = "[listener.web]\nbind = '127.0.0.1:0'\n[cluster.c]\nbalance = 'first'\naffinity = { cookie = 'S' }\n[cluster.c.nodes]\n\
                n0 = 'http://127.0.0.1:1'\nn1 = 'http://127.0.0.1:2'";
    let loaded = config::parse_str(text, Path::new("homing.toml")).unwrap();
    let (conf, context) = (
        Arc::new(loaded.config),
        TableContext { files: &loaded.files, keys: &Arc::new(KeyRing::generate()) },
    );
    let older = Arc::new(compile(conf.clone(), &context, None).unwrap());
    adopt(&older, NOW);
    let cluster = &older.clusters[0];
    for node in cluster.nodes() {
        node.live.set_health(Health::Up, "", Rise::Found, NOW);
        node.live.evidence.set_check_passes(true);
        cluster.live.rescore(node.live.slot, NOW);
    }
    adopt(&compile(conf, &context, Some((&older, NOW))).unwrap(), NOW);
    assert_eq!(decided(cluster, FoundPin::Absent, &facts()), "n0 new");
    cluster.node(0).unwrap().live.set_check_drains(true);
    cluster.live.rescore(0, NOW);
    assert_eq!(decided(cluster, FoundPin::Absent, &facts()), "n1 new");
}
