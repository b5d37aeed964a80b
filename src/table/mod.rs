//! table

mod conditions;
pub mod normal_path;
pub mod route;
mod target;
