//! The text in a pin that no node claims: for whoever has to find out why sessions move.

use super::{Affinity, Form, Incoming};
use crate::wire::cookies;

/// So much of it is shown: a hash in hexadecimal.
const SHOWN: usize = 64;

impl Affinity {
    /// The route that a request names and no node has, fit to be shown. An id of the application's is no part of it.
    pub fn unclaimed(&self, request: &Incoming<'_>) -> Option<Box<str>> {
        self.main.iter().chain(&self.also).find_map(|form| match form {
            Form::Cookie(form) => {
                let mut values = cookies::values(request.headers, form.name.as_bytes());
                values.find_map(|value| form.unclaimed(value)).map(shown)
            }
            Form::Route(form) => form.unclaimed(request).map(shown),
            Form::Learn(_) | Form::Key(_) => None,
        })
    }
}

fn shown(text: &[u8]) -> Box<str> {
    let more = if text.len() > SHOWN { "…" } else { "" };
    format!("{}{more}", text[..text.len().min(SHOWN)].escape_ascii()).into()
}
