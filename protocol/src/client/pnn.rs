//! Node numbers with a meaning of their own, as destination of requests.

/// The daemon that the client is connected to.
pub const CURRENT: u32 = 0xF000_0001;
/// Every node of the nodes file.
pub const BROADCAST_ALL: u32 = 0xF000_0002;
/// Every node of the vnnmap (older name: VNNMAP).
pub const BROADCAST_ACTIVE: u32 = 0xF000_0003;
/// Every connected node.
pub const BROADCAST_CONNECTED: u32 = 0xF000_0004;
/// Used inside the real daemon only; never valid on the client socket.
pub const MULTICAST: u32 = 0xF000_0005;
/// Nobody.
pub const UNKNOWN: u32 = 0xFFFF_FFFF;

/// Is this destination one of the broadcasts? They include the local node, and a control sent to
/// one of them is never answered.
pub fn is_broadcast(pnn: u32) -> bool {
    matches!(pnn, BROADCAST_ALL | BROADCAST_ACTIVE | BROADCAST_CONNECTED)
}
