use super::*;
use std::time::Duration;

const AT: Now = at(1000);

const fn at(second: u64) -> Now {
    Now::at(Duration::from_secs(second))
}

const NOBODY: Witness = Witness { answers: false, check_answered: false };
const CLIENTS: Witness = Witness { answers: true, check_answered: false };
const CHECK: Witness = Witness { answers: false, check_answered: true };

#[test]
fn each_failure_counts_as_the_table_says() {
    for (met, nobody, clients, check) in [
        (FailureKind::Refused, true, true, true),
        (FailureKind::BrokenOff, true, false, true),
        (FailureKind::Late, true, false, false),
    ] {
        let found =
            [NOBODY, CLIENTS, CHECK].map(|witness| Evidence::default().failed(met, witness, 1, 60_000, AT));
        assert_eq!(found, [nobody, clients, check], "{met:?}");
    }
    for failure in [
        ExchangeFailure::Unsent,
        ExchangeFailure::Unswitched,
        ExchangeFailure::BadAnswer,
        ExchangeFailure::Client,
        ExchangeFailure::Stalled,
    ] {
        assert_eq!(FailureKind::of(failure), None);
    }
    assert_eq!(FailureKind::of(ExchangeFailure::Declined), Some(FailureKind::BrokenOff), "something listens");
}

#[test]
fn an_answer_ends_the_row_and_what_does_not_count_is_remembered_as_unanswered() {
    let evidence = Evidence::default();
    assert_eq!(evidence.since_answer(AT), None);
    assert!(!evidence.failed(FailureKind::Refused, NOBODY, 2, 60_000, AT));
    evidence.answered(AT);
    assert!(!evidence.failed(FailureKind::Refused, NOBODY, 2, 60_000, AT));
    assert!(!evidence.failed(FailureKind::Late, CLIENTS, 2, 60_000, AT) && evidence.is_unanswered());
    assert!(evidence.failed(FailureKind::BrokenOff, NOBODY, 2, 60_000, AT));
    assert_eq!(evidence.proof(AT), Some(FailureKind::BrokenOff));
    assert!(!evidence.failed(FailureKind::Refused, NOBODY, 2, 60_000, AT), "it is set aside already");
    evidence.clear();
    assert_eq!(evidence.proof(AT), None);
    assert!(evidence.is_refused(), "what breaks off later changes nothing");
    evidence.listens(true);
    assert!(!evidence.is_unanswered(), "but a good check does");
    assert!(!evidence.failed(FailureKind::Late, CLIENTS, 2, 60_000, AT));
    evidence.listens(true);
    assert!(evidence.is_unanswered() && !evidence.is_refused(), "it is no answer, though");
    evidence.listens(false);
    assert!(evidence.is_refused());
    evidence.answered(AT);
    assert!(!evidence.is_unanswered());
}

#[test]
fn requests_that_follow_each_other_unanswered_have_it_asked_until_something_is_heard() {
    type Ends = fn(&Evidence);
    let ends: [Ends; 4] = [
        |e| e.answered(at(1120)),
        |e| e.record_check_answer(1000, at(1120)),
        |e| e.listens(false),
        |e| assert!(e.found_in_vain(e.in_vain_since().unwrap(), 1000, at(1120))),
    ];
    for end in ends {
        let evidence = Evidence::default();
        for (second, vain) in
            [(1000, false), (1000, false), (1059, false), (1060, false), (1061, false), (1120, true)]
        {
            evidence.failed(FailureKind::Late, NOBODY, 9, 1000, at(second));
            evidence.waited(60_000, 3, at(second));
            assert_eq!(evidence.in_vain_since().is_some(), vain, "{second}");
        }
        evidence.listens(true);
        assert_ne!(evidence.in_vain_since(), None, "a connection is no answer");
        end(&evidence);
        assert_eq!(evidence.in_vain_since(), None);
    }
    let evidence = Evidence::default();
    evidence.waited(60_000, 0, at(1000));
    assert_eq!(evidence.in_vain_since(), None, "nothing sets it aside");
}

#[test]
fn a_node_where_all_wait_in_vain_is_set_aside_for_a_time_and_one_that_answers_when_asked_is_not() {
    let evidence = Evidence::default();
    evidence.failed(FailureKind::Late, NOBODY, 1, 10_000, at(1000));
    evidence.waited(1000, 1, at(1000));
    let since = evidence.in_vain_since().unwrap();
    assert!(evidence.found_in_vain(since, 10_000, at(1000)));
    assert_eq!(evidence.proof(at(1000)), Some(FailureKind::InVain));
    assert_eq!(evidence.proof(at(1021)), None, "that ends by itself");
    assert!(evidence.failed(FailureKind::Late, NOBODY, 1, 10_000, at(1021)));
    evidence.waited(1000, 1, at(1021));
    evidence.record_check_answer(30_000, at(1021));
    assert!(evidence.is_vouched(at(1021)) && evidence.proof(at(1021)).is_none(), "an answer ends it at once");
    assert!(!evidence.found_in_vain(since, 10_000, at(1021)), "somebody was answered meanwhile");
    evidence.waited(1000, 3, at(1022));
    assert_ne!(evidence.in_vain_since(), None, "the next who waits has it asked again");
    assert!(!evidence.is_vouched(at(1052)));
}

#[test]
fn a_row_of_failed_checks_has_one_beginning() {
    let evidence = Evidence::default();
    assert!(!evidence.check(false, 5));
    assert!(evidence.check(true, 10) && !evidence.check(true, 20));
    assert_eq!(evidence.failing_since(), Some(10));
    assert!(evidence.check(false, 30));
    assert_eq!(evidence.failing_since(), None);
}
