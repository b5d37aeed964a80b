//! table

pub mod ledger;
