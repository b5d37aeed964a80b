//! The text in a pin that no node claims: for whoever has to find out why sessions move.

use super::{Affinity, AffinityMethod, PinRequest};
use crate::wire::cookies;

/// So much of it is shown: a hash in hexadecimal.
const SHOWN: usize = 64;

impl Affinity {
    /// The route that a request names and no node has, fit to be shown. An id of the application's is no part
    /// of it. `name_of`: the name that a sealed pin has the hash of, if it is known.
    pub fn unclaimed<'n>(
        &self,
        request: &PinRequest<'_>,
        name_of: impl Fn(u64) -> Option<&'n str>,
    ) -> Option<Box<str>> {
        self.main.iter().chain(&self.also).find_map(|form| match form {
            AffinityMethod::Cookie(form) => {
                let mut values = cookies::values(request.headers, form.name.as_bytes());
                values.find_map(|value| match form.unclaimed_hash(value) {
                    Some(hash) => name_of(hash).map(Into::into),
                    None => form.unclaimed(value).map(shown),
                })
            }
            AffinityMethod::Route(form) => form.unclaimed(request).map(shown),
            AffinityMethod::Learn(_) | AffinityMethod::Key(_) => None,
        })
    }

    /// Whether a pin that was read there has the node's name under a seal, and no route.
    pub fn seals(&self) -> bool {
        matches!(&self.main, Some(AffinityMethod::Cookie(form)) if form.value.is_sealed())
    }
}

fn shown(text: &[u8]) -> Box<str> {
    let more = if text.len() > SHOWN { "…" } else { "" };
    format!("{}{more}", text[..text.len().min(SHOWN)].escape_ascii()).into()
}
