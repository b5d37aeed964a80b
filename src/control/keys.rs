//! The keys of sealed pins: made at the first start and kept in the state folder, so that no restart loses a session.

use crate::affinity::KeyRing;
use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

/// The file's name in the state folder.
const FILE: &str = "pin.keys";

/// Reads the ring of the state folder, or makes one there. A folder that cannot be written is no reason not to serve: pins then
/// last as long as the process, and a warning says so.
pub fn load_or_make(folder: &Path) -> Result<KeyRing, String> {
    let path = folder.join(FILE);
    match fs::read_to_string(&path) {
        Ok(text) => KeyRing::parse(&text).map_err(|e| format!("{}: {e}; mend it, or remove it to have a new one made", path.display())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let ring = KeyRing::generate();
            if let Err(error) = save(folder, &path, &ring) {
                tracing::warn!(
                    "{}: {error}; pins will not outlive this process: make the folder writable, or set server.state-dir",
                    path.display()
                );
            }
            Ok(ring)
        }
        Err(error) => Err(format!("{}: {error}", path.display())),
    }
}

fn save(folder: &Path, path: &Path, ring: &KeyRing) -> io::Result<()> {
    fs::create_dir_all(folder)?;
    let part = path.with_extension("new");
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&part)?;
    file.write_all(ring.to_text().as_bytes())?;
    file.sync_all()?;
    fs::rename(part, path)
}
