//! The snapshot as Prometheus reads it, in HAProxy's words where it has one. Counts are by cluster; by node
//! there are only a few, which `server.node-metrics` turns off; nothing is by session or address.

use super::status::{Cluster, Node, Status, Traffic};
use crate::table::State;
use crate::table::decide::Why;
use std::collections::BTreeMap;
use std::fmt::{Display, Write};

/// The version of the text format.
pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// The snapshot as text; `by_node`: with what there is of each node.
pub fn text(status: &Status, by_node: bool) -> String {
    let mut out = String::with_capacity(16 << 10);
    process(&mut out, status);
    requests(&mut out, status);
    clusters(&mut out, &status.clusters);
    if by_node {
        nodes(&mut out, &status.clusters);
    }
    out
}

fn process(out: &mut String, status: &Status) {
    let (reload, connections) = (&status.reload, &status.connections);
    let applied = u64::from(reload.ok);
    family(out, "homing_build_info", "gauge", "What runs.").sample(&[("version", &status.version)], 1);
    let mut one = |name, kind, help, value: u64| family(out, name, kind, help).sample(&[], value);
    one("homing_snapshot", "gauge", "The number of this snapshot, as in /api/status.", status.snapshot);
    one("homing_uptime_seconds", "gauge", "Since the process began.", status.uptime);
    one("homing_stopping", "gauge", "1 while the process ends.", status.stopping.into());
    one(
        "homing_panics_total",
        "counter",
        "Faults in the proxy itself, each with a line in the log.",
        status.panics,
    );
    one("homing_table_revision", "gauge", "Counts the tables of this process.", status.revision);
    one("homing_connections", "gauge", "Client connections now open.", connections.open);
    one("homing_connections_limit", "gauge", "Client connections that there may be.", connections.limit);
    one("homing_connections_total", "counter", "Client connections accepted.", connections.accepted);
    one(
        "homing_config_last_reload_successful",
        "gauge",
        "1 when the latest conf was applied, 0 when it was refused.",
        applied,
    );
    let success = "When a conf was last applied, the start included, in seconds since 1970.";
    one("homing_config_last_reload_success_timestamp_seconds", "gauge", success, status.applied_at);
    let seconds = reload.took_ms / 1000.0;
    family(out, "homing_config_last_reload_duration_seconds", "gauge", "How long the latest reload took.")
        .sample(&[], seconds);
    let mut reloads = family(out, "homing_config_reloads_total", "counter", "Reloads by result.");
    reloads.sample(&[("result", "applied")], reload.applied);
    reloads.sample(&[("result", "refused")], reload.refused);
    let help = "When a listener's certificate expires, in seconds since 1970.";
    let mut expiry = family(out, "homing_certificate_expiry_timestamp_seconds", "gauge", help);
    for certificate in &status.certificates {
        expiry.sample(
            &[("listener", &certificate.listener), ("file", &certificate.file)],
            certificate.not_after,
        );
    }
    let mut beats = family(out, "homing_heartbeats_total", "counter", "Heartbeats by what became of them.");
    for (dialect, results) in &status.heartbeats {
        results.iter().for_each(|(result, n)| beats.sample(&[("dialect", dialect), ("result", result)], n));
    }
    let help = "Files of the state folder that could not be written when it was tried last: a restart would lose what is new in them.";
    family(out, "homing_state_files_unsaved", "gauge", help).sample(&[], status.unsaved.len());
    let help = "Access-log lines lost: slow, their reader took no more; failed, they could not be written.";
    let mut lost = family(out, "homing_access_log_lines_lost_total", "counter", help);
    lost.sample(&[("cause", "slow")], status.lost_lines.slow);
    lost.sample(&[("cause", "failed")], status.lost_lines.failed);
    let help = "Requests to server.admin that were refused, by reason: token, missing, level, origin.";
    let mut refused = family(out, "homing_admin_refused_total", "counter", help);
    status.admin_refused.iter().for_each(|(reason, n)| refused.sample(&[("reason", reason)], n));
    if !status.spans.is_empty() {
        let mut spans =
            family(out, "homing_spans_total", "counter", "Spans of requests by what became of them.");
        status.spans.iter().for_each(|(result, n)| spans.sample(&[("result", result)], n));
    }
}

