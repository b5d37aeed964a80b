//! What operators do: they change nodes, and edit the conf file.

use crate::conf::{self, CLUSTER};
use crate::machine::Machine;
use crate::world::{Held, World};
use homing::base::units::Duration as Deadline;
use homing::config::files::NamedFiles;
use homing::config::model::{AdminState, Node as NodeConf, Then};
use homing::control::drain::DrainRequest;
use homing::control::error::Error;
use homing::control::limits::{Limit, NodeLimits, Off};
use homing::control::op::{NodeChange, Op, Target};
use rand::Rng;

impl World {
    /// An operator changes a node.
    pub fn edit(&mut self) -> Held {
        let node = self.any_machine();
        let off = Some(Limit::Word(Off::Off));
        let change = match self.rng.random_range(0..10) {
            0 | 1 => NodeChange::Drain(DrainRequest::default()),
            2 => {
                let deadline = Deadline::secs(self.rng.random_range(3..20));
                NodeChange::Drain(DrainRequest { deadline: Some(deadline), then: Some(Then::Move) })
            }
            3 => NodeChange::Disable,
            4 => NodeChange::Set(NodeLimits {
                max_sessions: Some(Limit::Most(self.rng.random_range(1..5))),
                ..NodeLimits::default()
            }),
            5 => NodeChange::Set(NodeLimits {
                max_requests: Some(Limit::Most(self.rng.random_range(1..3))),
                ..NodeLimits::default()
            }),
            6 => {
                NodeChange::Set(NodeLimits { max_sessions: off, max_requests: off, ..NodeLimits::default() })
            }
            _ => NodeChange::Enable,
        };
        let force = self.rng.random_bool(0.2);
        self.change(&node, change, "somebody", force)
    }

    fn change(&mut self, node: &str, change: NodeChange, by: &str, force: bool) -> Held {
        let op = Op { force, ..Op::of_node(CLUSTER, node, change.clone(), by) };
        let prepared = match self.registry.prepare_ops(&[&op], self.now) {
            Ok(prepared) => prepared,
            Err(Error::Harm(_) | Error::NoNode { .. }) => return Ok(()),
            Err(why) => return Err(format!("{op:?} is refused: {why}")),
        };
        self.sum.edits += 1;
        self.registry.publish(prepared, self.now);
        self.follow(true);
        self.tell(|| format!("{node}: {change:?}"));
        let table = self.registry.current().load_full();
        let admin = table.clusters[0].named(node).map(|node| node.spec.admin);
        let wanted = match change {
            NodeChange::Enable => AdminState::Enabled,
            NodeChange::Disable => AdminState::Maintenance,
            _ => return Ok(()),
        };
        if admin == Some(wanted) { Ok(()) } else { Err(format!("{change:?} of {node} makes it {admin:?}")) }
    }

    pub fn end_drains(&mut self) -> Held {
        for (target, _) in self.registry.overlay().drains_due(self.now.unix_secs()) {
            if let Target::Node { node, .. } = target {
                self.change(&node, NodeChange::EndDrain { left: 0 }, "deadline", true)?;
            }
        }
        Ok(())
    }

    /// The conf file was edited.
    pub fn reload(&mut self) -> Held {
        let before = self.registry.current().load_full();
        let number = self.rng.random_range(0..6usize);
        let name = format!("n{number}");
        let table = conf::node(number, &mut self.rng);
        let what = self.rng.random_range(0..4);
        let nodes = self.conf.nodes();
        match (what, nodes.get(&name).map(NodeConf::table)) {
            // nothing but a save
            (0, _) => {}
            (_, None) => drop(nodes.insert(name.clone(), NodeConf::Table(table))),
            (1, Some(_)) if nodes.len() > 1 => drop(nodes.shift_remove(&name)),
            (2, Some(_)) => nodes.reverse(),
            (_, Some(known)) => drop(nodes.insert(
                name.clone(),
                NodeConf::Table(homing::config::model::NodeTable { state: known.state, ..table }),
            )),
        }
        if !self.machines.contains_key(&name) {
            let (beats, now) = (self.rng.random_bool(0.5).then(|| self.rng.random_range(1..5)), self.second);
            self.machines.insert(name.clone(), Machine::new(&name, now, beats, None));
        }
        let (file, named): (_, NamedFiles) = (self.conf.file.clone(), self.conf.files.clone());
        let prepared = self
            .registry
            .prepare(file, named, self.now)
            .map_err(|why| format!("a reload is refused: {why}"))?;
        let after = self.registry.publish(prepared, self.now);
        self.sum.reloads += 1;
        self.follow(true);
        self.tell(|| {
            format!(
                "reload: {:?}",
                after.clusters[0]
                    .nodes()
                    .map(|node| (node.spec.name.clone(), node.live.slot))
                    .collect::<Vec<_>>()
            )
        });
        for node in after.clusters[0].nodes() {
            if node.live.report.since(self.now).is_none() {
                self.machine(&node.spec.name).is_forgotten();
            }
            let was = before.clusters[0].named(&node.spec.name).map(|node| node.spec.admin);
            if was.is_some_and(|was| was != node.spec.admin) {
                return Err(format!(
                    "a reload makes {} {:?}, which was {was:?}",
                    node.spec.name, node.spec.admin
                ));
            }
        }
        Ok(())
    }
}
