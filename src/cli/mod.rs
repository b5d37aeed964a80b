//! The command line: one thin file a verb.

mod argument_error;
pub mod check;
pub mod demo;
mod door;
mod door_tls;
mod drain;
mod explain;
mod history;
mod log;
mod operate;
mod reload;
pub mod run;
mod session;
mod shell;
mod show;
mod status;
mod token;
mod top;
mod window;

use crate::admin::operate::{Drain, NodeAction};
use crate::base::units::Duration;
use crate::config::model::Then;
use crate::control::op::Switch;
use clap::{CommandFactory, Parser, Subcommand};
use history::HistoryTarget;
use operate::{NodePath, NodesPath, Setting, SwitchTarget};
use std::path::{Path, PathBuf};
use window::{AdminClient, ChangeArgs, Remote};

const EXIT_CODES: &str = "Exit codes: 0 done; 1 refused, or an error in the conf; 2 wrong usage; 3 a deadline passed; \
                          4 the proxy cannot be reached.";

/// A sticky-session reverse proxy: every session stays on its node, the conf file is live.
#[derive(Parser)]
#[command(name = "homing", version, about, arg_required_else_help = false, after_help = EXIT_CODES)]
struct Cli {
    #[command(subcommand)]
    verb: Option<Verb>,
    /// The conf file.
    #[arg(long, short, global = true, default_value = door::CONF, value_name = "FILE")]
    config: PathBuf,
}

#[derive(Subcommand)]
enum Verb {
    /// Run in the foreground (the default); logs to standard error.
    Run,
    /// A small stateful application on N nodes in this process, and the proxy in front: no file, no root.
    #[command(after_help = "Example: homing demo --nodes 3")]
    Demo {
        /// How many nodes.
        #[arg(long, default_value_t = 3)]
        nodes: usize,
        /// The proxy's port.
        #[arg(long, default_value_t = 8080)]
        port: u16,
    },
    /// Everything a reload would refuse, what to look at, and what files and memory the limits need; exit 0
    /// or 1.
    #[command(after_help = "Example: homing check conf/homing.toml --dump")]
    Check {
        /// The conf file, if not --config.
        file: Option<PathBuf>,
        /// Print the effective file, defaults filled in.
        #[arg(long)]
        dump: bool,
        /// Exit 1 for warnings too.
        #[arg(long)]
        strict: bool,
        /// Print what is found, and what is needed, as JSON.
        #[arg(long, conflicts_with = "dump")]
        json: bool,
    },
    #[command(flatten)]
    Remote(RemoteVerb),
    /// The token that nodes show to announce themselves; made if there is none.
    #[command(after_help = "Example: homing token app/n3")]
    Token {
        /// CLUSTER, where it has a token of its own (join.token-file); CLUSTER/NODE for one that speaks for
        /// this node alone.
        cluster: Option<String>,
        /// A fresh one instead, for a file of its own: (umask 077; homing token --new > admin.token)
        #[arg(long, conflicts_with = "cluster")]
        new: bool,
    },
    /// The JSON Schema of the conf file, for editors.
    Schema,
    /// Completions for a shell.
    #[command(after_help = "Example: homing completions bash > /etc/bash_completion.d/homing")]
    Completions {
        /// Which.
        shell: clap_complete::Shell,
    },
    /// The manual page; with a folder, it and one for each verb are written there.
    #[command(after_help = "Example: homing man | man -l -")]
    Man {
        /// Where to.
        folder: Option<PathBuf>,
    },
}