/// By cluster; requests that belong to none have an empty label.
fn requests(out: &mut String, status: &Status) {
    let all = || {
        status
            .clusters
            .iter()
            .map(|cluster| (&*cluster.cluster, &cluster.traffic))
            .chain([("", &status.elsewhere)])
    };
    let mut by = |name, label, help, counts: fn(&Traffic) -> &BTreeMap<String, u64>| {
        let mut family = family(out, name, "counter", help);
        for (cluster, traffic) in all() {
            counts(traffic)
                .iter()
                .for_each(|(word, n)| family.sample(&[("cluster", cluster), (label, word)], n));
        }
    };
    by("homing_requests_total", "code", "Requests that ended, by status code; rare codes by class.", |t| {
        &t.codes
    });
    by(
        "homing_decisions_total",
        "why",
        "Requests by the reason for their node, the access log's why.",
        |t| &t.whys,
    );
    let mut moved =
        family(out, "homing_sessions_moved_total", "counter", "Sessions moved from their node, by cause.");
    for (cluster, traffic) in all().filter(|(cluster, _)| !cluster.is_empty()) {
        // what has not happened yet is nought: a first time is seen as one
        for cause in Why::ALL.into_iter().filter_map(Why::cause) {
            moved.sample(
                &[("cluster", cluster), ("cause", cause)],
                traffic.moved.get(cause).copied().unwrap_or_default(),
            );
        }
    }
    let mut one = |name, kind, help, value: fn(&Traffic) -> u64| {
        let mut family = family(out, name, kind, help);
        all().for_each(|(cluster, traffic)| family.sample(&[("cluster", cluster)], value(traffic)));
    };
    one("homing_response_bytes_total", "counter", "Bytes of answers' bodies.", |t| t.bytes);
    one("homing_retries_total", "counter", "Tries after the first.", |t| t.retries);
    one("homing_connection_errors_total", "counter", "Tries that failed before a node saw them.", |t| {
        t.connection_errors
    });
    one(
        "homing_response_errors_total",
        "counter",
        "Tries that a node saw and left without an answer.",
        |t| t.response_errors,
    );
    one("homing_tunnels", "gauge", "Tunnels (WebSocket and the like) now open.", |t| t.tunnels);
    let help = "From a request's head to its answer's end; tunnels left out.";
    let mut histogram = family(out, "homing_request_duration_seconds", "histogram", help);
    for (cluster, traffic) in all() {
        let duration = &traffic.duration;
        for step in &duration.steps {
            histogram.part("_bucket", &[("cluster", cluster), ("le", &step.le.to_string())], step.count);
        }
        histogram.part("_bucket", &[("cluster", cluster), ("le", "+Inf")], duration.count);
        histogram.part("_sum", &[("cluster", cluster)], duration.sum);
        histogram.part("_count", &[("cluster", cluster)], duration.count);
    }
}

fn clusters(out: &mut String, clusters: &[Cluster]) {
    let mut states = family(out, "homing_cluster_nodes", "gauge", "Nodes by state.");
    for cluster in clusters {
        for state in State::all_shown() {
            let count = cluster.nodes.iter().filter(|node| node.state == state).count();
            states.sample(&[("cluster", &*cluster.cluster), ("state", state.word())], count);
        }
    }
    let mut one = |name, kind, help, value: fn(&Cluster) -> u64| {
        let mut family = family(out, name, kind, help);
        clusters.iter().for_each(|cluster| family.sample(&[("cluster", &cluster.cluster)], value(cluster)));
    };
    one("homing_cluster_nodes_serving", "gauge", "Nodes that serve.", |cluster| cluster.serving);
    let help = "Nodes that tell far fewer sessions than are known to be there.";
    one("homing_cluster_nodes_doubted", "gauge", help, |cluster| {
        cluster.nodes.iter().filter(|node| node.known.is_some()).count() as u64
    });
    one("homing_cluster_sessions", "gauge", "Live sessions on all nodes.", |cluster| cluster.sessions);
    one("homing_cluster_in_flight", "gauge", "Requests the nodes work on now.", |cluster| cluster.in_flight);
    one("homing_current_queue", "gauge", "Requests that wait for a place at a node.", |cluster| {
        cluster.waiting
    });
    one("homing_open_connections_current", "gauge", "Connections to nodes, tunnels left out.", |cluster| {
        cluster.pool.open
    });
    one("homing_idle_connections_current", "gauge", "Those of them that wait for a request.", |cluster| {
        cluster.pool.idle
    });
    one(
        "homing_connection_attempts_total",
        "counter",
        "Connections to nodes that were tried for.",
        |cluster| cluster.pool.attempts,
    );
    let help = "Requests sent over a connection that had served before.";
    one("homing_connection_reuses_total", "counter", help, |cluster| cluster.pool.reuses);
    one(
        "homing_bypass_refused_total",
        "counter",
        "Bypass values that were forged, damaged or too old.",
        |cluster| cluster.bypass_refused,
    );
    one("homing_ledger_entries", "gauge", "Sessions in the ledger.", |cluster| cluster.ledger.entries);
    one("homing_ledger_limit", "gauge", "Sessions that the ledger holds at most.", |cluster| {
        cluster.ledger.limit
    });
    one("homing_ledger_evicted_total", "counter", "Sessions forgotten for want of room.", |cluster| {
        cluster.ledger.evicted
    });
    let help = "Places that went from a session whose client never came back to a new one.";
    one("homing_places_given_up_total", "counter", help, |cluster| cluster.ledger.given_up);
    let mut capacity = family(
        out,
        "homing_cluster_capacity",
        "gauge",
        "Sessions that the nodes take at most, where they say.",
    );
    for cluster in clusters {
        cluster.capacity.into_iter().for_each(|most| capacity.sample(&[("cluster", &cluster.cluster)], most));
    }
}

