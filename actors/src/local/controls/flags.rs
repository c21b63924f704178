//! What an admin wants of this node: its own flags and roles, bans, recovery, the end.

use super::{Answer, Ask, Done, Refused, data, done};
use crate::local::router::Router;
use crate::log::text;
use ctdb_protocol::client::Opcode;
use ctdb_protocol::client::ban::BanState;
use ctdb_protocol::client::text::Text;
use ctdb_protocol::flags::NodeFlags;
use ctdb_protocol::membership::io::{Input, Request};
use ctdb_protocol::notice::Level;
use ctdb_protocol::tunable::TunableId;
use std::sync::Arc;
use std::sync::atomic::Ordering;

pub(super) fn answer(router: &Arc<Router>, ask: &Ask<'_>) -> Option<Answer> {
    let reply: Done = match ask.opcode {
        Opcode::DisableNode => request(router, Request::Disable),
        Opcode::EnableNode => request(router, Request::Enable),
        Opcode::StopNode => request(router, Request::Stop),
        Opcode::ContinueNode => request(router, Request::Continue),
        Opcode::SetLmasterRole => role(router, ask, Request::LmasterRole),
        Opcode::SetRecmasterRole => role(router, ask, Request::LeaderRole),
        Opcode::SetBanState => set_ban(router, ask),
        Opcode::GetBanState => data(&ban(router)),
        Opcode::WhyNotOk => data(&Text(why_not_ok(router))),
        Opcode::SetRecMode => set_recovery_mode(router, ask),
        Opcode::Shutdown => shut_down(router),
        _ => return None,
    };
    Some(reply.into())
}

fn request(router: &Router, request: Request) -> Done {
    router.context.post.membership.send(Input::Request(request));
    done()
}

fn role(router: &Router, ask: &Ask<'_>, make: fn(bool) -> Request) -> Done {
    let wanted: u32 = ask.parse()?;
    request(router, make(wanted != 0))
}

fn set_ban(router: &Router, ask: &Ask<'_>) -> Done {
    let BanState { pnn, seconds } = ask.parse()?;
    if pnn as usize >= router.context.links.identity.nodes.list().len() {
        return Err(Refused::plainly());
    }
    // Each node decides about its own flags; what others think of it needs no noting.
    if pnn != router.own.0 {
        return done();
    }
    if seconds > 0 && router.tunable(TunableId::EnableBans) == 0 {
        let log = &router.context.log;
        text(
            log,
            Level::Notice,
            format_args!("Bans are disabled (EnableBans=0): not banned"),
        );
        return done();
    }
    router.ban_seconds.store(seconds, Ordering::Relaxed);
    let reason = match ask.peer {
        Some(peer) => format!("asked by a client of node {peer}"),
        None => String::from("asked by a client"),
    };
    request(router, Request::Ban { seconds, reason })
}

/// This node's ban. Of a ban that was not asked for here the length is what the tunable says.
fn ban(router: &Router) -> BanState {
    let pnn = router.own.0;
    if !router.own_view().flags.contains(NodeFlags::BANNED) {
        return BanState { pnn, seconds: 0 };
    }
    let asked = router.ban_seconds.load(Ordering::Relaxed);
    let seconds = if asked == 0 {
        router.tunable(TunableId::RecoveryBanPeriod)
    } else {
        asked
    };
    BanState { pnn, seconds }
}

/// Why this node hosts no addresses although nobody asked for that: its ban, then its health.
fn why_not_ok(router: &Router) -> String {
    let board = &router.context.board;
    let view = board.view();
    let ban = view.ban.as_ref().map(|ban| {
        let left = ban.until.since(router.context.clock.now()).as_secs();
        let (reason, count) = (&ban.reason, view.ban_count);
        format!("banned for {left} s more (ban {count} since the start): {reason}")
    });
    let reasons: Vec<String> = ban.into_iter().chain(board.unfit()).collect();
    reasons.join("; ")
}

fn set_recovery_mode(router: &Router, ask: &Ask<'_>) -> Done {
    match ask.parse::<u32>()? {
        1 => {
            let reason = String::from("asked by a client");
            request(router, Request::Recover { reason })
        }
        0 => Err(Refused::because("a recovery ends by itself")),
        _ => Err(Refused::plainly()),
    }
}

fn shut_down(router: &Router) -> Done {
    // Fails only when nobody waits for it any more: then the end has begun.
    let _ = router.context.shutdown.send(true);
    done()
}
