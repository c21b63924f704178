//! The actor of one shard: feeds the record machine, carries out its effects in order, wakes it at its
//! deadline, and serves walks and waiting operations in between.

use super::alarm::{self, Alarm};
use super::opening::Opening;
use super::shell::Shell;
pub use super::shell::Wiring;
use super::store::Store;
use crate::clock::Clock;
use crate::fatal::Fatal;
use crate::poison::Poison;
use crate::post::{Feed, MAILBOX_INPUTS_MAX};
use crate::realtime;
use crate::supervise::last_panic;
use actix::fut::ActorFutureExt;
use actix::prelude::{SendError, WrapFuture};
use actix::{Actor, AsyncContext, Context, Handler, Message};
use ctdb_protocol::machine::{Effects, Machine};
use ctdb_protocol::record::io::{Effect, Input};
use ctdb_protocol::time::Instant;
use ctdb_tdb::{ChainWaiter, Turn};
use std::collections::VecDeque;
use std::mem;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// The actor of one shard. Its death ends the worker: the directory would be lost.
pub struct Records<M> {
    machine: M,
    pub(super) shell: Shell,
    pub(super) opening: Opening,
    clock: Clock,
    fatal: Fatal,
    effects: Effects<Effect>,
    inputs: VecDeque<Input>,
    /// There once the actor runs.
    alarm: Option<Alarm>,
    acts_soon: bool,
    slicing: bool,
}

impl<M> Records<M>
where
    M: Machine<Input = Input, Effect = Effect> + Unpin + 'static,
{
    /// The actor that keeps `store` by the rules of `machine`. To be started on the thread that is to
    /// do the work, in whose post slot its address then belongs.
    pub fn new(machine: M, store: Store, wiring: Wiring, clock: Clock, fatal: &Fatal) -> Self {
        Self {
            machine,
            shell: Shell::new(store, wiring, clock),
            opening: Opening::default(),
            clock,
            fatal: fatal.clone(),
            effects: Effects::new(),
            inputs: VecDeque::new(),
            alarm: None,
            acts_soon: false,
            slicing: false,
        }
    }

    /// Lets `work` use the shell; then feeds the machine what came of it.
    pub(super) fn with_shell<R>(
        &mut self,
        ctx: &mut Context<Self>,
        work: impl FnOnce(&mut Shell, &mut VecDeque<Input>) -> R,
    ) -> R {
        let answer = work(&mut self.shell, &mut self.inputs);
        self.run(ctx);
        answer
    }

    fn run(&mut self, ctx: &mut Context<Self>) {
        let mut effects = mem::take(&mut self.effects);
        while let Some(input) = self.inputs.pop_front() {
            self.step(input, &mut effects);
            for effect in effects.drain() {
                self.shell.carry(effect, &mut self.inputs);
            }
        }
        self.effects = effects;
        for (name, kind) in mem::take(&mut self.shell.wanted) {
            self.open_wanted(name, kind, 0, ctx);
        }
        self.set_alarm(ctx);
        self.set_slice(ctx);
    }

    fn step(&mut self, input: Input, effects: &mut Effects<Effect>) {
        let (machine, now) = (&mut self.machine, self.clock.now());
        let stepped = catch_unwind(AssertUnwindSafe(|| machine.step(now, input, effects)));
        if stepped.is_err() {
            // The machine may be between two states: nothing it says can be believed any more.
            self.fatal.end(&format!("record machine: {}", last_panic()));
        }
    }

    /// For the machine's deadline or the next try of an operation that waits, whichever is earlier.
    fn set_alarm(&mut self, ctx: &mut Context<Self>) {
        let deadlines = [self.machine.deadline(), self.shell.chains.next_try()];
        let (Some(at), Some(alarm)) = (deadlines.into_iter().flatten().min(), &mut self.alarm)
        else {
            return;
        };
        let now = self.clock.now();
        if at <= now {
            return self.act_soon(ctx);
        }
        match alarm.set(at, now) {
            Ok(None) => {}
            Ok(Some(watched)) => {
                let ring = alarm::ring(watched).into_actor(self);
                ctx.spawn(ring.map(|watched, this, ctx| {
                    if let Some(alarm) = &mut this.alarm {
                        alarm.rang(watched);
                    }
                    this.act_in_time(ctx);
                }));
            }
            Err(error) => self.fatal.end(&format!("records: no timer: {error}")),
        }
    }

    /// For what is due already: when all that is ready by then had its turn. Nobody sleeps for that: on a machine that is
    /// busy the processor would come back after milliseconds only.
    fn act_soon(&mut self, ctx: &mut Context<Self>) {
        if !mem::replace(&mut self.acts_soon, true) {
            let turn = tokio::task::yield_now().into_actor(self);
            ctx.spawn(turn.map(|(), this, ctx| {
                this.acts_soon = false;
                this.act_in_time(ctx);
            }));
        }
    }

    /// Does what the time has come for.
    fn act_in_time(&mut self, ctx: &mut Context<Self>) {
        let now = self.clock.now();
        let is_due = |at: Option<Instant>| at.is_some_and(|at| at <= now);
        let deadline = self.machine.deadline();
        self.with_shell(ctx, |shell, inputs| {
            if is_due(shell.chains.next_try()) {
                shell.retry(inputs);
            }
            if is_due(deadline) {
                inputs.push_back(Input::Timeout);
            }
        });
    }

    /// Plans the next slice of the walks. It runs when all that is ready by then had its turn.
    fn set_slice(&mut self, ctx: &mut Context<Self>) {
        if !self.slicing && !self.shell.walks.is_empty() {
            self.slicing = true;
            self.slice_later(ctx);
        }
    }

    fn slice_later(&mut self, ctx: &mut Context<Self>) {
        let turn = tokio::task::yield_now().into_actor(self);
        ctx.spawn(turn.map(|(), this, ctx| {
            let pause = this.with_shell(ctx, Shell::slice);
            match pause {
                Some(pause) if pause.is_zero() => this.slice_later(ctx),
                Some(pause) => drop(ctx.run_later(pause, Self::slice_later)),
                None => this.slicing = false,
            }
            // What the machine asked for in the last slice.
            this.set_slice(ctx);
        }));
    }
}

