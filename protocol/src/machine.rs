//! The one contract of all state machines.
//!
//! A machine is fed by [`Machine::step`] and answers only through [`Effects`]. The caller carries out the
//! effects *in order* and before it feeds the machine again; then it asks [`Machine::deadline`] and feeds
//! the machine's timeout input at that time. Feeding it earlier does nothing. A machine never reads a
//! clock, a socket or a file, so the same inputs always give the same effects: a recorded run can be
//! replayed, and the simulator runs the very code that the daemon runs.

use crate::time::Instant;
use alloc::vec::Vec;

/// What a machine wants done, in order.
#[derive(Debug)]
pub struct Effects<E> {
    list: Vec<E>,
}

impl<E> Default for Effects<E> {
    fn default() -> Self {
        Self { list: Vec::new() }
    }
}

impl<E> Effects<E> {
    /// An empty list.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds an effect after those already there.
    pub fn push(&mut self, effect: E) {
        self.list.push(effect);
    }

    /// Takes all effects out.
    pub fn drain(&mut self) -> alloc::vec::Drain<'_, E> {
        self.list.drain(..)
    }

    /// The effects not yet carried out.
    pub fn as_slice(&self) -> &[E] {
        &self.list
    }

    /// Whether there is nothing to do.
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }
}

/// A pure state machine.
pub trait Machine {
    /// Everything that can happen to it.
    type Input;
    /// Everything it can ask for.
    type Effect;

    /// Feeds one input at `now`, which never goes back.
    fn step(&mut self, now: Instant, input: Self::Input, effects: &mut Effects<Self::Effect>);

    /// When it wants its timeout input next.
    fn deadline(&self) -> Option<Instant>;
}
