//! The keys of sealed pins: made at the first start and kept in the state folder, so that no restart loses a session.

use super::state::{StateDir, is_absent};
use crate::affinity::KeyRing;
use std::fs;

/// The file's name in the state folder.
const FILE: &str = "pin.keys";

/// Reads the ring of the state folder, or makes one there. If it cannot be saved, pins last as long as the process, and a
/// warning says so.
pub fn load_or_make(state: &StateDir) -> Result<KeyRing, String> {
    let path = state.path(FILE);
    match fs::read_to_string(&path) {
        Ok(text) => KeyRing::parse(&text).map_err(|e| format!("{}: {e}; mend it, or remove it to have a new one made", path.display())),
        Err(error) if is_absent(&error) => {
            let ring = KeyRing::generate();
            state.tell(FILE, &state.put(FILE, ring.to_text().as_bytes()));
            Ok(ring)
        }
        Err(error) => Err(format!("{}: {error}", path.display())),
    }
}