impl<M> Actor for Records<M>
where
    M: Machine<Input = Input, Effect = Effect> + Unpin + 'static,
{
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        ctx.set_mailbox_capacity(MAILBOX_INPUTS_MAX);
        // Weak: the thread's handle is ours, and a strong address would keep us alive for ever.
        let own = ctx.address().downgrade();
        // There are no more turns on their way than chains that are waited for.
        let turn = move |turn| {
            if let Some(own) = own.upgrade() {
                own.do_send(ChainTurn(turn));
            }
        };
        let is_realtime = self.shell.locks().is_realtime();
        let begin = move || {
            if is_realtime {
                realtime::request();
            }
        };
        match Alarm::new() {
            Ok(alarm) => self.alarm = Some(alarm),
            Err(error) => self.fatal.end(&format!("records: no timer: {error}")),
        }
        match ChainWaiter::start(begin, turn) {
            Ok(waiter) => self.shell.chains.use_waiter(waiter),
            Err(error) => self.shell.has_no_waiter(&error),
        }
        // Weak, or the threads would keep the actor alive that keeps them.
        let (address, fatal) = (ctx.address().downgrade(), self.fatal.clone());
        let stuck = fatal.clone();
        // Threads of databases have a few answers each on their way: a full mailbox is stuck.
        let feed = move |input| {
            if let Some(address) = address.upgrade()
                && let Err(SendError::Full(_)) = address.try_send(Feed(input))
            {
                stuck.end("records: its mailbox is full");
            }
        };
        self.with_shell(ctx, |shell, inputs| shell.announce(feed, &fatal, inputs));
    }
}

impl<M> Drop for Records<M> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.fatal.end(&format!("records: {}", last_panic()));
        }
    }
}

impl<M> Handler<Feed<Input>> for Records<M>
where
    M: Machine<Input = Input, Effect = Effect> + Unpin + 'static,
{
    type Result = ();

    fn handle(&mut self, Feed(input): Feed<Input>, ctx: &mut Self::Context) {
        self.with_shell(ctx, |shell, inputs| inputs.extend(shell.concern(input)));
    }
}

/// A chain that was waited for.
struct ChainTurn(Turn);

impl Message for ChainTurn {
    type Result = ();
}

impl<M> Handler<ChainTurn> for Records<M>
where
    M: Machine<Input = Input, Effect = Effect> + Unpin + 'static,
{
    type Result = ();

    fn handle(&mut self, ChainTurn(turn): ChainTurn, ctx: &mut Self::Context) {
        self.with_shell(ctx, |shell, inputs| shell.turn(turn, inputs));
    }
}

/// For tests.
impl<M> Handler<Poison> for Records<M>
where
    M: Machine<Input = Input, Effect = Effect> + Unpin + 'static,
{
    type Result = ();

    fn handle(&mut self, poison: Poison, _: &mut Self::Context) {
        poison.act();
    }
}
