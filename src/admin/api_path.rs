//! The places of the API, by their paths.

use super::operate::NodeAction;
use crate::config::model::AdminLevel;
use crate::control::op::Switch;
use crate::table::session_names::ShownSession;

/// A place in the API, with the names in its path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ApiPath<'a> {
    Page,
    Bulk,
    Style,
    Script,
    Icon,
    Login,
    Logout,
    Ping,
    Ready,
    Metrics,
    Status,
    Clusters,
    Cluster(&'a str),
    SwitchCluster(&'a str, Switch),
    SwitchRule(u32, Switch),
    Nodes(&'a str),
    Node(&'a str, &'a str),
    Operate(&'a str, &'a str, NodeAction),
    Sessions(&'a str, &'a str),
    Bypass(&'a str, &'a str),
    Session(ShownSession),
    EndSession(ShownSession),
    MoveSession(ShownSession),
    Config,
    Events,
    Explain,
    Moves,
    History,
    Rules,
    Document,
    Reload,
}

impl<'a> ApiPath<'a> {
    /// The one that a request names.
    pub(super) fn find(path: &'a str) -> Option<Self> {
        let mut parts = path.strip_prefix('/')?.split('/');
        let parts: [Option<&str>; 7] = std::array::from_fn(|_| parts.next());
        Some(match parts {
            [Some(""), None, ..] => Self::Page,
            [Some("bulk"), None, ..] => Self::Bulk,
            [Some("page.css"), None, ..] => Self::Style,
            [Some("page.js"), None, ..] => Self::Script,
            [Some("icon.svg"), None, ..] => Self::Icon,
            [Some("login"), None, ..] => Self::Login,
            [Some("logout"), None, ..] => Self::Logout,
            [Some("ping"), None, ..] => Self::Ping,
            [Some("ready"), None, ..] => Self::Ready,
            [Some("metrics"), None, ..] => Self::Metrics,
            [Some("api"), Some("status"), None, ..] => Self::Status,
            [Some("api"), Some("config"), None, ..] => Self::Config,
            [Some("api"), Some("events"), None, ..] => Self::Events,
            [Some("api"), Some("explain"), None, ..] => Self::Explain,
            [Some("api"), Some("moves"), None, ..] => Self::Moves,
            [Some("api"), Some("history"), None, ..] => Self::History,
            [Some("api"), Some("rules"), None, ..] => Self::Rules,
            [Some("api"), Some("openapi.json"), None, ..] => Self::Document,
            [Some("api"), Some("reload"), None, ..] => Self::Reload,
            [Some("api"), Some("clusters"), None, ..] => Self::Clusters,
            [Some("api"), Some("clusters"), Some(cluster), None, ..] => Self::Cluster(cluster),
            [Some("api"), Some("clusters"), Some(cluster), Some("nodes"), None, ..] => Self::Nodes(cluster),
            [Some("api"), Some("clusters"), Some(cluster), Some(verb), None, ..] => {
                Self::SwitchCluster(cluster, Switch::of_word(verb)?)
            }
            [Some("api"), Some("sessions"), Some(session), None, ..] => Self::Session(session.parse().ok()?),
            [Some("api"), Some("sessions"), Some(session), Some("end"), None, ..] => {
                Self::EndSession(session.parse().ok()?)
            }
            [Some("api"), Some("sessions"), Some(session), Some("move"), None, ..] => {
                Self::MoveSession(session.parse().ok()?)
            }
            [Some("api"), Some("rules"), Some(rule), Some(verb), None, ..] => {
                Self::SwitchRule(rule.parse().ok()?, Switch::of_word(verb)?)
            }
            [Some("api"), Some("clusters"), Some(cluster), Some("nodes"), Some(node), None, _] => {
                Self::Node(cluster, node)
            }
            [
                Some("api"),
                Some("clusters"),
                Some(cluster),
                Some("nodes"),
                Some(node),
                Some("sessions"),
                None,
            ] => Self::Sessions(cluster, node),
            [
                Some("api"),
                Some("clusters"),
                Some(cluster),
                Some("nodes"),
                Some(node),
                Some("bypass"),
                None,
            ] => Self::Bypass(cluster, node),
            [Some("api"), Some("clusters"), Some(cluster), Some("nodes"), Some(node), Some(verb), None] => {
                Self::Operate(cluster, node, NodeAction::of_word(verb)?)
            }
            _ => return None,
        })
    }

    /// It changes something.
    pub(super) fn changes(self) -> bool {
        matches!(
            self,
            Self::Reload
                | Self::Bulk
                | Self::Operate(..)
                | Self::SwitchCluster(..)
                | Self::SwitchRule(..)
                | Self::Bypass(..)
                | Self::EndSession(_)
                | Self::MoveSession(_)
                | Self::Login
                | Self::Logout
        )
    }

    /// Who may ask for it: the least level. None for what tells so little that everybody may: whether the process
    /// is there, and how to get in.
    pub(super) fn level(self) -> Option<AdminLevel> {
        match self {
            Self::Ping | Self::Ready | Self::Page | Self::Style | Self::Script | Self::Icon | Self::Login => {
                None
            }
            Self::Logout
            | Self::Metrics
            | Self::Status
            | Self::Clusters
            | Self::Cluster(_)
            | Self::Nodes(_)
            | Self::Node(..)
            | Self::Sessions(..)
            | Self::Session(_)
            | Self::Config
            | Self::Events
            | Self::Explain
            | Self::Moves
            | Self::History
            | Self::Rules
            | Self::Document => Some(AdminLevel::Read),
            Self::Operate(_, _, NodeAction::Remove | NodeAction::Forget) | Self::Reload => {
                Some(AdminLevel::Admin)
            }
            Self::Operate(..)
            | Self::Bulk
            | Self::SwitchCluster(..)
            | Self::SwitchRule(..)
            | Self::EndSession(_)
            | Self::MoveSession(_)
            | Self::Bypass(..) => Some(AdminLevel::Operate),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::admin::openapi;

    #[test]
    fn places_are_found_by_their_whole_path() {
        for (path, place) in [
            ("/ping", Some(ApiPath::Ping)),
            ("/api/status", Some(ApiPath::Status)),
            ("/api/explain", Some(ApiPath::Explain)),
            ("/api/moves", Some(ApiPath::Moves)),
            ("/api/clusters", Some(ApiPath::Clusters)),
            ("/api/clusters/app", Some(ApiPath::Cluster("app"))),
            ("/api/clusters/app/nodes", Some(ApiPath::Nodes("app"))),
            ("/api/clusters/app/nodes/n1", Some(ApiPath::Node("app", "n1"))),
            ("/api/clusters/app/nodes/n1/drain", Some(ApiPath::Operate("app", "n1", NodeAction::Drain))),
            ("/api/clusters/app/nodes/n1/sessions", Some(ApiPath::Sessions("app", "n1"))),
            ("/api/clusters/app/nodes/n1/bypass", Some(ApiPath::Bypass("app", "n1"))),
            ("/api/clusters/app/nodes/n1/explode", None),
            ("/api/clusters/app/nodes/n1/drain/x", None),
            ("/api/clusters/app/n1", None),
            ("/api/clusters/app/disable", Some(ApiPath::SwitchCluster("app", Switch::Disable))),
            ("/api/clusters/app/drain", None),
            ("/api/rules/3/enable", Some(ApiPath::SwitchRule(3, Switch::Enable))),
            ("/api/rules/x/enable", None),
            ("/api/rules", Some(ApiPath::Rules)),
            ("/bulk", Some(ApiPath::Bulk)),
            ("/api/sessions/00000000000000ff", Some(ApiPath::Session(ShownSession(255)))),
            ("/api/sessions/00000000000000ff/move", Some(ApiPath::MoveSession(ShownSession(255)))),
            ("/api/sessions/ff/end", None),
            ("/api/status/", None),
            ("/api", None),
            ("/", Some(ApiPath::Page)),
            ("/page.css/", None),
            ("*", None),
        ] {
            assert_eq!(ApiPath::find(path), place, "{path}");
        }
    }

    /// Where the document has a place; a new one does not compile before it is said here.
    fn documented(place: ApiPath<'_>) -> &'static str {
        match place {
            // for people and their browsers
            ApiPath::Page
            | ApiPath::Bulk
            | ApiPath::Style
            | ApiPath::Script
            | ApiPath::Icon
            | ApiPath::Login
            | ApiPath::Logout => "no part of it",
            ApiPath::Sessions(..) => "/api/clusters/{cluster}/nodes/{node}/sessions",
            ApiPath::Session(_) => "/api/sessions/{session}",
            ApiPath::EndSession(_) => "/api/sessions/{session}/end",
            ApiPath::MoveSession(_) => "/api/sessions/{session}/move",
            ApiPath::Bypass(..) => "/api/clusters/{cluster}/nodes/{node}/bypass",
            ApiPath::Ping => "/ping",
            ApiPath::Ready => "/ready",
            ApiPath::Metrics => "/metrics",
            ApiPath::Status => "/api/status",
            ApiPath::Clusters => "/api/clusters",
            ApiPath::Cluster(_) => "/api/clusters/{cluster}",
            ApiPath::Nodes(_) => "/api/clusters/{cluster}/nodes",
            ApiPath::Node(..) => "/api/clusters/{cluster}/nodes/{node}",
            ApiPath::SwitchCluster(_, Switch::Enable) => "/api/clusters/{cluster}/enable",
            ApiPath::SwitchCluster(_, Switch::Disable) => "/api/clusters/{cluster}/disable",
            ApiPath::SwitchRule(_, Switch::Enable) => "/api/rules/{rule}/enable",
            ApiPath::SwitchRule(_, Switch::Disable) => "/api/rules/{rule}/disable",
            ApiPath::Operate(..) => "/api/clusters/{cluster}/nodes/{node}/",
            ApiPath::Config => "/api/config",
            ApiPath::Events => "/api/events",
            ApiPath::Explain => "/api/explain",
            ApiPath::Moves => "/api/moves",
            ApiPath::History => "/api/history",
            ApiPath::Rules => "/api/rules",
            ApiPath::Document => "/api/openapi.json",
            ApiPath::Reload => "/api/reload",
        }
    }

    #[test]
    fn the_document_has_each_place_and_no_other() {
        let document = openapi::document();
        let paths = document["paths"].as_object().unwrap();
        for (path, methods) in paths {
            let filled = path.replace("{cluster}", "app").replace("{node}", "n1").replace("{rule}", "1");
            let filled = filled.replace("{session}", "00000000000000ff");
            let place = ApiPath::find(&filled).unwrap_or_else(|| panic!("{path} is not served"));
            assert!(path.starts_with(documented(place)), "{path} leads to {place:?}");
            let methods: Vec<&String> = methods.as_object().unwrap().keys().collect();
            assert_eq!(methods, [if place.changes() { "post" } else { "get" }], "{path}");
        }
        for verb in NodeAction::ALL {
            let path = format!("{}{}", documented(ApiPath::Operate("", "", verb)), verb.word());
            assert!(paths.contains_key(&path), "{path}");
        }
        // every place but the one of the verbs
        assert_eq!(paths.len(), 25 + NodeAction::ALL.len());
        let text = document.to_string();
        for name in text.split("#/components/schemas/").skip(1).map(|rest| rest.split('"').next().unwrap()) {
            assert!(document["components"]["schemas"][name].is_object(), "{name}");
        }
    }
}
