//! The conf file: from text to checked data.

pub mod model;
