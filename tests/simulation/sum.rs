//! What happened in all worlds, so that an empty one is seen.

/// How often it did.
#[derive(Debug, Default)]
pub struct Sum {
    pub requests: u64,
    pub refused: u64,
    pub failed: u64,
    pub restarts: u64,
    pub replays: u64,
    pub edits: u64,
    pub reloads: u64,
}

impl Sum {
    /// What happened elsewhere is added.
    pub fn add(&mut self, other: &Self) {
        let Self { requests, refused, failed, restarts, replays, edits, reloads } = other;
        self.requests += requests;
        self.refused += refused;
        self.failed += failed;
        self.restarts += restarts;
        self.replays += replays;
        self.edits += edits;
        self.reloads += reloads;
    }

    /// Enough of everything happened.
    pub fn is_rich(&self, worlds: u64) {
        assert!(
            self.requests > worlds * 25
                && self.failed > worlds / 2
                && self.edits > worlds
                && self.reloads > worlds,
            "{self:?}"
        );
        assert!(
            self.restarts > worlds / 4 && self.replays > worlds / 4 && self.refused > worlds / 10,
            "{self:?}"
        );
    }
}