/// The verbs that speak to a running proxy.
#[derive(Subcommand)]
enum RemoteVerb {
    /// The clusters and their nodes, as they are now.
    #[command(after_help = "Example: homing status app")]
    Status {
        /// This one alone.
        cluster: Option<String>,
        #[command(flatten)]
        remote: Remote,
    },
    /// A cluster's nodes in the order that new sessions are given to.
    #[command(after_help = "Example: homing nodes app")]
    Nodes {
        /// Which.
        cluster: String,
        #[command(flatten)]
        remote: Remote,
    },
    /// The clusters and their nodes, live: states, sessions, rates, latency; q quits.
    #[command(
        after_help = "Keys: up and down select a node, s sorts, d drains it, e enables it, q quits.\nExample: homing top --once | head"
    )]
    Top {
        /// Print one frame, with the rates of one second; so it is where there is no terminal.
        #[arg(long)]
        once: bool,
        #[command(flatten)]
        remote: Remote,
    },
    /// Why a request went where it went, or where one would go: the rule, what it says of its session, the
    /// nodes, the choice.
    #[command(
        after_help = "Examples: homing explain --last\n          homing explain --url http://shop.example.com/cart --cookie HOMING=… --source 10.1.2.3"
    )]
    Explain {
        #[command(flatten)]
        what: Box<explain::What>,
        #[command(flatten)]
        remote: Remote,
    },
    /// The sessions that were moved from their node: how many, why, and the latest of them.
    #[command(after_help = "Example: homing moves app")]
    Moves {
        /// Of this cluster alone.
        cluster: Option<String>,
        #[command(flatten)]
        remote: Remote,
    },
    /// Who changed what at run time, from where and why, the latest last; reloads are among it.
    #[command(after_help = "Examples: homing history, homing history app/n1")]
    History {
        /// Of this alone: CLUSTER, CLUSTER/NODE, or rule:N
        of: Option<HistoryTarget>,
        #[command(flatten)]
        remote: Remote,
    },
    /// Keep a node's sessions there and give it no new ones.
    #[command(after_help = "Example: homing drain app/n1 --wait --deadline 4h --then move")]
    Drain {
        /// CLUSTER/NODE, or a pattern: 'app/*-old'
        target: NodesPath,
        /// Wait until no session, request or socket is left, or the deadline has passed (exit 3).
        #[arg(long)]
        wait: bool,
        /// How long its sessions may take to end: a drain that is on keeps its deadline if this is not given,
        /// and "off" lifts it.
        #[arg(long, value_name = "DURATION")]
        deadline: Option<Duration>,
        /// What becomes of those that are left then: keep, unless something else was said of the drain that
        /// is on.
        #[arg(long, value_enum)]
        then: Option<Then>,
        /// Even if something stops working without it.
        #[arg(long)]
        force: bool,
        #[command(flatten)]
        ask: ChangeArgs,
    },
    /// Give a node everything again, whatever took it out; let a cluster or a rule serve again.
    Enable {
        /// CLUSTER/NODE, CLUSTER, or rule:N
        target: SwitchTarget,
        #[command(flatten)]
        ask: ChangeArgs,
    },
    /// Send nobody to a node: its sessions move to others. Or answer 503 for a whole cluster, whose sessions are
    /// kept; or pass over a rule.
    #[command(
        after_help = "Examples: homing disable app/n1, homing disable app --force, homing disable rule:2"
    )]
    Disable {
        /// CLUSTER/NODE, CLUSTER, or rule:N
        target: SwitchTarget,
        /// Even if something stops working without it.
        #[arg(long)]
        force: bool,
        #[command(flatten)]
        ask: ChangeArgs,
    },
    /// Let in a node that announced itself.
    Accept {
        /// CLUSTER/NODE, or a pattern: 'app/*-old'
        target: NodesPath,
        #[command(flatten)]
        ask: ChangeArgs,
    },
    /// Take a node out of its cluster.
    Remove {
        /// CLUSTER/NODE, or a pattern: 'app/*-old'
        target: NodesPath,
        /// Even if something stops working without it.
        #[arg(long)]
        force: bool,
        #[command(flatten)]
        ask: ChangeArgs,
    },
    /// A node that joined, or waits to be accepted, is no longer known; it begins anew when it speaks again.
    #[command(after_help = "Example: homing forget 'app/*-old'")]
    Forget {
        /// CLUSTER/NODE, or a pattern: 'app/*-old'
        target: NodesPath,
        /// Even if something stops working without it.
        #[arg(long)]
        force: bool,
        #[command(flatten)]
        ask: ChangeArgs,
    },
    /// Change a node's weight and limits.
    #[command(after_help = "Example: homing set app/n1 weight=50 max-sessions=1")]
    Set {
        /// CLUSTER/NODE, or a pattern: 'app/*-old'
        target: NodesPath,
        /// weight=N, max-sessions=N, max-requests=N; "off" for no limit.
        #[arg(required = true, value_name = "KEY=VALUE")]
        settings: Vec<Setting>,
        /// Even if something stops working without it.
        #[arg(long)]
        force: bool,
        #[command(flatten)]
        ask: ChangeArgs,
    },
    /// Who is on a node: its sessions, those that were seen last first.
    #[command(after_help = "Example: homing sessions app/n1")]
    Sessions {
        /// CLUSTER/NODE
        target: NodePath,
        #[command(flatten)]
        remote: Remote,
    },
    /// End or move one session, by the id that `sessions`, `explain` and the access log show.
    #[command(
        after_help = "Examples: homing session move 5a0f61c2b3d4e5f6 --to n2\n          homing session end 5a0f61c2b3d4e5f6"
    )]
    Session {
        #[command(subcommand)]
        verb: session::SessionVerb,
    },
    /// Print a value that leads to one node whatever its state, as a header or a cookie.
    #[command(
        after_help = "Example: curl -H \"Homing-Bypass: $(homing bypass app/n1 | head -1)\" http://app.example.com/"
    )]
    Bypass {
        /// CLUSTER/NODE
        target: NodePath,
        /// How long it is good for, 24h at most.
        #[arg(long = "for", value_name = "DURATION", default_value = "10m")]
        lasts: Duration,
        #[command(flatten)]
        ask: ChangeArgs,
    },
    /// Apply the conf file as it is now; prints what changed, or why it was refused.
    Reload {
        #[command(flatten)]
        ask: ChangeArgs,
    },
    /// Exit 0 if the proxy is alive: for containers.
    Healthcheck {
        #[command(flatten)]
        remote: Remote,
    },
}

