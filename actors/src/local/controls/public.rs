//! Changes of the public addresses of a running node, and moves of single addresses.

use super::{Answer, Ask, Done, Refused, done};
use crate::board::Event;
use crate::local::router::Router;
use crate::log::text;
use ctdb_protocol::client::Opcode;
use ctdb_protocol::client::public_ip::{AddrInfo, PublicIp};
use ctdb_protocol::id::Pnn;
use ctdb_protocol::notice::Level;
use ctdb_protocol::settings::PublicAddress;
use ctdb_protocol::takeover::io::Input;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;

/// An address that is not configured any more has gone from its interface by then.
const RELEASE_LIMIT: Duration = Duration::from_secs(10);
/// A moved address is at its new node by then, or it is not moved.
const MOVE_LIMIT: Duration = Duration::from_secs(10);

pub(super) fn answer(router: &Arc<Router>, ask: &Ask<'_>) -> Option<Answer> {
    Some(match ask.opcode {
        Opcode::AddPublicIp => add(router, ask).into(),
        Opcode::DelPublicIp => remove(router, ask).into(),
        Opcode::ReloadPublicIps => Answer::later_result(reload(router.clone())),
        Opcode::TakeoverIp => take_over(router, ask).into(),
        // The leader's plan makes the node that has it let go; the one that takes it asks for that.
        Opcode::ReleaseIp => ask.parse::<PublicIp>().and_then(|_| done()).into(),
        Opcode::SendGratuitousArp => ask.parse::<AddrInfo>().and_then(announce(router)).into(),
        _ => return None,
    })
}

fn address(info: &AddrInfo) -> Result<IpAddr, Refused> {
    info.addr.canonical().ip().ok_or_else(Refused::plainly)
}

fn add(router: &Arc<Router>, ask: &Ask<'_>) -> Result<Answer, Refused> {
    let info: AddrInfo = ask.parse()?;
    let address = address(&info)?;
    let longest = if address.is_ipv4() { 32 } else { 128 };
    let prefix = u8::try_from(info.mask).ok().filter(|mask| *mask <= longest);
    let prefix = prefix.ok_or_else(|| Refused::because("the mask is too long"))?;
    let names = info.iface.unwrap_or_default();
    let interfaces: Vec<String> = names
        .split(',')
        .filter(|name| !name.is_empty())
        .map(str::to_owned)
        .collect();
    if interfaces.is_empty() {
        return Err(Refused::because("no interface is given"));
    }
    let new = PublicAddress {
        address,
        prefix,
        interfaces,
    };
    if !router.context.public.add(new) {
        return Err(Refused::because(format!(
            "{address} is a public address of this node already"
        )));
    }
    log(router, format_args!("Add IP {address}"));
    let router = router.clone();
    Ok(Answer::later_result(async move {
        tell_guard(&router).await;
        router.context.public.configure(&router.context.post);
        done()
    }))
}

fn remove(router: &Arc<Router>, ask: &Ask<'_>) -> Result<Answer, Refused> {
    let info: AddrInfo = ask.parse()?;
    let address = address(&info)?;
    let events = router.context.board.subscribe();
    if !router.context.public.remove(address) {
        return Err(Refused::because(format!(
            "{address} is no public address of this node"
        )));
    }
    log(router, format_args!("Delete IP {address}"));
    let router = router.clone();
    Ok(Answer::later_result(async move {
        let here = held(&router);
        router.context.public.configure(&router.context.post);
        await_release(events, &here, &[address]).await;
        tell_guard(&router).await;
        done()
    }))
}

async fn reload(router: Arc<Router>) -> Done {
    let events = router.context.board.subscribe();
    let before = router.context.public.list();
    let public = router.context.public.clone();
    let read = tokio::task::spawn_blocking(move || public.reread()).await;
    match read {
        Ok(Ok(())) => {}
        Ok(Err(reason)) => return Err(Refused::because(reason)),
        Err(_) => return Err(Refused::plainly()),
    }
    let now = router.context.public.list();
    let gone = before.iter().map(|public| public.address);
    let gone: Vec<IpAddr> = gone
        .filter(|address| now.iter().all(|public| public.address != *address))
        .collect();
    log(
        &router,
        format_args!(
            "Reloaded public addresses: {} now, {} before",
            now.len(),
            before.len()
        ),
    );
    // New ones must be known to the guard before they are taken, old ones until they are gone.
    tell_guard(&router).await;
    let here = held(&router);
    router.context.public.configure(&router.context.post);
    await_release(events, &here, &gone).await;
    tell_guard(&router).await;
    done()
}

/// Addresses that are on this node's interfaces.
fn held(router: &Router) -> Vec<IpAddr> {
    let view = router.context.board.addresses();
    let here = view
        .addresses
        .iter()
        .filter(|status| status.active.is_some());
    here.map(|status| status.address).collect()
}

/// Waits until those of `gone` that were `here` have been released.
async fn await_release(mut events: Receiver<Event>, here: &[IpAddr], gone: &[IpAddr]) {
    let mut left: Vec<IpAddr> = gone
        .iter()
        .filter(|address| here.contains(address))
        .copied()
        .collect();
    let waiting = async {
        while !left.is_empty() {
            match events.recv().await {
                Ok(Event::Released(address)) => left.retain(|other| *other != address),
                Ok(_) => {}
                Err(RecvError::Lagged(_) | RecvError::Closed) => return,
            }
        }
    };
    // The takeover duty goes on trying and says so; the guard clears up behind it at the end.
    let _ = tokio::time::timeout(RELEASE_LIMIT, waiting).await;
}

async fn tell_guard(router: &Router) {
    let public = router.context.public.clone();
    // Fails only at the end of the daemon.
    let _ = tokio::task::spawn_blocking(move || public.tell_guard()).await;
}

/// `ctdb moveip` at the node that shall have the address.
fn take_over(router: &Arc<Router>, ask: &Ask<'_>) -> Result<Answer, Refused> {
    let PublicIp { pnn, addr } = ask.parse()?;
    let address = addr.canonical().ip().ok_or_else(Refused::plainly)?;
    if pnn != router.own.0 {
        return Err(Refused::because(format!(
            "address {address} is meant for node {pnn}"
        )));
    }
    let view = router.context.board.addresses();
    if view.addresses.iter().all(|known| known.address != address) {
        // As 4.17: one that this node cannot host is no error.
        return Ok(done().into());
    }
    // Whether it is here already the leader knows: it may be about to leave, for another who asked a moment ago.
    let mut events = router.context.board.subscribe();
    let request = router.context.board.next_request();
    router.context.post.takeover.send(Input::WantMove {
        request,
        address,
        to: Pnn(pnn),
    });
    let router = router.clone();
    Ok(Answer::later_result(async move {
        let waiting = async {
            loop {
                match events.recv().await {
                    Ok(Event::RunDone { request: over, .. }) if over == request => break,
                    Err(RecvError::Closed) => break,
                    Ok(_) | Err(RecvError::Lagged(_)) => {}
                }
            }
        };
        let _ = tokio::time::timeout(MOVE_LIMIT, waiting).await;
        if held(&router).contains(&address) {
            done()
        } else {
            Err(Refused::because(format!(
                "address {address} could not be moved to node {pnn}"
            )))
        }
    }))
}

fn announce(router: &Router) -> impl FnOnce(AddrInfo) -> Done + '_ {
    |info| {
        let address = address(&info)?;
        router
            .context
            .post
            .takeover
            .send(Input::Announce { address });
        done()
    }
}

fn log(router: &Router, said: std::fmt::Arguments<'_>) {
    text(&router.context.log, Level::Notice, said);
}
