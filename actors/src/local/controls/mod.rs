//! The controls, in one file per group. Each group answers those that are its own.
//!
//! Wrong sizes and numbers without a meaning get status -1 without text, as 4.17 answers them; controls
//! that this version does not carry out get -1 with a text that says so.

mod addresses;
mod clients;
mod content;
mod databases;
mod debug;
mod echo;
mod flags;
mod later;
mod nodes;
mod public;
pub(super) mod transactions;
mod tunables;

use super::router::Router;
use ctdb_protocol::client::{ControlFlags, ControlReply, Opcode, Payload, WireError};
use ctdb_protocol::id::{ClientId, Pnn};
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

/// A control to be carried out here.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ask<'a> {
    /// Which.
    pub(super) opcode: Opcode,
    /// The header's srvid field.
    pub(super) srvid: u64,
    /// The header's flags.
    pub(super) flags: ControlFlags,
    /// Payload.
    pub(super) data: &'a [u8],
    /// The client of this node that asks; nobody if a peer or the console asks.
    pub(super) client: Option<ClientId>,
    /// The node that asks, if it is another one.
    pub(super) peer: Option<Pnn>,
}

/// The answer to a control.
pub(super) enum Answer {
    /// It is known at once.
    Now(ControlReply),
    /// Something must happen first.
    Later(Pin<Box<dyn Future<Output = ControlReply> + Send>>),
}

impl Answer {
    fn later_result<F>(future: F) -> Self
    where
        F: Future<Output = Result<ControlReply, Refused>> + Send + 'static,
    {
        Self::later(async { future.await.unwrap_or_else(|Refused(reply)| reply) })
    }

    /// An answer that comes later.
    pub(super) fn later(future: impl Future<Output = ControlReply> + Send + 'static) -> Self {
        Self::Later(Box::pin(future))
    }
}

impl From<ControlReply> for Answer {
    fn from(reply: ControlReply) -> Self {
        Self::Now(reply)
    }
}

impl From<Result<ControlReply, Refused>> for Answer {
    fn from(result: Result<ControlReply, Refused>) -> Self {
        Self::Now(result.unwrap_or_else(|Refused(reply)| reply))
    }
}

impl From<Result<Answer, Refused>> for Answer {
    fn from(result: Result<Answer, Refused>) -> Self {
        result.unwrap_or_else(|Refused(reply)| reply.into())
    }
}

/// A control that was not done, with its answer.
#[derive(Debug)]
struct Refused(ControlReply);

impl Refused {
    /// Status -1, no text.
    fn plainly() -> Self {
        Self::status(-1)
    }

    fn status(status: i32) -> Self {
        Self(ControlReply::status(status))
    }

    /// Status -1 and a text.
    fn because(text: impl Into<String>) -> Self {
        Self(ControlReply::error(text))
    }
}

impl From<WireError> for Refused {
    fn from(_: WireError) -> Self {
        Self::plainly()
    }
}

type Done = Result<ControlReply, Refused>;

impl Ask<'_> {
    fn parse<T: Payload>(&self) -> Result<T, Refused> {
        Ok(T::parse(self.data)?)
    }

    /// The asking client; some controls make no sense without one.
    fn client(&self) -> Result<ClientId, Refused> {
        self.client.ok_or_else(Refused::plainly)
    }
}

#[expect(
    clippy::unnecessary_wraps,
    reason = "the end of handlers that can refuse"
)]
fn done() -> Done {
    Ok(ControlReply::status(0))
}

#[expect(
    clippy::unnecessary_wraps,
    reason = "the end of handlers that can refuse"
)]
fn data(payload: &impl Payload) -> Done {
    Ok(ControlReply::ok(payload.to_bytes()))
}

/// Controls that say everything by their number: 4.17 refuses them with data.
const WITHOUT_DATA: &[Opcode] = &[
    Opcode::Statistics,
    Opcode::Ping,
    Opcode::GetVnnMap,
    Opcode::GetDebug,
    Opcode::GetDbMap,
    Opcode::StatisticsReset,
    Opcode::DumpMemory,
    Opcode::GetAllTunables,
    Opcode::ReloadNodesFile,
    Opcode::GetPublicIps,
    Opcode::GetNodeMap,
    Opcode::GetReclockFile,
    Opcode::StopNode,
    Opcode::ContinueNode,
    Opcode::GetBanState,
    Opcode::GetIfaces,
    Opcode::GetStatHistory,
    Opcode::ReloadPublicIps,
    Opcode::GetRunstate,
    Opcode::GetNodesFile,
    Opcode::DisableNode,
    Opcode::EnableNode,
];

/// Carries out a control on this node.
pub(super) fn carry_out(router: &Arc<Router>, ask: &Ask<'_>) -> Answer {
    if !ask.data.is_empty() && WITHOUT_DATA.contains(&ask.opcode) {
        return Refused::plainly().0.into();
    }
    let answer = nodes::answer(router, ask)
        .or_else(|| clients::answer(router, ask))
        .or_else(|| databases::answer(router, ask))
        .or_else(|| transactions::answer(router, ask))
        .or_else(|| content::answer(router, ask))
        .or_else(|| tunables::answer(router, ask))
        .or_else(|| addresses::answer(router, ask))
        .or_else(|| public::answer(router, ask))
        .or_else(|| flags::answer(router, ask))
        .or_else(|| debug::answer(router, ask))
        .or_else(|| echo::answer(ask))
        .or_else(|| later::answer(ask));
    answer.unwrap_or_else(|| ControlReply::status(-1).into())
}
