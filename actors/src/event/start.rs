//! Starts the events' actor on an arbiter of its own.

use super::carry::EventCarry;
use super::native::{Interfaces, LvsScript, NatgwScript, NativeScript, Natives, PerIpRouting};
use super::notify::{self, Notify};
use super::scripts::ScriptDirectory;
use super::shipped::is_as_shipped;
use super::socket::{self, Service};
use crate::context::NodeContext;
use crate::duty::actor::Duty;
use crate::log::{level, notice};
use crate::supervise::Supervisor;
use actix::Actor;
use actix_rt::Arbiter;
use ctdb_protocol::console::grammar::level_name;
use ctdb_protocol::event::machine::EventMachine;
use ctdb_protocol::notice::Notice;
use ctdb_protocol::settings::{LogLocation, Settings};
use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use tokio::sync::oneshot;

/// Starts the actor and its socket and keeps them alive. Gives whether the socket could be opened.
pub async fn start(context: &NodeContext) -> io::Result<()> {
    let arbiter = Arbiter::new();
    let context = context.clone();
    let (sender, opened) = oneshot::channel();
    arbiter.spawn_fn(move || {
        name_natives(&context);
        let supervisor = Supervisor::new(&context.log, &context.fatal);
        let path = Path::new(&context.settings.paths.event_socket);
        let service = Service::of(&context);
        let opened = socket::start(&supervisor, path, &service, &context.poisons);
        let told = Notify {
            program: PathBuf::from(&context.settings.paths.notify_script),
            environment: environment(&context),
            script_level: context.settings.logging.script_level,
            log: context.log.clone(),
        };
        notify::start(
            &supervisor,
            context.events.notifier(),
            &told,
            &context.poisons,
        );
        supervisor.keep("events", move |life, _| {
            let machine = EventMachine::new(context.events.begin_anew());
            let actor = Duty::new(
                "events",
                machine,
                carry(&context),
                context.clock,
                &context.fatal,
                life,
            )
            .start();
            context.poisons.put("events", &actor);
            context.post.events.occupy(actor.recipient());
        });
        // The receiver waits for it below: events that were ordered before would be lost.
        let _ = sender.send(opened);
    });
    opened
        .await
        .unwrap_or_else(|_| Err(io::ErrorKind::BrokenPipe.into()))
}

fn carry(context: &NodeContext) -> EventCarry {
    let settings = &context.settings;
    EventCarry {
        desk: context.events.clone(),
        directory: directory(settings),
        environment: environment(context),
        natives: natives(context),
        native: None,
        debug_script: settings.events.debug_script.clone().map(PathBuf::from),
        script_level: settings.logging.script_level,
        log: context.log.clone(),
    }
}

fn natives(context: &NodeContext) -> Natives {
    let settings = &context.settings;
    let variables = &settings.events.script_variables;
    let partially = variables.get("CTDB_PARTIALLY_ONLINE_INTERFACES");
    let interfaces = Interfaces {
        board: context.board.clone(),
        post: context.post.clone(),
        kernel_links: !settings.startup.test_mode,
        partially_online: partially.is_some_and(|value| value.eq_ignore_ascii_case("yes")),
    };
    let scripts: Vec<Box<dyn NativeScript>> = vec![
        Box::new(interfaces),
        Box::new(NatgwScript(context.natgw.clone())),
        Box::new(PerIpRouting(context.routing.policy.clone())),
        Box::new(LvsScript {
            lvs: settings.lvs.clone().filter(|_| !settings.startup.test_mode),
            public: context.public.clone(),
            group: context.lvs_group.clone(),
            post: context.post.clone(),
        }),
    ];
    Natives::new(scripts)
}

/// The directory of a node's scripts.
pub fn directory(settings: &Settings) -> ScriptDirectory {
    let etc = Path::new(&settings.paths.etc);
    ScriptDirectory {
        enabled: settings.paths.event_scripts.clone().into(),
        managed: settings.events.managed_services.clone(),
        configured: settings.native_scripts(),
        ..ScriptDirectory::installed(etc, settings.startup.test_mode)
    }
}

/// What 4.17 adds to the environment of its children.
fn environment(context: &NodeContext) -> BTreeMap<String, String> {
    let settings = &context.settings;
    let location = match &settings.logging.location {
        LogLocation::File(path) => format!("file:{path}"),
        LogLocation::Stderr => String::from("file:"),
        LogLocation::Syslog => String::from("syslog"),
        LogLocation::SyslogNonblocking => String::from("syslog:nonblocking"),
        LogLocation::SyslogUdp => String::from("syslog:udp"),
        LogLocation::SyslogUdpRfc5424 => String::from("syslog:udp-rfc5424"),
    };
    let level = level_name(level::to_samba(settings.logging.level));
    BTreeMap::from([
        (String::from("CTDB_BASE"), settings.paths.etc.clone()),
        (String::from("CTDB_LOGGING"), location),
        (String::from("CTDB_DEBUGLEVEL"), String::from(level)),
    ])
}

/// Says which scripts are not run, since the daemon does their work.
fn name_natives(context: &NodeContext) {
    let directory = directory(&context.settings);
    let natives = directory.natives();
    for (script, path) in &natives {
        if !is_as_shipped(script, path) {
            let (script, file) = (script.clone(), path.display().to_string());
            notice(&context.log, &Notice::NativeScriptChanged { script, file });
        }
    }
    let names: Vec<&str> = natives.iter().map(|(name, _)| name.as_str()).collect();
    if !names.is_empty() {
        let scripts = names.join(" ");
        notice(&context.log, &Notice::ScriptsNative { scripts });
    }
    for script in directory.configured_but_off() {
        let directory = directory.enabled.display().to_string();
        let script = String::from(script);
        notice(&context.log, &Notice::NativeScriptOff { script, directory });
    }
    let has_addresses = !context.settings.failover.public_addresses.is_empty();
    if has_addresses && !directory.checks_interfaces() {
        let directory = directory.enabled.display().to_string();
        notice(&context.log, &Notice::InterfacesNotChecked { directory });
    }
}
