//! Policy routing: `CTDB_PER_IP_ROUTING_*` and the file of routes. Where its script is not enabled nothing of it counts,
//! as in 4.17.

use std::net::IpAddr;
use std::path::Path;

use ctdb_actors::event::directory;
use ctdb_protocol::event::name::PER_IP_ROUTING;
use ctdb_protocol::routing::config::{CONF, Config, Source};
use ctdb_protocol::routing::file;
use ctdb_protocol::settings::Settings;

use super::error::Place;
use super::files::read_text;
use super::legacy::Legacy;
use super::load::Loader;

/// Refuses what would fail every event of the script.
pub(super) fn check(loader: &mut Loader, legacy: &Legacy, settings: &Settings) {
    let scripts = directory(settings).scripts().unwrap_or_default();
    if !scripts
        .iter()
        .any(|script| script.enabled && script.name == PER_IP_ROUTING)
    {
        return;
    }
    let config = match Config::from_variables(&legacy.script_variables) {
        Ok(Some(config)) => config,
        Ok(None) => return,
        Err(fault) => return loader.refuse_variable(legacy, fault.variable, fault.message),
    };
    let Source::File(path) = config.source else {
        return;
    };
    let content = match read_text(Path::new(&path)) {
        Ok(Some(content)) => content,
        Ok(None) => return loader.refuse_variable(legacy, CONF, format!("{path} does not exist")),
        Err(message) => return loader.findings.refuse(&Place::whole(&path), "", message),
    };
    let public = &settings.failover.public_addresses;
    let is_public = |address: IpAddr| public.iter().any(|public| public.address == address);
    for fault in file::faults(&content, is_public) {
        let place = Place::line(&path, fault.line);
        loader.findings.refuse(&place, "", fault.text);
    }
}

#[cfg(test)]
mod tests {
    use crate::config::testing::Directory;

    const OPTIONS: &str = "CTDB_PER_IP_ROUTING_RULE_PREF=100
CTDB_PER_IP_ROUTING_TABLE_ID_LOW=1000
CTDB_PER_IP_ROUTING_TABLE_ID_HIGH=9000
CTDB_PER_IP_ROUTING_CONF=${CTDB_BASE}/policy_routing
";

    fn errors(options: &str, file: Option<&str>) -> Vec<String> {
        let directory = Directory::with_nodes();
        directory.write("etc/ctdb/public_addresses", "10.9.0.1/24 eth0\n");
        directory.write("etc/ctdb/script.options", options);
        if let Some(file) = file {
            directory.write("etc/ctdb/policy_routing", file);
        }
        directory
            .load()
            .map_or_else(|_| directory.errors(), |_| Vec::new())
    }

    #[test]
    fn variables_and_lines_that_can_not_be_used_are_named_with_their_places() {
        let good = "# 10.9.0.1 nonsense\n10.9.0.2 nonsense\n10.9.0.1 0.0.0.0/0 10.9.0.254\n";
        assert_eq!(errors(OPTIONS, Some(good)), [""; 0]);
        let bad = "10.9.0.1 10.9.0.0/33\n\n10.9.0.1 0.0.0.0/0 gate\n";
        let low = OPTIONS.replace("=1000", "=10000");
        let none = OPTIONS.replace("CTDB_PER_IP_ROUTING_RULE_PREF=100\n", "");
        for (options, file, expected) in [
            (
                OPTIONS,
                Some(bad),
                &[
                    "/etc/ctdb/policy_routing:1: 10.9.0.1: \"10.9.0.0/33\" is no network",
                    "/etc/ctdb/policy_routing:3: 10.9.0.1: \"gate\" is no gateway",
                ][..],
            ),
            (
                OPTIONS,
                None,
                &[
                    "/etc/ctdb/script.options:4: CTDB_PER_IP_ROUTING_CONF: /etc/ctdb/policy_routing does not exist",
                ],
            ),
            (
                &low,
                Some(good),
                &[
                    "/etc/ctdb/script.options:2: CTDB_PER_IP_ROUTING_TABLE_ID_LOW: 10000 must be lower",
                ],
            ),
            (
                &none,
                Some(good),
                &["/etc/ctdb/script.options: CTDB_PER_IP_ROUTING_RULE_PREF: a number from 1 to"],
            ),
        ] {
            let errors = errors(options, file);
            assert_eq!(errors.len(), expected.len(), "{errors:?}");
            for (error, expected) in errors.iter().zip(expected) {
                assert!(error.starts_with(expected), "{error}");
            }
        }
    }

    #[test]
    fn a_script_that_is_not_enabled_can_not_keep_the_daemon_from_starting() {
        let directory = Directory::with_nodes();
        directory.write("etc/ctdb/script.options", OPTIONS);
        directory.write("etc/ctdb/events/legacy/50.samba.script", "");
        directory.load().expect("valid");
    }
}
