//! The settings of duties that tunables steer: as they are when a duty starts, and after each change.

use crate::context::NodeContext;
use ctdb_protocol::membership::config::Bans;
use ctdb_protocol::membership::io::Input as MembershipInput;
use ctdb_protocol::monitor::io::{Config as MonitorConfig, Input as MonitorInput};
use ctdb_protocol::takeover::alloc::Algorithm;
use ctdb_protocol::takeover::io::{Input as TakeoverInput, Settings as TakeoverSettings};
use ctdb_protocol::tunable::{TunableId, Tunables};
use std::sync::{PoisonError, RwLockReadGuard};
use std::time::Duration;

/// Of membership.
pub fn bans(context: &NodeContext) -> Bans {
    let tunables = read(context);
    Bans {
        enabled: tunables.get(TunableId::EnableBans) != 0,
        period_s: tunables.get(TunableId::RecoveryBanPeriod),
        grace: seconds(&tunables, TunableId::RecoveryGracePeriod),
    }
}

/// Of monitor.
pub fn monitor(context: &NodeContext) -> MonitorConfig {
    let tunables = read(context);
    // 4.17 waits for 20 checks that hang, which is ten minutes: what the admin sets counts literally.
    let count = tunables.explicit(TunableId::MonitorTimeoutCount);
    let default = MonitorConfig::default().monitor_timeout_count;
    MonitorConfig {
        monitor_interval: seconds(&tunables, TunableId::MonitorInterval),
        monitor_timeout_count: count.unwrap_or(default),
        damp_flapping: context.settings.failover.damp_flapping,
    }
}

/// Of takeover.
pub fn takeover(context: &NodeContext) -> TakeoverSettings {
    let tunables = read(context);
    TakeoverSettings {
        algorithm: Algorithm::from_tunable(tunables.get(TunableId::IPAllocAlgorithm)),
        no_ip_failback: tunables.get(TunableId::NoIPFailback) != 0,
        no_ip_takeover: tunables.get(TunableId::NoIPTakeover) != 0,
        failover_disabled: context.settings.failover.disabled,
    }
}

/// Tells the duty that obeys the tunable of its new value; the others are read whenever they matter.
pub fn retune(context: &NodeContext, changed: TunableId) {
    let post = &context.post;
    match changed {
        TunableId::EnableBans | TunableId::RecoveryBanPeriod | TunableId::RecoveryGracePeriod => {
            post.membership.send(MembershipInput::Bans(bans(context)));
        }
        TunableId::MonitorInterval | TunableId::MonitorTimeoutCount => {
            post.monitor.send(MonitorInput::Configure(monitor(context)));
        }
        TunableId::IPAllocAlgorithm | TunableId::NoIPFailback | TunableId::NoIPTakeover => {
            post.takeover
                .send(TakeoverInput::Settings(takeover(context)));
        }
        _ => {}
    }
}

fn read(context: &NodeContext) -> RwLockReadGuard<'_, Tunables> {
    let tunables = context.tunables.read();
    tunables.unwrap_or_else(PoisonError::into_inner)
}

fn seconds(tunables: &Tunables, id: TunableId) -> Duration {
    Duration::from_secs(tunables.get(id).into())
}
