//! What all duties share: feed the machine, carry out its effects in order, wake it at its deadline.

use crate::clock::Clock;
use crate::fatal::Fatal;
use crate::poison::Poison;
use crate::post::{Feed, MAILBOX_INPUTS_MAX};
use crate::supervise::{LifeGuard, last_panic};
use actix::{Actor, AsyncContext, Context, Handler, SpawnHandle};
use ctdb_protocol::machine::{Effects, Machine};
use ctdb_protocol::time::Instant;
use ctdb_protocol::{
    election, event, heartbeat, lvs, membership, monitor, natgw, record, takeover,
};
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Inputs that say "your deadline has come".
pub trait Timeout {
    /// That input.
    fn timeout() -> Self;
}

macro_rules! timeout {
    ($($input:ty),*) => { $(impl Timeout for $input { fn timeout() -> Self { Self::Timeout } })* };
}
timeout!(
    heartbeat::io::Input,
    election::io::Input,
    membership::io::Input,
    takeover::io::Input,
    lvs::io::Input,
    natgw::io::Input,
    monitor::io::Input,
    event::io::Input,
    record::io::Input
);

/// Carries out one machine's effects.
pub trait Carry<M: Machine>: Unpin + 'static {
    /// Carries out one effect; an answer that is known at once is appended to `answers` and fed next.
    fn carry(&mut self, effect: M::Effect, answers: &mut Vec<M::Input>);
}

/// The actor of one machine.
pub struct Duty<M: Machine, C: Carry<M>> {
    name: &'static str,
    machine: M,
    carry: C,
    clock: Clock,
    fatal: Fatal,
    effects: Effects<M::Effect>,
    alarm: Option<(Instant, SpawnHandle)>,
    /// Tells the supervisor when a panic takes this actor down.
    _life: LifeGuard,
}

impl<M, C> Duty<M, C>
where
    M: Machine + Unpin + 'static,
    M::Input: Timeout + Unpin + Send + 'static,
    M::Effect: Unpin + 'static,
    C: Carry<M>,
{
    /// The actor that feeds `machine` and carries out its effects by `carry`.
    pub fn new(
        name: &'static str,
        machine: M,
        carry: C,
        clock: Clock,
        fatal: &Fatal,
        life: LifeGuard,
    ) -> Self {
        let effects = Effects::new();
        Self {
            name,
            machine,
            carry,
            clock,
            fatal: fatal.clone(),
            effects,
            alarm: None,
            _life: life,
        }
    }

    fn feed(&mut self, input: M::Input, ctx: &mut Context<Self>) {
        let mut inputs = vec![input];
        let mut next = 0;
        while next < inputs.len() {
            let input = std::mem::replace(&mut inputs[next], M::Input::timeout());
            next += 1;
            self.step(input);
            for effect in self.effects.drain() {
                self.carry.carry(effect, &mut inputs);
            }
        }
        self.set_alarm(ctx);
    }

    fn step(&mut self, input: M::Input) {
        let (machine, effects, now) = (&mut self.machine, &mut self.effects, self.clock.now());
        let stepped = catch_unwind(AssertUnwindSafe(|| machine.step(now, input, effects)));
        if stepped.is_err() {
            // The machine may be between two states: nothing it says can be believed any more.
            self.fatal
                .end(&format!("{} machine: {}", self.name, last_panic()));
        }
    }

    /// An alarm that rings early does nothing, so only an earlier deadline needs a new one.
    fn set_alarm(&mut self, ctx: &mut Context<Self>) {
        let Some(deadline) = self.machine.deadline() else {
            return;
        };
        if let Some((at, handle)) = self.alarm {
            if at <= deadline {
                return;
            }
            ctx.cancel_future(handle);
        }
        let wait = deadline.since(self.clock.now());
        let handle = ctx.run_later(wait, |this, ctx| {
            this.alarm = None;
            this.feed(M::Input::timeout(), ctx);
        });
        self.alarm = Some((deadline, handle));
    }
}

impl<M, C> Actor for Duty<M, C>
where
    M: Machine + Unpin + 'static,
    M::Input: Timeout + Unpin + Send + 'static,
    M::Effect: Unpin + 'static,
    C: Carry<M>,
{
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        ctx.set_mailbox_capacity(MAILBOX_INPUTS_MAX);
        self.set_alarm(ctx);
    }
}

impl<M, C> Handler<Feed<M::Input>> for Duty<M, C>
where
    M: Machine + Unpin + 'static,
    M::Input: Timeout + Unpin + Send + 'static,
    M::Effect: Unpin + 'static,
    C: Carry<M>,
{
    type Result = ();

    fn handle(&mut self, Feed(input): Feed<M::Input>, ctx: &mut Self::Context) {
        self.feed(input, ctx);
    }
}

/// For tests.
impl<M, C> Handler<Poison> for Duty<M, C>
where
    M: Machine + Unpin + 'static,
    M::Input: Timeout + Unpin + Send + 'static,
    M::Effect: Unpin + 'static,
    C: Carry<M>,
{
    type Result = ();

    fn handle(&mut self, poison: Poison, _: &mut Self::Context) {
        poison.act();
    }
}
