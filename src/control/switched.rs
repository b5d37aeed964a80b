//! Clusters and rules that were switched off or on at run time.

use super::op::Target;
use super::runtime_value::RuntimeValue;
use crate::base::hash::hash64;
use crate::config::model::{Config, Rule};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What was decided of a cluster.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct ClusterOverride {
    /// Whether it is disabled.
    pub disabled: RuntimeValue<bool>,
}

/// What was decided of a rule.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct RuleOverride {
    /// Whether it is disabled.
    pub disabled: RuntimeValue<bool>,
    /// Hash of what the file says of it: it is known again when rules before it come and go.
    pub rule: u64,
}

/// All that was switched.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Switched {
    /// By name.
    pub clusters: BTreeMap<String, ClusterOverride>,
    /// By their place in the file, from 1.
    pub rules: BTreeMap<u32, RuleOverride>,
}

impl Switched {
    /// Nothing was.
    pub fn is_empty(&self) -> bool {
        self.clusters.is_empty() && self.rules.is_empty()
    }

    /// Puts it into the conf. What a later edit of the file took back is dropped, with a line that says so; rules
    /// are from here on where they are in the file.
    pub fn overlay(&mut self, config: &mut Config, said: &mut Vec<String>) {
        self.clusters.retain(|name, ClusterOverride { disabled }| {
            let Some(cluster) = config.cluster.get_mut(name) else { return true };
            let stands = disabled.stands(Some(cluster.disabled), false);
            match stands {
                true => cluster.disabled = disabled.to,
                false => said.push(disabled.dropped(&Target::Cluster(name.clone()))),
            }
            stands
        });
        for (number, decided) in std::mem::take(&mut self.rules) {
            let at = find(&decided, number, &config.rule, &self.rules);
            match at.and_then(|at| Some((at, config.rule.get_mut(at as usize - 1)?))) {
                Some((at, rule)) if decided.disabled.stands(Some(rule.disabled), false) => {
                    rule.disabled = decided.disabled.to;
                    self.rules.insert(at, decided);
                }
                _ => said.push(decided.disabled.dropped(&Target::Rule(number))),
            }
        }
    }
}

/// What a rule says, whether it is disabled or not, as one number.
pub fn fingerprint(rule: &Rule) -> u64 {
    hash64(&serde_json::to_vec(&Rule { disabled: false, ..rule.clone() }).unwrap_or_default())
}

/// Where the rule is now that was decided about, from 1: where it was, else where it is first found among those
/// that are not `taken` by another that says the same.
fn find(
    decided: &RuleOverride,
    number: u32,
    rules: &[Rule],
    taken: &BTreeMap<u32, RuleOverride>,
) -> Option<u32> {
    let is_it = |number: u32| {
        let rule = (number as usize).checked_sub(1).and_then(|at| rules.get(at));
        !taken.contains_key(&number) && rule.is_some_and(|rule| fingerprint(rule) == decided.rule)
    };
    [number].into_iter().chain(1..=rules.len() as u32).find(|number| is_it(*number))
}

#[cfg(test)]
mod tests {
    use super::super::op::Switch;
    use super::super::runtime_value::{Actor, FileValue};
    use super::super::state::Stored;
    use super::super::{overlay::Overlay, switch};
    use super::*;

    fn file(rules: &[&str]) -> Config {
        let rules: String =
            rules.iter().map(|path| format!("[[rule]]\npath = '{path}'\ncluster = 'shop'\n")).collect();
        toml::from_str(&format!("{rules}[cluster.shop.nodes]\nn1 = 'http://a:1'\n")).unwrap()
    }

    fn by() -> Actor {
        Actor::named("operator".into(), 1)
    }

    /// Whether each rule is disabled, and what was said.
    fn rules(switched: &mut Switched, mut file: Config) -> (Vec<bool>, Vec<String>) {
        let mut said = Vec::new();
        switched.overlay(&mut file, &mut said);
        (file.rule.iter().map(|rule| rule.disabled).collect(), said)
    }

    #[test]
    fn a_rule_stays_off_wherever_it_stands_until_the_file_changes_it() {
        let (mut switched, two) = (Switched::default(), file(&["/a", "/b"]));
        switch::rule(2, Switch::Disable, &mut switched, &two, by()).unwrap();
        assert_eq!(rules(&mut switched, two.clone()), (vec![false, true], vec![]));
        assert_eq!(rules(&mut switched, file(&["/x", "/a", "/b"])), (vec![false, false, true], vec![]));
        assert!(switched.rules.contains_key(&3), "it is the third now: {switched:?}");
        assert_eq!(rules(&mut switched, file(&["/b"])).0, [true]);
        let (now, said) = rules(&mut switched, file(&["/b/c"]));
        assert_eq!((now, switched.is_empty()), (vec![false], true));
        assert_eq!(said, ["rule 1: disabled by operator is dropped: the conf file was edited since"]);
        assert!(switch::rule(0, Switch::Disable, &mut switched, &two, by()).is_err());
        assert!(switch::rule(3, Switch::Disable, &mut switched, &two, by()).is_err());
        switch::rule(1, Switch::Enable, &mut switched, &two, by()).unwrap();
        assert!(switched.is_empty(), "the file says the same");
        let twins = file(&["/a", "/a"]);
        for number in [1, 2] {
            switch::rule(number, Switch::Disable, &mut switched, &twins, by()).unwrap();
        }
        assert_eq!(rules(&mut switched, file(&["/x", "/a", "/a"])).0, [false, true, true], "each of the two");
    }

    #[test]
    fn a_clusters_switch_waits_for_it_and_ends_with_an_edit() {
        let disabled = RuntimeValue { to: true, over: FileValue::Value(false), by: by() };
        let mut switched = Switched::default();
        switched.clusters.insert("shop".into(), ClusterOverride { disabled });
        let mut overlay = Overlay::default();
        overlay.switched = switched;
        assert_eq!(
            (overlay.format(), Overlay::default().format()),
            (2, 1),
            "older versions know nothing of it"
        );
        assert_eq!(
            serde_json::from_str::<Overlay>(&serde_json::to_string(&overlay).unwrap()).unwrap(),
            overlay
        );
        let mut gone = file(&[]);
        gone.cluster.clear();
        assert!(overlay.overlay(&gone).1.is_empty() && overlay.format() == 2, "it may come back");
        assert!(overlay.overlay(&file(&[])).0.cluster["shop"].disabled);
        let mut edited = file(&[]);
        edited.cluster["shop"].disabled = true;
        let (config, said) = overlay.overlay(&edited);
        assert!(
            config.cluster["shop"].disabled && said.len() == 1 && overlay == Overlay::default(),
            "{said:?}"
        );
    }
}
