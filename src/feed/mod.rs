//! What the network and the disk tell: health checks, heartbeats, names, files. Everything here runs on the
//! control plane's thread and writes into the live cells of the table; nothing here is on the way of a
//! request.

pub mod agents;
pub mod announce;
pub mod files;
pub mod fingerprint;
pub mod health;
pub mod heartbeat_sink;
pub mod housekeeping;
pub mod mod_heartbeat;
mod mounts;
pub mod names;
mod place;
#[cfg(test)]
mod placement_tests;
pub mod probe;
mod refused;
mod spots;
mod tasks;
pub mod watch;
pub mod writes;

pub use agents::Agents;
pub use announce::Announce;
pub use files::FileWatcher;
pub use health::Checks;
pub use heartbeat_sink::HeartbeatSink;
pub use housekeeping::Housekeeping;
pub use mod_heartbeat::ModHeartbeat;
pub use names::Resolver;