/// Runs the command line; the answer is the exit code: 0 done, 1 refused, 2 usage, 3 deadline passed, 4
/// cannot reach the proxy.
pub fn main() -> i32 {
    let code = match Cli::try_parse() {
        Ok(cli) => run_verb(cli),
        // what was asked for, help and version, is printed as everything else is
        Err(said) if !said.use_stderr() => {
            show::print(&said.render().ansi().to_string());
            said.exit_code()
        }
        Err(wrong) => {
            let _ = wrong.print();
            wrong.exit_code()
        }
    };
    match show::lost() {
        Some(why) if code == 0 => {
            show::complain(&format!("standard output cannot be written: {why}"));
            1
        }
        _ => code,
    }
}

fn run_verb(cli: Cli) -> i32 {
    match cli.verb.unwrap_or(Verb::Run) {
        Verb::Run => run::run(&cli.config),
        Verb::Demo { nodes, port } => demo::run(nodes, port),
        Verb::Check { file, dump, strict, json } => {
            check::check(file.as_deref().unwrap_or(&cli.config), dump, strict, json)
        }
        Verb::Remote(verb) => window::run(|| verb.run(&cli.config)),
        Verb::Token { new: true, .. } => token::fresh(),
        Verb::Token { cluster, .. } => window::run(|| token::token(&cli.config, cluster.as_deref())),
        Verb::Schema => check::schema(),
        Verb::Completions { shell } => shell::completions(Cli::command(), shell),
        Verb::Man { folder } => shell::man(Cli::command(), folder.as_deref()),
    }
}

impl RemoteVerb {
    fn run(self, conf: &Path) -> Result<(), window::VerbFailure> {
        let open = |remote: &Remote| AdminClient::find(remote, conf);
        let change = |ask: &ChangeArgs| AdminClient::find_to_change(ask, conf);
        match self {
            Self::Status { cluster, remote } => {
                status::status(&open(&remote)?, cluster.as_deref(), remote.json)
            }
            Self::Nodes { cluster, remote } => status::nodes(&open(&remote)?, &cluster, remote.json),
            Self::Top { once, remote } => top::top(open(&remote)?, once, remote.json),
            Self::Explain { what, remote } => explain::explain(&open(&remote)?, &what, remote.json),
            Self::Moves { cluster, remote } => {
                explain::moves(&open(&remote)?, cluster.as_deref(), remote.json)
            }
            Self::History { of, remote } => history::history(&open(&remote)?, of.as_ref(), remote.json),
            Self::Drain { target, wait, deadline, then, force, ask } => {
                drain::drain(&change(&ask)?, &target, &Drain { deadline, then, force }, wait, ask.json())
            }
            Self::Enable { target, ask } => {
                operate::switch(&change(&ask)?, &target, Switch::Enable, false, ask.json())
            }
            Self::Accept { target, ask } => operate::accept(&change(&ask)?, &target, ask.json()),
            Self::Disable { target, force, ask } => {
                operate::switch(&change(&ask)?, &target, Switch::Disable, force, ask.json())
            }
            Self::Remove { target, force, ask } => {
                operate::take_out(&change(&ask)?, &target, NodeAction::Remove, force, ask.json())
            }
            Self::Forget { target, force, ask } => {
                operate::take_out(&change(&ask)?, &target, NodeAction::Forget, force, ask.json())
            }
            Self::Set { target, settings, force, ask } => {
                operate::set(&change(&ask)?, &target, &settings, force, ask.json())
            }
            Self::Sessions { target, remote } => operate::sessions(&open(&remote)?, &target, remote.json),
            Self::Session { verb } => session::run(verb, |ask| change(ask)),
            Self::Bypass { target, lasts, ask } => {
                operate::bypass(&change(&ask)?, &target, Some(lasts), ask.json())
            }
            Self::Reload { ask } => reload::reload(&change(&ask)?, ask.json()),
            Self::Healthcheck { remote } => reload::healthcheck(&open(&remote)?, remote.json),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_sound() {
        Cli::command().debug_assert();
    }
}
