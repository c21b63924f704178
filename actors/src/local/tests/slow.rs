//! A client that does not read: nobody waits for it, and it is disconnected in the end.

use super::node::Node;
use ctdb_protocol::client::Opcode;

const PORT: u64 = 0xBE00_0000_0000_0077;

#[test]
fn a_client_that_does_not_read_is_disconnected() {
    let node = Node::alone("slow");
    node.context
        .tunables
        .write()
        .unwrap()
        .set("MaxQueueDropMsg", 1_000);
    let (mut slow, mut brisk, mut sender) = (node.connect(), node.connect(), node.connect());
    slow.register(PORT);
    brisk.register(PORT);
    let payload = vec![7; 1_000];
    // The kernel's buffers hold some; the bound counts what is beyond them.
    for _ in 0..4_000 {
        sender.message(0, PORT, &payload);
        assert_eq!(brisk.recv().data, payload);
    }
    assert_eq!(
        sender.status(0, Opcode::Ping, &[]),
        2,
        "the slow one is gone"
    );
    assert!(slow.is_closed());
}

#[test]
fn what_waits_is_delivered_whole_when_the_client_reads_again() {
    let node = Node::alone("resumed");
    let (mut slow, mut sender) = (node.connect(), node.connect());
    slow.register(PORT);
    let length = |number: usize| number * 7 % 3_001;
    for number in 0..3_000 {
        sender.message(0, PORT, &vec![number as u8; length(number)]);
    }
    assert_eq!(sender.status(0, Opcode::Ping, &[]), 2);
    for number in 0..3_000 {
        let data = slow.recv().data;
        assert_eq!(data.len(), length(number));
        assert!(data.iter().all(|byte| *byte == number as u8));
    }
}
