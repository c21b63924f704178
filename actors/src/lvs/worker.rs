//! The thread: does what is wanted, and looks now and then whether it is still so.

use super::{Job, Place};
use crate::log::notice;
use crate::net::address::{Addresses, HeldAddress};
use crate::net::error::NetError;
use crate::net::link::{self, Link};
use crate::net::lvs_ipvs::IpvsBalancer;
use crate::net::lvs_nft::NftBalancer;
use crate::net::lvs_rules::{self, Port};
use crate::net::sysctl::{self, Sysctls};
use crate::post::Post;
use ctdb_protocol::leftover::Leftover;
use ctdb_protocol::lvs::io::{Input, Plan};
use ctdb_protocol::lvs::message::Mac;
use ctdb_protocol::notice::Notice;
use ctdb_protocol::settings::Lvs;
use ipnet::IpNet;
use slog::Logger;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

/// How often interface and loopback are looked at.
const LOOK_INTERVAL: Duration = Duration::from_millis(250);
/// How often the rules are compared, which costs a process.
const VERIFY_INTERVAL: Duration = Duration::from_secs(2);
const LOOPBACK: &str = "lo";
/// 4.17's values: no answer for addresses on loopback, and none of them as the sender of a request.
const ARP: [(&str, &str); 2] = [("arp_ignore", "3"), ("arp_announce", "2")];
/// Where distributions put it.
const IPVSADM: [&str; 2] = ["/usr/sbin/ipvsadm", "/sbin/ipvsadm"];

enum Balancer {
    Nft(NftBalancer),
    Ipvs(IpvsBalancer),
}

pub(super) struct Worker {
    place: Place,
    plan: Plan,
    /// Chosen when it is first needed.
    balancer: Option<Balancer>,
    settings: Sysctls,
    /// Something of ours may be in the kernel.
    present: bool,
    /// What the machine was told last.
    seat: Option<Mac>,
    /// It must be told again, whatever it is.
    untold: bool,
    verify_at: Instant,
    /// The failure that was logged last.
    failure: String,
    post: Post,
    log: Logger,
}

impl Worker {
    pub(super) fn new(place: Place, post: Post, log: Logger) -> Self {
        Self {
            settings: Sysctls::default(),
            place,
            plan: Plan::default(),
            balancer: None,
            present: true,
            seat: None,
            untold: true,
            verify_at: Instant::now(),
            failure: String::new(),
            post,
            log,
        }
    }

