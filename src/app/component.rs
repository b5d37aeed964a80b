//! What the proxy is made of: components that are made ready for what is to be in force, put in force, and
//! ended. Start, reload and changes at run time go through the same loop; a start is a reload from nothing.

use super::grace::Grace;
use crate::config::files::NamedFiles;
use crate::listen::ListenError;
use crate::listen::tls::CertStore;
use crate::serve::ControlError;
use crate::table::Table;
use crate::upstream::own_addresses::OwnAddress;
use std::error::Error;
use std::fmt;
use std::future::{Future, ready};
use std::io;
use std::pin::Pin;
use std::sync::Arc;

/// What is to be in force.
#[derive(Clone, Copy)]
pub struct Next<'a> {
    /// The table.
    pub table: &'a Table,
    /// The files that its conf names.
    pub files: &'a NamedFiles,
}

/// Why a component cannot be made ready.
#[derive(Debug)]
pub enum PrepareError {
    /// Where clients come to.
    Listen(ListenError),
    /// Where operators and nodes do.
    Control(ControlError),
    /// Where the access log is to go.
    AccessLog {
        /// As the conf says.
        to: String,
        /// Why it cannot.
        why: io::Error,
    },
}

impl From<ListenError> for PrepareError {
    fn from(why: ListenError) -> Self {
        Self::Listen(why)
    }
}

impl From<ControlError> for PrepareError {
    fn from(why: ControlError) -> Self {
        Self::Control(why)
    }
}

impl fmt::Display for PrepareError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Listen(why) => why.fmt(out),
            Self::Control(why) => why.fmt(out),
            Self::AccessLog { to, why } => write!(out, "access log {to}: {why}"),
        }
    }
}

impl Error for PrepareError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Listen(why) => Some(why),
            Self::Control(why) => Some(why),
            Self::AccessLog { why, .. } => Some(why),
        }
    }
}

/// The certificates that listeners show, by their names.
pub type ShownCerts = Vec<(String, Arc<CertStore>)>;

/// The end of a component.
pub type Ending<'a> = Pin<Box<dyn Future<Output = ()> + 'a>>;

/// A part of the proxy that goes by the table.
pub trait Component {
    /// What was made ready and is not in force. Dropped, it is undone: what it bound is closed.
    type Plan;

    /// Makes ready what is not there yet. A failure changes nothing.
    fn prepare(&self, next: Next<'_>) -> Result<Self::Plan, PrepareError>;

    /// Where this process will listen by it once the plan is in force.
    fn doors(&self, _: &Self::Plan) -> Vec<OwnAddress> {
        Vec::new()
    }

    /// Puts the plan in force, after the table. Returns what was opened by it, in words.
    fn commit(&mut self, plan: Self::Plan, table: &Arc<Table>) -> Option<String>;

    /// The certificates that it shows.
    fn certificates(&self) -> ShownCerts {
        Vec::new()
    }

    /// Lets nobody in any more: when this is through its addresses are free, for another process too.
    fn leave<'a>(&'a mut self, _: &'a mut Grace) -> Ending<'a> {
        Box::pin(ready(()))
    }

    /// Saves what the next process is to know: from here on nothing of it is written that others write too.
    /// False if the disk does not take it.
    fn save(&mut self) -> bool {
        true
    }

    /// Ends it. What has nothing to finish ends with the process.
    fn stop<'a>(&'a mut self, _: &'a mut Grace) -> Ending<'a> {
        Box::pin(ready(()))
    }
}

/// A component, and what was prepared of it.
struct Slot<C: Component> {
    component: C,
    plan: Option<C::Plan>,
}

/// A slot, whatever is in it.
trait AnySlot {
    fn prepare(&mut self, next: Next<'_>) -> Result<Vec<OwnAddress>, PrepareError>;
    fn undo(&mut self);
    fn commit(&mut self, table: &Arc<Table>) -> Option<String>;
    fn certificates(&self) -> ShownCerts;
    fn leave<'a>(&'a mut self, grace: &'a mut Grace) -> Ending<'a>;
    fn save(&mut self) -> bool;
    fn stop<'a>(&'a mut self, grace: &'a mut Grace) -> Ending<'a>;
}

impl<C: Component> AnySlot for Slot<C> {
    fn prepare(&mut self, next: Next<'_>) -> Result<Vec<OwnAddress>, PrepareError> {
        let plan = self.component.prepare(next)?;
        let doors = self.component.doors(&plan);
        self.plan = Some(plan);
        Ok(doors)
    }

    fn undo(&mut self) {
        self.plan = None;
    }

    fn commit(&mut self, table: &Arc<Table>) -> Option<String> {
        self.plan.take().and_then(|plan| self.component.commit(plan, table))
    }

    fn certificates(&self) -> ShownCerts {
        self.component.certificates()
    }

    fn leave<'a>(&'a mut self, grace: &'a mut Grace) -> Ending<'a> {
        self.component.leave(grace)
    }

    fn save(&mut self) -> bool {
        self.component.save()
    }

    fn stop<'a>(&'a mut self, grace: &'a mut Grace) -> Ending<'a> {
        self.component.stop(grace)
    }
}

/// All components, each after those that it needs.
#[derive(Default)]
pub struct Components(Vec<Box<dyn AnySlot>>);

impl Components {
    /// With one more, which needs none but those that are there.
    pub fn with(mut self, component: impl Component + 'static) -> Self {
        self.0.push(Box::new(Slot { component, plan: None }));
        self
    }

