//! The IPVS back end of LVS, for hosts without nftables at the ingress hook: `ipvsadm --restore` with one batch for
//! each change.
//!
//! Only the node that answers for the address has the two services (TCP and UDP, all ports, the least busy node, a
//! client stays with its node: as 4.17). A node that shall get no new connections has the weight 0.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::Write as _;
use std::net::IpAddr;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use ctdb_protocol::id::Pnn;
use ctdb_protocol::lvs::io::Plan;

use super::error::{NetError, Result};

/// For so long a client stays with its node, in seconds: 4.17's number, which means "as long as both live".
const PERSISTENCE_S: u32 = 1_999_999;

/// Weights of real servers by their address.
type Weights = BTreeMap<IpAddr, u8>;

/// What stands in the kernel's table for the address.
pub(crate) struct IpvsBalancer {
    program: PathBuf,
    address: IpAddr,
    /// `None`: there are no services of ours.
    told: Option<Weights>,
}

impl IpvsBalancer {
    pub(crate) fn new(program: PathBuf, address: IpAddr) -> Self {
        Self {
            program,
            address,
            told: None,
        }
    }

    /// Whether the program can be run and the kernel has IPVS.
    pub(crate) fn probe(&self) -> Result<()> {
        self.run(&["-S", "-n"], "")
    }

    /// Removes what an earlier process left.
    pub(crate) fn reset(&mut self) {
        self.told = None;
        for kind in ["-t", "-u"] {
            // Fails if there is none, as is usual.
            let _ = self.run(&["-D", kind, &self.service()], "");
        }
    }

    /// Brings the plan into the kernel; frames are sent to the private addresses of the nodes, given by number.
    pub(crate) fn bring(&mut self, plan: &Plan, nodes: &[IpAddr]) -> Result<()> {
        let wanted = plan.receives.then(|| weights(plan, nodes));
        if wanted == self.told {
            return Ok(());
        }
        let batch = batch(&self.service(), self.told.as_ref(), wanted.as_ref());
        if let Err(error) = self.run(&["--restore"], &batch) {
            // Half of it may be there.
            self.reset();
            return Err(error);
        }
        self.told = wanted;
        Ok(())
    }

    /// Removes the services.
    pub(crate) fn clear(&mut self) -> Result<()> {
        self.bring(&Plan::default(), &[])
    }

    fn service(&self) -> String {
        endpoint(self.address)
    }

    fn run(&self, options: &[&str], batch: &str) -> Result<()> {
        let fail = |what: String| NetError::Invalid(format!("{}: {what}", self.program.display()));
        let mut child = Command::new(&self.program)
            .args(options)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(|error| fail(format!("cannot run it: {error}")))?;
        if let Some(mut pipe) = child.stdin.take() {
            // A program that does not read its orders says why by its exit code.
            let _ = pipe.write_all(batch.as_bytes());
        }
        let output = child
            .wait_with_output()
            .map_err(|error| fail(format!("no result: {error}")))?;
        if output.status.success() {
            return Ok(());
        }
        let text = String::from_utf8_lossy(&output.stderr);
        let line = text.lines().next().unwrap_or("failed without a word");
        Err(fail(line.to_owned()))
    }
}

fn endpoint(address: IpAddr) -> String {
    match address {
        IpAddr::V4(address) => format!("{address}:0"),
        IpAddr::V6(address) => format!("[{address}]:0"),
    }
}

fn weights(plan: &Plan, nodes: &[IpAddr]) -> Weights {
    let weight = |pnn: &Pnn| u8::from(plan.live.contains(pnn));
    let of = |pnn: &Pnn| Some((*nodes.get(pnn.0 as usize)?, weight(pnn)));
    plan.seats.keys().filter_map(of).collect()
}

