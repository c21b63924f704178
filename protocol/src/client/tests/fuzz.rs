//! Mutated packets and payloads: nothing panics, and what reads, writes back the same.

use alloc::vec::Vec;

use super::recorded;
use crate::client::cursor::Payload;
use crate::client::database::ScheduleForDeletion;
use crate::client::db_statistics::DbStatistics;
use crate::client::frame::FrameSplitter;
use crate::client::header::Padding;
use crate::client::iface::IfaceList;
use crate::client::marshall::Marshall;
use crate::client::nodemap::NodeMap;
use crate::client::packet::Request;
use crate::client::public_ip::{AddrInfo, PublicIpInfo, PublicIpList};
use crate::client::reply::Reply;
use crate::client::srvid_message::NotifyData;
use crate::client::statistics::StatisticsHistory;
use crate::client::text::Text;
use crate::client::tickle::TickleList;
use crate::client::traverse::RecordData;
use crate::client::tunable::{TunableName, TunableSetting};

/// Vigna's splitmix64: enough to wander about, and the same everywhere.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound.max(1) as u64) as usize
    }

    fn mutate(&mut self, bytes: &mut Vec<u8>) {
        for _ in 0..=self.below(3) {
            match self.below(5) {
                0 => bytes.truncate(self.below(bytes.len() + 1)),
                1 => bytes.extend((0..self.below(40)).map(|i| i as u8)),
                // Length fields stand at multiples of four.
                2 if bytes.len() >= 4 => {
                    let at = self.below(bytes.len() / 4) * 4;
                    let value = match self.below(3) {
                        0 => u32::MAX - self.below(64) as u32,
                        1 => self.below(256) as u32,
                        _ => self.next() as u32,
                    };
                    bytes[at..at + 4].copy_from_slice(&value.to_le_bytes());
                }
                _ if !bytes.is_empty() => {
                    let at = self.below(bytes.len());
                    bytes[at] ^= 1 << self.below(8);
                }
                _ => {}
            }
        }
    }
}

fn check<T: Payload>(bytes: &[u8]) {
    if let Ok(value) = T::parse(bytes) {
        let again = value.to_bytes();
        let second = T::parse(&again).expect("what was written reads");
        assert_eq!(second.to_bytes(), again, "{}", T::NAME);
    }
}

/// As every payload that has a length inside.
fn check_all(bytes: &[u8]) {
    check::<NodeMap>(bytes);
    check::<PublicIpList>(bytes);
    check::<PublicIpInfo>(bytes);
    check::<AddrInfo>(bytes);
    check::<IfaceList>(bytes);
    check::<TickleList>(bytes);
    check::<Marshall>(bytes);
    check::<RecordData>(bytes);
    check::<ScheduleForDeletion>(bytes);
    check::<DbStatistics>(bytes);
    check::<StatisticsHistory>(bytes);
    check::<TunableName>(bytes);
    check::<TunableSetting>(bytes);
    check::<NotifyData>(bytes);
    check::<Text>(bytes);
}

#[test]
fn mutated_packets_never_panic() {
    let mut random = Random(1);
    let packets = recorded();
    for _ in 0..30_000 {
        let mut bytes = packets[random.below(packets.len())].bytes.clone();
        random.mutate(&mut bytes);
        if let Ok((envelope, request)) = Request::parse(&bytes) {
            let mut again = Vec::new();
            request.emit(envelope, Padding::None, &mut again);
            assert_eq!(Request::parse(&again), Ok((envelope, request.clone())));
            if let Request::Control(control) = request {
                check_all(&control.data);
            }
        }
        if let Ok((envelope, reply)) = Reply::parse(&bytes) {
            let mut again = Vec::new();
            reply.emit(envelope, &mut again);
            assert_eq!(Reply::parse(&again), Ok((envelope, reply.clone())));
            if let Reply::Control(control) = reply {
                check_all(&control.data);
            }
        }
    }
}

#[test]
fn mutated_payloads_never_panic() {
    let mut random = Random(2);
    let packets = recorded();
    for _ in 0..30_000 {
        let packet = &packets[random.below(packets.len())];
        let mut data = match Reply::parse(&packet.bytes) {
            Ok((_, Reply::Control(control))) => control.data,
            Ok((_, Reply::Message(message))) => message.data,
            _ => match Request::parse(&packet.bytes) {
                Ok((_, Request::Control(control))) => control.data,
                _ => continue,
            },
        };
        random.mutate(&mut data);
        check_all(&data);
    }
}

#[test]
fn a_mutated_stream_ends_or_goes_on_but_stays_bounded() {
    let mut random = Random(3);
    let packets = recorded();
    for _ in 0..2_000 {
        let mut splitter = FrameSplitter::new(64 << 10);
        'stream: for _ in 0..20 {
            let mut bytes = packets[random.below(packets.len())].bytes.clone();
            if random.below(4) == 0 {
                random.mutate(&mut bytes);
            }
            splitter.push(&bytes);
            loop {
                match splitter.next_packet() {
                    Ok(Some(packet)) => {
                        let _ = Request::parse(packet);
                    }
                    Ok(None) => break,
                    Err(_) => break 'stream,
                }
            }
            assert!(splitter.pending_bytes() < 64 << 10);
        }
    }
}
