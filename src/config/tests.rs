//! Tests of the whole way from text to data.

use super::*;
