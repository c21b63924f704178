//! `13.per_ip_routing`: policy routing of the public addresses.

use super::NativeScript;
use crate::addresses::policy::PolicyRouting;
use ctdb_protocol::event::name::PER_IP_ROUTING;
use std::sync::Arc;

/// See the module. Without policy routing it has nothing to do; with bad variables (the error) every event fails, as in
/// 4.17, the first of them too.
pub(in crate::event) struct PerIpRouting(
    pub(in crate::event) Option<Result<Arc<PolicyRouting>, String>>,
);

impl NativeScript for PerIpRouting {
    fn name(&self) -> &'static str {
        PER_IP_ROUTING
    }

    fn run(&self, event: &str, _: &[String]) -> Result<(), String> {
        let Some(routing) = &self.0 else {
            return Ok(());
        };
        let routing = routing.as_ref().map_err(Clone::clone)?;
        match event {
            "ipreallocated" | "reconfigure" => routing.reread(),
            // The script of 4.17 fails at every event as long as its file can't be read.
            _ => routing.fault().map_or(Ok(()), Err),
        }
    }

    fn set_enabled(&self, enabled: bool) {
        if let Some(Ok(routing)) = &self.0 {
            routing.set_enabled(enabled);
        }
    }
}
