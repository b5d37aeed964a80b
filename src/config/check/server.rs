//! `[server]`.

use super::super::address::Bind;
use super::super::source::Part;
use super::Checker;

pub fn check(c: &mut Checker<'_>) {
    let server = &c.config.server;
    admin(c);
    announce(c);
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

fn admin(c: &mut Checker<'_>) {
    let server = &c.config.server;
    if let Some(name) = &server.admin_token_file {
        c.token("server.admin-token-file", name);
    }
    let Some(text) = &server.admin else {
        if server.admin_token_file.is_some() {
            c.error_key(
                "server.admin-token-file",
                "`admin-token-file` has no effect without `admin`",
                "add admin = \"127.0.0.1:9900\", or remove the line",
            );
        }
        return;
    };
    let bind = match text.parse::<Bind>() {
        Ok(bind) => bind,
        Err(text) => return c.refuse("server.admin", &text),
    };
    if !bind.is_local() && server.admin_token_file.is_none() {
        c.error(
            "server.admin",
            format!("{bind} is open to other machines, and no token guards it"),
            "add admin-token-file = \"admin.token\", or write \"127.0.0.1:9900\" or \"unix:admin.sock\"",
        );
    }
    listened_on(c, "server.admin", &bind);
}

fn announce(c: &mut Checker<'_>) {
    let Some(text) = &c.config.server.announce else { return };
    let bind = match text.parse::<Bind>() {
        Ok(bind) => bind,
        Err(text) => return c.refuse("server.announce", &text),
    };
    // made at the start where it is missing
    c.reference(&c.config.server.join_token());
    listened_on(c, "server.announce", &bind);
    let same = |admin: &String| admin.parse::<Bind>().is_ok_and(|admin| admin == bind);
    if c.config.server.admin.as_ref().is_some_and(same) && is_fixed(&bind) {
        c.error("server.announce", format!("{bind} is `admin` already"), "give one of the two another port");
    }
}

fn is_fixed(bind: &Bind) -> bool {
    !matches!(bind, Bind::Tcp { port: 0, .. })
}

fn listened_on(c: &mut Checker<'_>, at: &str, bind: &Bind) {
    let shared = |(_, listener): &(&String, &super::super::model::Listener)| {
        listener.bind.as_slice().iter().any(|other| other.parse::<Bind>().is_ok_and(|other| other == *bind))
    };
    if let Some((name, _)) = c.config.listener.iter().find(shared).filter(|_| is_fixed(bind)) {
        let place = c.spans.place(&format!("listener.{name}.bind"), Part::Value);
        let place = place.map(|p| format!(" ({}:{})", p.path.display(), p.line)).unwrap_or_default();
        c.error(at, format!("{bind} is already listened on by listener {name}{place}"), "give one of the two another port");
    }
}
