//! Components with nothing to make ready: some only follow the table, some only have to be closed.

use super::component::{Component, Ending, Next, PrepareError};
use super::grace::Grace;
use crate::table::Table;
use std::sync::Arc;

/// Does something with each table.
pub struct EachTable<F>(pub F);

impl<F: FnMut(&Table)> Component for EachTable<F> {
    type Plan = ();

    fn prepare(&self, _: Next<'_>) -> Result<(), PrepareError> {
        Ok(())
    }

    fn commit(&mut self, (): (), table: &Arc<Table>) -> Option<String> {
        (self.0)(table);
        None
    }
}

/// Saves something.
pub struct Saving<F>(pub F);

impl<F: FnMut() -> bool> Component for Saving<F> {
    type Plan = ();

    fn prepare(&self, _: Next<'_>) -> Result<(), PrepareError> {
        Ok(())
    }

    fn commit(&mut self, (): (), _: &Arc<Table>) -> Option<String> {
        None
    }

    fn save(&mut self) -> bool {
        (self.0)()
    }
}

/// Does something at the end.
pub struct Closing<F>(pub F);

impl<F: AsyncFnMut()> Component for Closing<F> {
    type Plan = ();

    fn prepare(&self, _: Next<'_>) -> Result<(), PrepareError> {
        Ok(())
    }

    fn commit(&mut self, (): (), _: &Arc<Table>) -> Option<String> {
        None
    }

    fn stop<'a>(&'a mut self, _: &'a mut Grace) -> Ending<'a> {
        Box::pin((self.0)())
    }
}
