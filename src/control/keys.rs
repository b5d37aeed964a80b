//! The keys of sealed pins: made at the first start and kept in the state folder, so that no restart loses a
//! session.

use super::error::Error;
use super::state::{StateDir, is_absent};
use crate::affinity::KeyRing;
use std::fs;

/// The file's name in the state folder.
const FILE: &str = "pin.keys";

/// Reads the ring of the state folder, or makes one there. If it cannot be saved, pins last as long as the
/// process, and a warning says so.
pub fn load_or_make(state: &StateDir) -> Result<KeyRing, Error> {
    let file = state.path(FILE);
    match fs::read_to_string(&file) {
        Ok(text) => KeyRing::parse(&text).map_err(|source| Error::Keys { file, source }),
        Err(error) if is_absent(&error) => {
            let ring = KeyRing::generate();
            state.note_outcome(FILE, &state.put(FILE, ring.to_text().as_bytes()));
            Ok(ring)
        }
        Err(source) => Err(Error::File { file, source }),
    }
}