    pub(super) fn run(mut self, todo: &Receiver<Job>) {
        loop {
            match todo.recv_timeout(LOOK_INTERVAL) {
                Ok(job) => {
                    let mut jobs = std::iter::once(job).chain(todo.try_iter());
                    if !jobs.all(|job| self.take(job)) {
                        break;
                    }
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => break,
            }
            self.bring();
        }
        self.plan = Plan::default();
        self.bring();
    }

    /// False: the end.
    fn take(&mut self, job: Job) -> bool {
        match job {
            Job::Apply(plan) => self.plan = plan,
            Job::Retell => self.untold = true,
            Job::End => return false,
        }
        true
    }

    fn bring(&mut self) {
        let done = if self.plan.member {
            self.serve()
        } else {
            self.clear().map(|()| None)
        };
        let seat = match done {
            Ok(seat) => {
                self.failure.clear();
                seat
            }
            Err(error) => {
                self.complain(&error.to_string());
                None
            }
        };
        if self.seat != seat || std::mem::take(&mut self.untold) {
            self.seat = seat;
            self.post.lvs.send(Input::Seat(seat));
        }
    }

    fn complain(&mut self, reason: &str) {
        if self.failure != reason {
            reason.clone_into(&mut self.failure);
            let (address, reason) = (self.place.address, reason.to_owned());
            notice(&self.log, &Notice::LvsFailed { address, reason });
        }
    }

    /// Everything that a node of the group has; answers where it is reached, if its interface is up.
    fn serve(&mut self) -> Result<Option<Mac>, NetError> {
        let mut kernel = Addresses::open()?;
        let Some(link) = self.link(&mut kernel)? else {
            return Ok(None);
        };
        self.present = true;
        if self.place.address.is_ipv4() {
            for (setting, value) in ARP {
                let name = format!("ipv4/conf/{}/{setting}", link.name);
                self.settings.set(&name, value)?;
            }
        }
        for result in kernel.add(&[self.on_loopback()], None) {
            result?;
        }
        let mac = link
            .mac
            .ok_or_else(|| NetError::Invalid(format!("{} has no Ethernet address", link.name)))?;
        self.balance(&link, mac)?;
        Ok(link.up().then_some(mac))
    }

    fn balance(&mut self, link: &Link, mac: Mac) -> Result<(), NetError> {
        if self.balancer.is_none() {
            self.balancer = Some(choose(&self.place)?);
        }
        let verify = self.verify_at <= Instant::now();
        if verify {
            self.verify_at = Instant::now() + VERIFY_INTERVAL;
        }
        match &mut self.balancer {
            Some(Balancer::Nft(nft)) => {
                if verify {
                    nft.verify();
                }
                let interface = link.name.clone();
                nft.bring(&Port { interface, mac }, &self.plan)
            }
            Some(Balancer::Ipvs(ipvs)) => ipvs.bring(&self.plan, &addresses(&self.place)),
            None => Ok(()),
        }
    }

    fn clear(&mut self) -> Result<(), NetError> {
        if !self.present {
            return Ok(());
        }
        let cleared = match &mut self.balancer {
            Some(Balancer::Nft(nft)) => nft.clear(),
            Some(Balancer::Ipvs(ipvs)) => ipvs.clear(),
            None => Ok(()),
        };
        for result in Addresses::open()?.remove(&[self.on_loopback()]) {
            result?;
        }
        cleared?;
        if let Some(error) = self.settings.restore().into_iter().next() {
            return Err(error);
        }
        self.present = false;
        Ok(())
    }

    fn on_loopback(&self) -> HeldAddress {
        HeldAddress::passive(self.place.address, LOOPBACK)
    }

    /// The interface towards the clients.
    fn link(&self, kernel: &mut Addresses) -> Result<Option<Link>, NetError> {
        let name = match &self.place.interface {
            Some(name) => Some(name.clone()),
            None => towards(kernel, self.place.address)?,
        };
        let links = link::links()?;
        Ok(links
            .into_iter()
            .find(|link| Some(&link.name) == name.as_ref()))
    }
}

/// What a killed daemon leaves of it. The address on the interface of the clients is leased, and no matter of this.
pub(crate) fn leftovers(lvs: &Lvs) -> Result<Vec<Leftover>, NetError> {
    let address = lvs.address;
    let mut all = vec![
        Leftover::Address {
            address,
            interface: LOOPBACK.to_owned(),
        },
        Leftover::Table {
            family: "netdev".to_owned(),
            name: lvs_rules::TABLE.to_owned(),
        },
    ];
    let interface = match &lvs.interface {
        Some(name) => Some(name.clone()),
        None => towards(&mut Addresses::open()?, address)?,
    };
    if let Some(interface) = interface.filter(|_| address.is_ipv4()) {
        for (setting, _) in ARP {
            all.push(sysctl::interface_leftover(&interface, setting)?);
        }
    }
    Ok(all)
}

/// The interface of the network in which the address lies.
fn towards(kernel: &mut Addresses, address: IpAddr) -> Result<Option<String>, NetError> {
    let contains = |held: &HeldAddress| {
        let net = IpNet::new(held.ip, held.prefix_len);
        held.ip != address && net.is_ok_and(|net| net.contains(&address))
    };
    let all = kernel.list()?.into_iter().map(|present| present.held);
    Ok(all.filter(contains).map(|held| held.interface).next())
}

/// Private addresses of all nodes, by number.
fn addresses(place: &Place) -> Vec<IpAddr> {
    let nodes = place.nodes.list();
    nodes.iter().map(|node| node.address).collect()
}

/// nftables where it works, else IPVS.
fn choose(place: &Place) -> Result<Balancer, NetError> {
    let Err(error) = NftBalancer::probe() else {
        return Ok(Balancer::Nft(NftBalancer::new(place.address)));
    };
    let program = IPVSADM.into_iter().find(|path| Path::new(path).exists());
    let Some(program) = program.map(PathBuf::from) else {
        return Err(NetError::Invalid(format!(
            "install nftables (it needs a kernel with netdev hooks) or ipvsadm: {error}"
        )));
    };
    let mut ipvs = IpvsBalancer::new(program, place.address);
    ipvs.probe()?;
    ipvs.reset();
    Ok(Balancer::Ipvs(ipvs))
}
