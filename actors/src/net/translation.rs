//! Address translation of a gateway in the kernel: an nftables table of our own, or chains of our own in iptables'
//! tables where nftables is missing.

use std::io::Write;
use std::process::{Command, Output, Stdio};

use ctdb_protocol::leftover::Leftover;
use ctdb_protocol::natgw::config::Config;

use super::error::{NetError, Result};
use super::natgw_rules::{self, CHAIN, HOOKS, Hook, Mode, TABLE};
use super::nft;

const PATH: &str = "/usr/sbin:/sbin:/usr/bin:/bin:/usr/local/sbin:/usr/local/bin";

/// Who carries the rules out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Engine {
    Nft,
    Iptables,
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Translation {
    config: Config,
    engine: Engine,
    built: Option<Mode>,
}

impl Translation {
    /// Finds out how it can be done here; nothing is changed.
    pub(crate) fn new(config: &Config) -> Result<Self> {
        let checked = nft::run(&["-c"], &natgw_rules::nft(config, Mode::Translate)?);
        let engine = match checked {
            Ok(()) => Engine::Nft,
            Err(error) => {
                let six = !natgw_rules::is_v4(config);
                let version = run(&program(six, ""), &["--version"], "");
                version.map_err(|_| {
                    NetError::Invalid(format!("install nftables or iptables: {error}"))
                })?;
                Engine::Iptables
            }
        };
        Ok(Self {
            config: config.clone(),
            engine,
            built: None,
        })
    }

    /// What the guard has to take away.
    pub(crate) fn leftover(&self) -> Leftover {
        match self.engine {
            Engine::Nft => Leftover::Table {
                family: natgw_rules::family(&self.config).to_owned(),
                name: TABLE.to_owned(),
            },
            Engine::Iptables => Leftover::Chains {
                six: !natgw_rules::is_v4(&self.config),
            },
        }
    }

    /// Has the rules like this, in one transaction; none: no rules.
    pub(crate) fn bring(&mut self, mode: Option<Mode>) -> Result<()> {
        if self.built == mode && mode.is_some() {
            return Ok(());
        }
        // Should it fail, all is built anew at the next attempt.
        self.built = None;
        let six = !natgw_rules::is_v4(&self.config);
        match (self.engine, mode) {
            (Engine::Nft, Some(mode)) => nft::run(&[], &natgw_rules::nft(&self.config, mode)?)?,
            (Engine::Nft, None) => {
                let family = natgw_rules::family(&self.config);
                nft::run(&[], &nft::removal(family, TABLE))?;
            }
            (Engine::Iptables, Some(mode)) => {
                let (batch, hooks) = natgw_rules::iptables(&self.config, mode)?;
                build_chains(six, &batch, &hooks)?;
            }
            (Engine::Iptables, None) => remove_chains(six)?,
        }
        self.built = mode;
        Ok(())
    }

    /// Forgets what was built if it is not there any more: somebody flushed the rules.
    pub(crate) fn verify(&mut self) {
        let is_there = match (self.engine, self.built) {
            (_, None) => return,
            (Engine::Nft, Some(mode)) => {
                let family = natgw_rules::family(&self.config);
                let chain = match mode {
                    Mode::Translate => "postrouting",
                    Mode::Hold => "forward",
                };
                let list = format!("list chain {family} {TABLE} {chain}\n");
                nft::run(&[], &list).is_ok()
            }
            (Engine::Iptables, Some(mode)) => {
                let six = !natgw_rules::is_v4(&self.config);
                let hooks = match mode {
                    Mode::Translate => &HOOKS[..2],
                    Mode::Hold => &HOOKS[2..],
                };
                hooks.iter().all(|hook| is_called(six, *hook))
            }
        };
        if !is_there {
            self.built = None;
        }
    }
}

fn program(six: bool, suffix: &str) -> String {
    let name = if six { "ip6tables" } else { "iptables" };
    format!("{name}{suffix}")
}

fn build_chains(six: bool, batch: &str, hooks: &[Hook]) -> Result<()> {
    remove_chains(six)?;
    run(&program(six, "-restore"), &["-w", "--noflush"], batch)?;
    for (table, chain) in hooks {
        let words = ["-w", "-t", table, "-I", chain, "-j", CHAIN];
        run(&program(six, ""), &words, "")?;
    }
    Ok(())
}

fn is_called(six: bool, (table, chain): Hook) -> bool {
    let words = ["-w", "-t", table, "-C", chain, "-j", CHAIN];
    run(&program(six, ""), &words, "").is_ok()
}

/// Removes our chains, whoever built them.
pub(crate) fn remove_chains(six: bool) -> Result<()> {
    let iptables = program(six, "");
    for hook in HOOKS {
        while is_called(six, hook) {
            let (table, chain) = hook;
            run(
                &iptables,
                &["-w", "-t", table, "-D", chain, "-j", CHAIN],
                "",
            )?;
        }
    }
    for table in ["nat", "filter"] {
        if run(&iptables, &["-w", "-t", table, "-S", CHAIN], "").is_ok() {
            run(&iptables, &["-w", "-t", table, "-F", CHAIN], "")?;
            run(&iptables, &["-w", "-t", table, "-X", CHAIN], "")?;
        }
    }
    Ok(())
}

fn run(program: &str, words: &[&str], input: &str) -> Result<()> {
    let output = spawn(program, words, input);
    let output = output.map_err(|source| NetError::io(program, source))?;
    if output.status.success() {
        return Ok(());
    }
    let text = String::from_utf8_lossy(&output.stderr);
    let line = text.lines().next().unwrap_or("failed without a word");
    Err(NetError::Invalid(format!("{program}: {line}")))
}

fn spawn(program: &str, words: &[&str], input: &str) -> std::io::Result<Output> {
    let mut child = Command::new(program)
        .args(words)
        .env("PATH", PATH)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()?;
    if let Some(mut pipe) = child.stdin.take() {
        // A program that does not read it says why by its exit code.
        let _ = pipe.write_all(input.as_bytes());
    }
    child.wait_with_output()
}
