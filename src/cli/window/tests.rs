use super::*;

#[test]
fn refusals_say_what_to_do() {
    let refused = |document| VerbFailure::Refused(document).to_string();
    let harm = serde_json::json!({"detail": "n1 is the last.", "force": true, "status": 409});
    assert_eq!(refused(harm), "refused: n1 is the last.\nWith --force it is done all the same.");
    assert!(
        refused(serde_json::json!({"detail": "A token is needed.", "status": 401})).contains("--token-file")
    );
}