    /// Makes all of them ready. When one cannot be, what was prepared of the others is undone. Returns where
    /// this process will listen.
    pub fn prepare(&mut self, next: Next<'_>) -> Result<Vec<OwnAddress>, PrepareError> {
        let doors: Result<Vec<_>, _> = self.0.iter_mut().map(|slot| slot.prepare(next)).collect();
        if doors.is_err() {
            self.0.iter_mut().for_each(|slot| slot.undo());
        }
        doors.map(|doors| doors.concat())
    }

    /// Puts in force what was prepared, after the table. Returns what was opened, in words.
    pub fn commit(&mut self, table: &Arc<Table>) -> Vec<String> {
        self.0.iter_mut().filter_map(|slot| slot.commit(table)).collect()
    }

    /// The certificates that they show.
    pub fn certificates(&self) -> ShownCerts {
        self.0.iter().flat_map(|slot| slot.certificates()).collect()
    }

    /// Lets nobody in any more.
    pub async fn leave(&mut self, grace: &mut Grace) {
        for slot in &mut self.0 {
            slot.leave(grace).await;
        }
    }

    /// Saves what the next process is to know, of each before those that it needs. False if the disk does not
    /// take all of it.
    pub fn save(&mut self) -> bool {
        let saved: Vec<bool> = self.0.iter_mut().rev().map(|slot| slot.save()).collect();
        saved.into_iter().all(|saved| saved)
    }

    /// Ends all of them, each before those that it needs.
    pub async fn stop(&mut self, grace: &mut Grace) {
        for slot in self.0.iter_mut().rev() {
            slot.stop(grace).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::signals::Signals;
    use super::*;
    use crate::listen::{Address, ListenFault};
    use std::cell::RefCell;
    use std::rc::Rc;
    use std::time::Duration;

    type Notes = Rc<RefCell<Vec<String>>>;

    /// Notes what becomes of it. It may be one that cannot be made ready.
    struct NotedComponent(&'static str, Notes, bool);

    /// What it prepared: says so when that is undone.
    struct NotedPlan(Option<(&'static str, Notes)>);

    impl Drop for NotedPlan {
        fn drop(&mut self) {
            if let Some((name, notes)) = self.0.take() {
                notes.borrow_mut().push(format!("{name} undone"));
            }
        }
    }

    impl Component for NotedComponent {
        type Plan = NotedPlan;

        fn prepare(&self, _: Next<'_>) -> Result<NotedPlan, PrepareError> {
            self.1.borrow_mut().push(format!("{} prepared", self.0));
            let why = || ListenFault::Address("nowhere".parse::<Address>().unwrap_err());
            match self.2 {
                true => Err(ListenError { listener: self.0.to_owned(), why: why() }.into()),
                false => Ok(NotedPlan(Some((self.0, self.1.clone())))),
            }
        }

        fn commit(&mut self, mut plan: NotedPlan, _: &Arc<Table>) -> Option<String> {
            plan.0 = None;
            self.1.borrow_mut().push(format!("{} in force", self.0));
            Some(format!("{} is open", self.0))
        }

        fn leave<'a>(&'a mut self, _: &'a mut Grace) -> Ending<'a> {
            Box::pin(async move { self.1.borrow_mut().push(format!("{} left", self.0)) })
        }

        fn save(&mut self) -> bool {
            self.1.borrow_mut().push(format!("{} saved", self.0));
            !self.2
        }

        fn stop<'a>(&'a mut self, _: &'a mut Grace) -> Ending<'a> {
            Box::pin(async move { self.1.borrow_mut().push(format!("{} ended", self.0)) })
        }
    }

    fn table() -> Arc<Table> {
        Arc::new(Table::nothing())
    }

    #[tokio::test]
    async fn they_begin_in_order_and_end_in_the_reverse() {
        let (notes, table, files) = (Notes::default(), table(), NamedFiles::default());
        let noted = |name| NotedComponent(name, notes.clone(), false);
        let mut all = Components::default().with(noted("a")).with(noted("b"));
        all.prepare(Next { table: &table, files: &files }).unwrap();
        assert_eq!(all.commit(&table), ["a is open", "b is open"]);
        assert!(all.commit(&table).is_empty(), "nothing is prepared any more");
        assert_eq!(notes.take(), ["a prepared", "b prepared", "a in force", "b in force"]);
        let mut grace = Grace::new(Duration::ZERO, Signals::install().unwrap().end);
        all.leave(&mut grace).await;
        assert!(all.save());
        all.stop(&mut grace).await;
        assert_eq!(notes.take(), ["a left", "b left", "b saved", "a saved", "b ended", "a ended"]);
    }

    #[test]
    fn all_are_saved_though_one_cannot_be() {
        let notes = Notes::default();
        let noted = |name, fails| NotedComponent(name, notes.clone(), fails);
        let mut all = Components::default().with(noted("a", false)).with(noted("b", true));
        assert!(!all.save());
        assert_eq!(notes.take(), ["b saved", "a saved"]);
    }

    #[test]
    fn when_one_cannot_be_made_ready_nothing_is() {
        let (notes, table, files) = (Notes::default(), table(), NamedFiles::default());
        let noted = |name, fails| NotedComponent(name, notes.clone(), fails);
        let mut all =
            Components::default().with(noted("a", false)).with(noted("b", true)).with(noted("c", false));
        let why = all.prepare(Next { table: &table, files: &files }).unwrap_err().to_string();
        assert!(why.starts_with("b: "), "{why}");
        assert_eq!(notes.take(), ["a prepared", "b prepared", "a undone"]);
        assert!(all.commit(&table).is_empty());
    }
}