/// The lines from what is there to what shall be.
fn batch(service: &str, old: Option<&Weights>, new: Option<&Weights>) -> String {
    let mut text = String::new();
    for kind in ["-t", "-u"] {
        let Some(new) = new else {
            let _ = writeln!(text, "-D {kind} {service}");
            continue;
        };
        if old.is_none() {
            let _ = writeln!(text, "-A {kind} {service} -s lc -p {PERSISTENCE_S}");
        }
        let known = |address: &IpAddr| old.and_then(|old| old.get(address));
        for (address, weight) in new {
            let verb = match known(address) {
                Some(told) if told == weight => continue,
                Some(_) => "-e",
                None => "-a",
            };
            let server = endpoint(*address);
            let _ = writeln!(text, "{verb} {kind} {service} -r {server} -g -w {weight}");
        }
        let gone = old
            .into_iter()
            .flatten()
            .filter(|(address, _)| !new.contains_key(address));
        for (address, _) in gone {
            let _ = writeln!(text, "-d {kind} {service} -r {}", endpoint(*address));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    fn plan(receives: bool, seats: &[u32], live: &[u32]) -> Plan {
        Plan {
            member: true,
            receives,
            seats: seats.iter().map(|pnn| (Pnn(*pnn), [0; 6])).collect(),
            live: live.iter().copied().map(Pnn).collect(),
        }
    }

    /// A program that notes its arguments and its input.
    fn recorder(directory: &std::path::Path) -> PathBuf {
        let program = directory.join("ipvsadm");
        let text = "#!/bin/sh\n{ echo \"ipvsadm $*\"; cat; } >>\"$(dirname \"$0\")/said\"\n";
        std::fs::write(&program, text).expect("writable");
        std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).expect("mine");
        program
    }

    #[test]
    fn one_batch_for_each_change_and_only_where_the_address_is() {
        let directory = std::env::temp_dir().join(format!("ctdb-ipvs-{}", std::process::id()));
        std::fs::create_dir_all(&directory).expect("a directory");
        let said = || {
            let file = directory.join("said");
            let text = std::fs::read_to_string(&file).unwrap_or_default();
            let _ = std::fs::remove_file(file);
            text
        };
        let nodes = [1, 2, 3].map(|n| IpAddr::from([10, 0, 0, n]));
        let address = IpAddr::from([10, 1, 1, 237]);
        let mut balancer = IpvsBalancer::new(recorder(&directory), address);
        balancer
            .bring(&plan(false, &[0, 1], &[0, 1]), &nodes)
            .expect("nothing to do");
        assert_eq!(said(), "");
        balancer
            .bring(&plan(true, &[0, 1], &[0, 1]), &nodes)
            .expect("brought");
        let expected = "ipvsadm --restore
-A -t 10.1.1.237:0 -s lc -p 1999999
-a -t 10.1.1.237:0 -r 10.0.0.1:0 -g -w 1
-a -t 10.1.1.237:0 -r 10.0.0.2:0 -g -w 1
-A -u 10.1.1.237:0 -s lc -p 1999999
-a -u 10.1.1.237:0 -r 10.0.0.1:0 -g -w 1
-a -u 10.1.1.237:0 -r 10.0.0.2:0 -g -w 1
";
        assert_eq!(said(), expected);
        balancer
            .bring(&plan(true, &[0, 1], &[0, 1]), &nodes)
            .expect("brought");
        assert_eq!(said(), "", "nothing changed");
        balancer
            .bring(&plan(true, &[1, 2], &[2]), &nodes)
            .expect("brought");
        let text = said();
        for part in [
            "-e -t 10.1.1.237:0 -r 10.0.0.2:0 -g -w 0",
            "-a -u 10.1.1.237:0 -r 10.0.0.3:0 -g -w 1",
            "-d -t 10.1.1.237:0 -r 10.0.0.1:0",
        ] {
            assert!(text.contains(part), "{text}");
        }
        balancer.clear().expect("cleared");
        assert_eq!(
            said(),
            "ipvsadm --restore\n-D -t 10.1.1.237:0\n-D -u 10.1.1.237:0\n"
        );
        std::fs::remove_dir_all(directory).expect("removed");
    }

    #[test]
    fn six_has_brackets_and_a_failure_is_told() {
        assert_eq!(endpoint("fd88::1".parse().expect("six")), "[fd88::1]:0");
        let address = IpAddr::from([10, 1, 1, 237]);
        let absent = IpvsBalancer::new("/nowhere/ipvsadm".into(), address);
        let error = absent.probe().expect_err("there is none").to_string();
        assert!(
            error.starts_with("/nowhere/ipvsadm: cannot run it"),
            "{error}"
        );
    }
}