fn nodes(out: &mut String, clusters: &[Cluster]) {
    let all = || {
        clusters.iter().flat_map(|cluster| cluster.nodes.iter().map(move |node| (&*cluster.cluster, node)))
    };
    let mut states = family(out, "homing_node_state", "gauge", "1 for the state that the node is in.");
    for (cluster, node) in all() {
        for state in State::all_shown() {
            states.sample(
                &[("cluster", cluster), ("node", &*node.node), ("state", state.word())],
                u8::from(node.state == state),
            );
        }
    }
    let mut one = |name, kind, help, value: fn(&Node) -> Option<u64>| {
        let mut family = family(out, name, kind, help);
        for (cluster, node) in all() {
            value(node)
                .into_iter()
                .for_each(|value| family.sample(&[("cluster", cluster), ("node", &node.node)], value));
        }
    };
    one("homing_sessions", "gauge", "Live sessions.", |node| Some(node.sessions));
    one(
        "homing_node_capacity",
        "gauge",
        "Sessions that the node takes at most, where there is a limit.",
        |node| node.capacity,
    );
    one("homing_node_in_flight", "gauge", "Requests the node works on now.", |node| Some(node.in_flight));
    one("homing_node_sockets", "gauge", "Sockets (WebSocket and other tunnels) open at the node.", |node| {
        Some(node.sockets)
    });
    one("homing_node_requests_total", "counter", "Requests the node was given.", |node| Some(node.requests));
    one(
        "homing_node_errors_total",
        "counter",
        "Requests that failed there: no connection, no answer, or a 5xx.",
        |node| Some(node.errors.sum()),
    );
    one("homing_node_check_failures_total", "counter", "Checks that failed.", |node| {
        Some(node.errors.checks)
    });
    one("homing_node_weight", "gauge", "Share against the others' 100.", |node| Some(node.weight));
    one("homing_node_load", "gauge", "Load that the node tells of, 0 to 100.", |node| node.load);
}

/// A metric and its samples.
struct Family<'o> {
    out: &'o mut String,
    name: &'static str,
}

fn family<'o>(out: &'o mut String, name: &'static str, kind: &str, help: &str) -> Family<'o> {
    // writing to a String cannot fail
    let _ = writeln!(out, "# HELP {name} {help}\n# TYPE {name} {kind}");
    Family { out, name }
}

impl Family<'_> {
    fn sample(&mut self, labels: &[(&str, &str)], value: impl Display) {
        self.part("", labels, value);
    }

    fn part(&mut self, suffix: &str, labels: &[(&str, &str)], value: impl Display) {
        let _ = write!(self.out, "{}{suffix}", self.name);
        for (n, (label, value)) in labels.iter().enumerate() {
            let value = value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
            let _ = write!(self.out, "{}{label}=\"{value}\"", if n == 0 { '{' } else { ',' });
        }
        let _ = writeln!(self.out, "{} {value}", if labels.is_empty() { "" } else { "}" });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples_are_written_as_prometheus_reads_them() {
        let mut out = String::new();
        let mut family = family(&mut out, "homing_x", "gauge", "Some.");
        family.sample(&[], 1);
        family.sample(&[("a", "b\"\\\n"), ("le", "0.5")], 0.25);
        family.part("_sum", &[("a", "")], 2);
        let expected = "# HELP homing_x Some.\n# TYPE homing_x gauge\n\
                        homing_x 1\nhoming_x{a=\"b\\\"\\\\\\n\",le=\"0.5\"} 0.25\nhoming_x_sum{a=\"\"} 2\n";
        assert_eq!(out, expected);
    }
}
