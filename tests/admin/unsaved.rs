//! What was changed and is not saved: no verb says that it is done, and status and metrics show it while it lasts.

use crate::support::{Conf, DEADLINE, Origin, until};
use crate::window::Window;
use std::fs;

const METRIC: &str = "homing_state_files_unsaved";

/// Every verb that writes the state folder, in an order in which each changes something.
const VERBS: [&[&str]; 9] = [
    &["drain", "app/n1"],
    &["enable", "app/n1"],
    &["disable", "app/n1"],
    &["enable", "app/n1"],
    &["set", "app/n2", "weight=7"],
    &["disable", "app", "--force"],
    &["enable", "app"],
    &["disable", "rule:1"],
    &["remove", "app/n1", "--force"],
];

#[test]
fn no_verb_says_done_that_is_not_saved_and_it_is_shown_while_it_lasts() {
    let nodes = Origin::several(3);
    let window = Window::over(&nodes);
    window.all_ready();
    // as a full disk, but for this file alone
    let in_the_way = window.proxy.folder().join("state/runtime.json.new");
    let saved = || window.metric(METRIC) == 0.0 && window.status()["unsaved"].as_array().unwrap().is_empty();
    assert!(saved());
    fs::create_dir(&in_the_way).unwrap();
    for verb in VERBS {
        let said = window.homing(verb);
        assert_eq!(said.code, 1, "{verb:?} {said:?}");
        let told =
            said.out.contains("not saved: state-dir cannot be written") && said.err.contains("not saved");
        assert!(told, "{verb:?} {said:?}");
    }
    assert_eq!(window.metric(METRIC), 1.0);
    assert_eq!(window.status()["unsaved"][0], "runtime.json");
    let said = window.homing(&["status"]);
    assert!(said.out.contains("state-dir: runtime.json cannot be written"), "{}", said.out);
    fs::remove_dir(&in_the_way).unwrap();
    until("it is written again", || saved().then_some(()));
    let said = window.homing(&["set", "app/n2", "weight=8"]);
    assert!(said.code == 0 && !said.out.contains("saved"), "{said:?}");
}

#[test]
fn a_folder_that_cannot_be_used_is_shown_and_no_verb_says_done() {
    let nodes = Origin::several(2);
    let window = Window::with(Conf::over(&nodes).server("state-dir = \"/dev/null/state\""));
    window.all_ready();
    let said = window.homing(&["drain", "app/n1"]);
    assert!(said.code == 1 && said.out.contains("state-dir cannot be used"), "{said:?}");
    assert!(window.homing(&["status"]).out.contains("state-dir: /dev/null/state cannot be written"));
    assert_eq!(window.metric(METRIC), 1.0);
    window.proxy.signal("TERM");
    assert_eq!(window.proxy.exit(DEADLINE).code(), Some(0));
}
