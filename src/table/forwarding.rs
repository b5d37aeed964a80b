//! How the nodes of a cluster learn who asked, fit to be asked with each request.

use crate::config::model::{Forwarded, ForwardedField, ForwardedHow, Strangers};

/// What the conf says of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Forwarding {
    /// A bit for each field that is written.
    fields: u8,
    /// How what is written stands beside what is there.
    pub how: ForwardedHow,
    /// What becomes of what strangers say.
    pub strangers: Strangers,
}

impl Forwarding {
    /// As the conf says.
    pub fn compile(conf: &Forwarded) -> Self {
        let table = conf.table();
        let fields = table.write.iter().fold(0, |fields, field| fields | bit(*field));
        Self { fields, how: table.how, strangers: table.strangers }
    }

    /// Whether this is told.
    pub fn writes(self, field: ForwardedField) -> bool {
        self.fields & bit(field) != 0
    }
}

const fn bit(field: ForwardedField) -> u8 {
    1 << field as u8
}
