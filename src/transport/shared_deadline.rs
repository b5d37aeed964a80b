//! A deadline that the timer of a whole connection keeps, so that its exchanges need none of their own.

use crate::base::clock;
use std::cell::Cell;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};
use tokio::time::Sleep;

/// A deadline that somebody else looks after.
#[derive(Debug, Default)]
pub struct SharedDeadline {
    by: Cell<Option<Instant>>,
    rung: Cell<bool>,
}

impl SharedDeadline {
    /// When it is to ring.
    pub fn by(&self) -> Option<Instant> {
        self.by.get()
    }

    /// Rings if it is time to: whoever set it is to be polled then.
    pub fn ring(&self, now: Instant) -> bool {
        let rings = self.by.get().is_some_and(|by| by <= now);
        if rings {
            self.by.set(None);
            self.rung.set(true);
        }
        rings
    }

    fn set(&self, by: Option<Instant>) {
        self.by.set(by);
        self.rung.set(false);
    }
}

/// How long something is waited for.
pub struct Timeout<'a> {
    limit: Duration,
    keeper: Keeper<'a>,
}

enum Keeper<'a> {
    Alarm(&'a SharedDeadline),
    Timer(Pin<Box<Sleep>>),
}

impl<'a> Timeout<'a> {
    /// So long from now on. Without an alarm it has a timer of its own.
    pub fn new(alarm: Option<&'a SharedDeadline>, now: Instant, limit: Duration) -> Self {
        let by = now + limit;
        let keeper = match alarm {
            Some(alarm) => {
                alarm.set(Some(by));
                Keeper::Alarm(alarm)
            }
            None => Keeper::Timer(Box::pin(tokio::time::sleep_until(by.into()))),
        };
        Self { limit, keeper }
    }

    /// Something happened: the waiting begins anew.
    pub fn renew(&mut self) {
        let by = clock::instant() + self.limit;
        match &mut self.keeper {
            Keeper::Alarm(alarm) => alarm.set(Some(by)),
            Keeper::Timer(timer) => timer.as_mut().reset(by.into()),
        }
    }

    /// Whether it is at its end.
    pub fn is_over(&mut self, cx: &mut Context<'_>) -> bool {
        match &mut self.keeper {
            Keeper::Alarm(alarm) => alarm.rung.get(),
            Keeper::Timer(timer) => matches!(timer.as_mut().poll(cx), Poll::Ready(())),
        }
    }
}

impl Drop for Timeout<'_> {
    fn drop(&mut self) {
        if let Keeper::Alarm(alarm) = &self.keeper {
            alarm.set(None);
        }
    }
}
