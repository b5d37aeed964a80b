//! What the network and the disk tell: health checks, heartbeats, names, files. Everything here runs on the control plane's thread and
//! writes into the live cells of the table; nothing here is on the way of a request.

pub mod agents;
pub mod announce;
pub mod beats;
pub mod files;
pub mod fingerprint;
pub mod health;
pub mod mod_heartbeat;
pub mod names;
mod place;
#[cfg(test)]
mod placement;
pub mod probe;
pub mod pulse;
mod refused;
mod tasks;
pub mod watch;
pub mod writes;

pub use agents::Agents;
pub use announce::Announce;
pub use beats::HeartbeatSink;
pub use files::FileWatcher;
pub use health::Checks;
pub use mod_heartbeat::ModHeartbeat;
pub use names::Resolver;
pub use pulse::Housekeeping;
