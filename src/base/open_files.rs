//! How many files this process may have open.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// So many once `raise` was called.
pub fn most() -> u64 {
    getrlimit(Resource::Nofile).maximum.unwrap_or(u64::MAX)
}

/// Takes all that the administrator allows: the lower limit is for programs that cannot count beyond 1024. So
/// many there are then.
pub fn raise() -> u64 {
    let limit = getrlimit(Resource::Nofile);
    // what cannot be raised stays as it is, and is told by the answer
    let _ = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum });
    getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX)
}
