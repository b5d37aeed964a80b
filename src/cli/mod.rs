//! The command line: one thin file a verb.

pub mod check;
pub mod demo;
pub mod run;

use clap::{Parser, Subcommand};
use std::path::PathBuf;

/// A sticky-session reverse proxy: every session stays on its node, the conf file is live.
#[derive(Parser)]
#[command(name = "homing", version, about, arg_required_else_help = false)]
struct Cli {
    #[command(subcommand)]
    verb: Option<Verb>,
    /// The conf file.
    #[arg(long, short, global = true, default_value = "conf/homing.toml", value_name = "FILE")]
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
    /// Everything a reload would refuse, and what to look at; exit 0 or 1.
    #[command(after_help = "Example: homing check conf/homing.toml --dump")]
    Check {
        /// The conf file, if not --config.
        file: Option<PathBuf>,
        /// Print the effective file, defaults filled in.
        #[arg(long)]
        dump: bool,
    },
    /// The JSON Schema of the conf file, for editors.
    Schema,
}

/// Runs the command line; the answer is the exit code: 0 done, 1 refused, 2 usage.
pub fn main() -> i32 {
    let cli = Cli::parse();
    match cli.verb.unwrap_or(Verb::Run) {
        Verb::Run => run::run(&cli.config),
        Verb::Demo { nodes, port } => demo::run(nodes, port),
        Verb::Check { file, dump } => check::check(file.as_deref().unwrap_or(&cli.config), dump),
        Verb::Schema => check::schema(),
    }
}
