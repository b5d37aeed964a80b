//! A drain: a job with an end, and what becomes of it when it is asked for again.

use crate::base::units::{Duration, span};
use crate::config::model::Then;
use serde::{Deserialize, Serialize};

/// A drain that is on.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Drain {
    /// Unix seconds by which it is to be over, if there is a limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deadline: Option<u64>,
    /// What becomes of sessions that are left then.
    #[serde(default)]
    pub then: Then,
    /// The deadline has passed.
    #[serde(default)]
    pub over: bool,
    /// Sessions, requests and sockets that were there then; earlier versions did not note it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub left: Option<u64>,
}

/// How a drain is asked for; what is not said stays as it is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
pub struct DrainRequest {
    /// How long its sessions may take to end; "off" lifts the limit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deadline: Option<Duration>,
    /// What becomes of sessions that are left then.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub then: Option<Then>,
}

impl DrainRequest {
    /// The drain that is on from now on.
    pub fn over(self, on: Option<&Drain>, now: u64) -> Drain {
        let on = on.cloned().unwrap_or_default();
        let then = self.then.unwrap_or(on.then);
        match self.deadline {
            Some(deadline) => {
                let deadline = deadline.limit().map(|limit| now.saturating_add(limit.as_secs()));
                Drain { deadline, then, ..Drain::default() }
            }
            // who stayed is waited for anew; who was moved does not come back
            None if on.over && !(on.moved() && then == Then::Move) => Drain { then, ..Drain::default() },
            None => Drain { then, ..on },
        }
    }
}

impl Drain {
    /// Whether its deadline has passed, and that is still to be seen to. Of both no more than the second is
    /// known: it is up to one late and never early.
    pub fn is_due(&self, now: u64) -> bool {
        !self.over && self.deadline.is_some_and(|deadline| deadline < now)
    }

    /// Whether its deadline has sent away who was left.
    pub fn moved(&self) -> bool {
        self.over && self.then == Then::Move
    }

    /// What another one in its place changes, in words: "n1.deadline 28 s→2 s, n1.then keep→move".
    pub fn change(&self, to: &Self, node: &str, now: u64) -> Option<String> {
        let left = |drain: &Self| match drain.deadline {
            None => "unset".to_owned(),
            Some(_) if drain.over => "passed".to_owned(),
            Some(deadline) => span(deadline.saturating_sub(now)),
        };
        let deadline =
            (self.deadline != to.deadline).then(|| format!("{node}.deadline {}→{}", left(self), left(to)));
        let then =
            (self.then != to.then).then(|| format!("{node}.then {}→{}", self.then.word(), to.then.word()));
        let phrases: Vec<String> = deadline.into_iter().chain(then).collect();
        (!phrases.is_empty()).then(|| phrases.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Then::{Keep, Move};

    const NOW: u64 = 1000;

    fn drain(deadline: Option<u64>, then: Then, over: bool) -> Drain {
        Drain { deadline, then, over, left: None }
    }

    #[test]
    fn what_is_not_said_of_a_drain_stays_and_what_changes_is_told() {
        let (fresh, on) = (drain(None, Keep, false), drain(Some(1030), Move, false));
        let (stayed, moved) = (drain(Some(900), Keep, true), drain(Some(900), Move, true));
        for (before, deadline, then, after, told) in [
            (&fresh, None, None, drain(None, Keep, false), None),
            (
                &fresh,
                Some(Some(2)),
                Some(Move),
                drain(Some(1002), Move, false),
                Some("n1.deadline unset→2 s, n1.then keep→move"),
            ),
            (&on, None, None, on.clone(), None),
            (&on, None, Some(Keep), drain(Some(1030), Keep, false), Some("n1.then move→keep")),
            (&on, Some(Some(2)), None, drain(Some(1002), Move, false), Some("n1.deadline 30 s→2 s")),
            (&on, Some(Some(30)), None, on.clone(), None),
            (&on, Some(None), None, drain(None, Move, false), Some("n1.deadline 30 s→unset")),
            (&stayed, None, None, drain(None, Keep, false), Some("n1.deadline passed→unset")),
            (
                &stayed,
                None,
                Some(Move),
                drain(None, Move, false),
                Some("n1.deadline passed→unset, n1.then keep→move"),
            ),
            (
                &stayed,
                Some(Some(5)),
                Some(Move),
                drain(Some(1005), Move, false),
                Some("n1.deadline passed→5 s, n1.then keep→move"),
            ),
            (&moved, None, None, moved.clone(), None),
            (&moved, None, Some(Move), moved.clone(), None),
            (
                &moved,
                None,
                Some(Keep),
                drain(None, Keep, false),
                Some("n1.deadline passed→unset, n1.then move→keep"),
            ),
            (&moved, Some(Some(5)), None, drain(Some(1005), Move, false), Some("n1.deadline passed→5 s")),
        ] {
            let deadline =
                deadline.map(|secs: Option<u64>| secs.map_or_else(|| "off".parse().unwrap(), Duration::secs));
            let asked = DrainRequest { deadline, then };
            let got = asked.over(Some(before), NOW);
            assert_eq!(
                (&got, before.change(&got, "n1", NOW).as_deref()),
                (&after, told),
                "{before:?} {asked:?}"
            );
        }
        let asked = DrainRequest { deadline: Some(Duration::secs(9)), then: Some(Move) };
        assert_eq!(
            (asked.over(None, NOW), DrainRequest::default().over(None, NOW)),
            (drain(Some(1009), Move, false), fresh)
        );
    }

    #[test]
    fn a_drain_of_an_earlier_version_is_read() {
        let saved = r#"{"deadline":900,"then":"move","over":true}"#;
        let moved = drain(Some(900), Move, true);
        assert_eq!(serde_json::from_str::<Drain>(saved).unwrap(), moved);
        let empty = Drain { left: Some(0), ..moved };
        assert_eq!(serde_json::from_str::<Drain>(&serde_json::to_string(&empty).unwrap()).unwrap(), empty);
        assert_eq!(
            DrainRequest::default().over(Some(&empty), NOW),
            empty,
            "asked for again it knows it still"
        );
    }

    #[test]
    fn a_drain_is_due_once_at_its_deadline() {
        for (deadline, over, now, due) in [
            (Some(9), false, 9, false),
            (Some(9), false, 10, true),
            (Some(9), true, 11, false),
            (None, false, u64::MAX, false),
        ] {
            assert_eq!(drain(deadline, Move, over).is_due(now), due, "{deadline:?} {over} at {now}");
        }
    }
}
