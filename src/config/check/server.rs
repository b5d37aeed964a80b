//! `[server]`.

use super::Checker;

pub fn check(c: &mut Checker<'_>) {
    let server = &c.config.server;
    c.not_yet("server.admin");
    c.not_yet("server.announce");
    c.not_zero("server", "max-connections", server.max_connections == 0, "write how many clients may be connected at one time");
    c.not_zero("server", "max-sessions", server.max_sessions == 0, "write how many sessions are remembered at most");
    if server.state_dir.trim().is_empty() {
        c.error("server.state-dir", "`state-dir` is empty", "name a folder, as in \"state\"");
    }
    if server.access_log.to.trim().is_empty() {
        c.error("server.access-log.to", "the access log has nowhere to go", "write \"stdout\", \"off\" or a file name");
    }
    let parent = c.folder.join(&server.access_log.to);
    let to_file = !matches!(server.access_log.to.as_str(), "" | "stdout" | "off");
    if to_file && parent.parent().is_some_and(|folder| !folder.is_dir()) {
        c.error("server.access-log.to", "the folder for the access log does not exist", "make the folder, or write \"stdout\"");
    }
    if to_file && parent.is_dir() {
        c.error("server.access-log.to", "the access log is to be a file, and this is a folder", "add a file name behind it");
    }
}
