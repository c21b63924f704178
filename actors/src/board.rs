//! The board: what the control plane publishes, for sessions, console and metrics to read without asking.
//! Events (an address moved, a recovery ended) go to whoever subscribed.

use ctdb_protocol::election::standing::Standing;
use ctdb_protocol::id::Pnn;
use ctdb_protocol::membership::view::MembershipView;
use ctdb_protocol::takeover::view::AddressView;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, RwLock};
use tokio::sync::broadcast;

/// Events that may wait for a subscriber; one that falls further behind reads the board anew.
const EVENTS_MAX: usize = 16_384;

/// Why a node is unhealthy that has just started.
const UNCHECKED: &str = "no monitor event has passed yet";

/// Something that clients are told of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// The leader changed.
    Standing(Standing),
    /// A recovery ended.
    Recovered,
    /// This node took the address.
    Taken(IpAddr),
    /// This node gave the address up.
    Released(IpAddr),
    /// The address left this node with these connections of clients, which are ended here: server and client.
    Cut(IpAddr, Arc<[(SocketAddr, SocketAddr)]>),
    /// There are connections of an address of this node that no server here knows.
    Stranded(IpAddr),
    /// The scripts' `ipreallocated` event ended on this node, well or not.
    Reallocated,
    /// The takeover run that was asked for is over.
    RunDone {
        /// The request.
        request: u64,
        /// The leader that carried it out.
        leader: Pnn,
    },
}

/// See the module. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Board {
    standing: Arc<RwLock<Standing>>,
    view: Arc<RwLock<Arc<MembershipView>>>,
    addresses: Arc<RwLock<Arc<AddressView>>>,
    unfit: Arc<RwLock<Option<String>>>,
    last_requests: Arc<Mutex<u64>>,
    events: broadcast::Sender<Event>,
}

impl Default for Board {
    fn default() -> Self {
        Self {
            standing: Arc::default(),
            view: Arc::default(),
            addresses: Arc::default(),
            unfit: Arc::new(RwLock::new(Some(UNCHECKED.into()))),
            last_requests: Arc::default(),
            events: broadcast::Sender::new(EVENTS_MAX),
        }
    }
}

impl Board {
    /// Who leads.
    pub fn standing(&self) -> Standing {
        *self.standing.read().expect("no panic while held")
    }

    /// The cluster.
    pub fn view(&self) -> Arc<MembershipView> {
        self.view.read().expect("no panic while held").clone()
    }

    /// The public addresses.
    pub fn addresses(&self) -> Arc<AddressView> {
        self.addresses.read().expect("no panic while held").clone()
    }

    /// Why this node is not healthy; nothing while it is.
    pub fn unfit(&self) -> Option<String> {
        self.unfit.read().expect("no panic while held").clone()
    }

    /// Events from now on.
    pub fn subscribe(&self) -> broadcast::Receiver<Event> {
        self.events.subscribe()
    }

    /// A number for a takeover run request, unique in this life.
    pub fn next_request(&self) -> u64 {
        let mut last = self.last_requests.lock().expect("no panic while held");
        *last += 1;
        *last
    }

    fn tell(&self, event: Event) {
        // Nobody listens while the daemon starts or ends.
        let _ = self.events.send(event);
    }

    /// Published by election.
    pub fn set_standing(&self, standing: Standing) {
        *self.standing.write().expect("no panic while held") = standing;
        self.tell(Event::Standing(standing));
    }

    /// Published by membership.
    pub fn set_view(&self, view: MembershipView) {
        *self.view.write().expect("no panic while held") = Arc::new(view);
    }

    /// Published by takeover.
    pub fn set_addresses(&self, addresses: AddressView) {
        *self.addresses.write().expect("no panic while held") = Arc::new(addresses);
    }

    /// Published by monitor.
    pub fn set_unfit(&self, reason: Option<String>) {
        *self.unfit.write().expect("no panic while held") = reason;
    }

    /// Told by membership.
    pub fn recovered(&self) {
        self.tell(Event::Recovered);
    }

    /// Told by takeover.
    pub fn address_taken(&self, address: IpAddr) {
        self.tell(Event::Taken(address));
    }

    /// Told by takeover.
    pub fn address_released(&self, address: IpAddr) {
        self.tell(Event::Released(address));
    }

    /// Told by those who take addresses off their interfaces.
    pub fn connections_cut(&self, address: IpAddr, ends: Vec<(SocketAddr, SocketAddr)>) {
        self.tell(Event::Cut(address, ends.into()));
    }

    /// Told by those who hear of such connections.
    pub fn connections_stranded(&self, address: IpAddr) {
        self.tell(Event::Stranded(address));
    }

    /// Told by takeover.
    pub fn reallocated(&self) {
        self.tell(Event::Reallocated);
    }

    /// Told by takeover.
    pub fn run_done(&self, request: u64, leader: Pnn) {
        self.tell(Event::RunDone { request, leader });
    }
}
