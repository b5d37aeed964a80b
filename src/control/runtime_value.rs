//! A value that was set at run time, over what the conf file says.

use super::asker::Asker;
use super::op::Target;
use serde::{Deserialize, Serialize};

/// Who decided something, and when.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Actor {
    /// In a word or two: "operator", "token", "network 10.0.0.0/8", "node".
    pub who: String,
    /// Unix seconds.
    pub at: u64,
    /// From where, if somebody asked from somewhere; versions before 0.4 did not note it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// Why, in his words; versions before 0.4 did not ask.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

impl Actor {
    /// Who asked, now.
    pub fn of(by: &Asker, at: u64) -> Self {
        let Asker { who, from, reason } = by.clone();
        Self { who, at, from, reason: reason.map(String::from) }
    }

    /// Nobody who gives reasons.
    pub fn named(who: String, at: u64) -> Self {
        Self { who, at, from: None, reason: None }
    }
}

/// A value set at run time, over what the file says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RuntimeValue<T> {
    /// The value.
    pub to: T,
    /// What the file said then.
    pub over: FileValue<T>,
    /// Who and when.
    pub by: Actor,
}

/// What the file said of a value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FileValue<T> {
    /// This.
    Value(T),
    /// Nothing: the node is not in it.
    Nothing,
}

impl<T: PartialEq> RuntimeValue<T> {
    /// Whether it still holds, when the file says this now, or nothing of the node; `gone`: nobody says
    /// anything of the node.
    pub fn stands(&self, now: Option<T>, gone: bool) -> bool {
        !gone
            && match (&self.over, now) {
                (FileValue::Value(then), Some(now)) => *then == now,
                // made before the file knew the node: its word is newer
                (FileValue::Nothing, Some(_)) => false,
                (_, None) => true,
            }
    }
}

impl RuntimeValue<bool> {
    /// That it holds no more.
    pub fn dropped(&self, target: &Target) -> String {
        let what = if self.to { "disabled" } else { "enabled" };
        format!("{target}: {what} by {} is dropped: the conf file was edited since", self.by.who)
    }
}
