//! `server.admin`: where operators look, and who may what.

use super::super::address::Address;
use super::super::model::Admin;
use super::super::source::join;
use super::checker::{Checker, nth};
use super::listener;
use super::server::{clear_text, listened_on};

const AT: &str = "server.admin";
const TOKEN: &str = "server.admin-token-file";

pub fn check(c: &mut Checker<'_>) {
    let server = &c.config.server;
    if let Some(name) = &server.admin_token_file {
        c.token(TOKEN, name);
    }
    let Some(conf) = &server.admin else {
        if server.admin_token_file.is_some() {
            c.error_key(
                TOKEN,
                "`admin-token-file` has no effect without `admin`",
                "add admin = \"127.0.0.1:9900\", or remove the line",
            );
        }
        return;
    };
    if let Some(tls) = conf.tls() {
        listener::encryption(c, &join(AT, "tls"), tls);
    }
    tokens(c, conf);
    binds(c, conf);
}

fn tokens(c: &mut Checker<'_>, conf: &Admin) {
    for (name, token) in conf.tokens() {
        let at = format!("{AT}.tokens.{name}");
        c.name(&at, "token", name);
        if token.file.is_empty() {
            let help = format!(
                "add file = \"{name}.token\", and make it: (umask 077; homing token --new > {name}.token)"
            );
            c.error(&at, format!("the token `{name}` names no file"), help);
            continue;
        }
        c.token(&join(&at, "file"), &token.file);
        if name == "admin" && c.config.server.admin_token_file.is_some() {
            let help = "give one of the two another name, or remove one";
            c.error_key(&at, "`admin` is the name of the token in `admin-token-file`", help);
        }
    }
}

fn binds(c: &mut Checker<'_>, conf: &Admin) {
    let at = if c.given(AT, "bind") { join(AT, "bind") } else { AT.into() };
    if conf.binds().is_empty() {
        c.error(&at, "`server.admin` has no address to listen on", "add bind = \"127.0.0.1:9900\"");
    }
    let guarded = c.config.server.admin_token_file.is_some() || conf.tokens().next().is_some();
    let mut all: Vec<Address> = Vec::new();
    for (n, text) in conf.binds().iter().enumerate() {
        let at = nth(c.spans, &at, n);
        let bind = match text.parse::<Address>() {
            Ok(bind) => bind,
            Err(text) => {
                c.refuse(&at, &text);
                continue;
            }
        };
        if !bind.is_local() && !guarded && !conf.wants_certificate() {
            c.error(
                &at,
                format!("{bind} is open to other machines, and no token guards it"),
                "add admin-token-file = \"admin.token\", or write \"127.0.0.1:9900\" or \"unix:admin.sock\"",
            );
        } else if !bind.is_local() && conf.tls().is_none() {
            clear_text(c, &at, &bind, "admin");
        }
        if all.contains(&bind) && !bind.is_any_port() {
            c.error(&at, format!("{bind} stands twice in the list"), "remove one of the two");
        }
        listened_on(c, &at, &bind);
        all.push(bind);
    }
    if conf.tls().is_some() && !all.is_empty() && all.iter().all(|bind| matches!(bind, Address::Unix(_))) {
        c.warn(
            &join(AT, "tls"),
            "TLS has no effect: a Unix socket is in clear text",
            "add an address, as in bind = [\"0.0.0.0:9900\", \"unix:admin.sock\"], or remove the line",
        );
    }
}
