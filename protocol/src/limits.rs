//! Every bound of the product in one place. A bound that is reached costs its sender an error, never memory.

/// Most nodes of a cluster (64 are promised on real machines, 1,000 in simulation).
pub const NODES_MAX: usize = 1_024;
/// Longest frame accepted from a peer whose hello was not accepted yet, in bytes.
pub const HELLO_FRAME_BYTES_MAX: usize = 4 << 10;
/// Longest frame on a control link, in bytes: an assignment of all addresses must fit.
pub const CONTROL_FRAME_BYTES_MAX: usize = 4 << 20;
/// Longest frame on a data link, in bytes: the largest record with its key must fit.
pub const DATA_FRAME_BYTES_MAX: usize = 80 << 20;
/// Longest record, in bytes.
pub const RECORD_BYTES_MAX: usize = 64 << 20;
/// Longest record key, in bytes.
pub const KEY_BYTES_MAX: usize = 1 << 20;
/// Longest packet of a local client, in bytes.
pub const CLIENT_PACKET_BYTES_MAX: usize = DATA_FRAME_BYTES_MAX;
/// Most databases.
pub const DATABASES_MAX: usize = 4_096;
/// Most public addresses of a cluster.
pub const ADDRESSES_MAX: usize = 10_000;
/// Most messages waiting for one peer on its control link before the link is closed.
pub const CONTROL_QUEUE_MAX: usize = 4_096;
/// Most bytes waiting for one peer on its data link before the link is closed.
pub const DATA_QUEUE_BYTES_MAX: usize = 256 << 20;
/// Most requests that wait for one record.
pub const RECORD_WAITERS_MAX: usize = 16_384;
/// Most calls of local clients that wait for the end of a recovery.
pub const PARKED_CALLS_MAX: usize = 65_536;
/// Directory entries sent in one message during a recovery.
pub const DIRECTORY_BATCH: usize = 2_048;
/// Emptied records of one database that wait for the vacuum; what is beyond is found by the next full run.
pub const VACUUM_QUEUE_MAX: usize = 262_144;
/// Bytes of the keys in such a queue.
pub const VACUUM_QUEUE_BYTES_MAX: usize = 32 << 20;
/// Records that a vacuum run looks at before it lets others have their turn, and names in one message.
pub const VACUUM_BATCH: usize = 256;
/// Most events that wait for their turn: each address may be given up and another one taken.
pub const EVENTS_WAITING_MAX: usize = 2 * ADDRESSES_MAX;
/// Output of one script that is kept, in bytes; the rest is read and dropped.
pub const SCRIPT_OUTPUT_BYTES_MAX: usize = 64 << 10;
/// Output of one script that is read, in bytes; the pipe is closed then.
pub const SCRIPT_READ_BYTES_MAX: usize = 16 << 20;
/// Events whose newest result is kept.
pub const EVENT_RESULTS_MAX: usize = 256;
/// Longest packet on the event socket, in bytes.
pub const EVENT_PACKET_BYTES_MAX: usize = 64 << 10;
/// Longest console line, in bytes.
pub const CONSOLE_LINE_BYTES_MAX: usize = 64 << 10;
/// Most hops of a record request before it is given up and asked anew.
pub const HOPS_MAX: u32 = 64;

const _: () = {
    assert!(KEY_BYTES_MAX + RECORD_BYTES_MAX < DATA_FRAME_BYTES_MAX);
    assert!(HELLO_FRAME_BYTES_MAX < CONTROL_FRAME_BYTES_MAX);
    // 64 bytes are more than one address takes in an assignment.
    assert!(ADDRESSES_MAX * 64 < CONTROL_FRAME_BYTES_MAX);
};
