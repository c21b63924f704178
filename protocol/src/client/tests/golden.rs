//! Recorded packets read, and write back byte for byte.

use alloc::collections::BTreeSet;
use alloc::vec::Vec;

use super::{Recorded, recorded};
use crate::client::ban::BanState;
use crate::client::capability::{Capabilities, RunState};
use crate::client::cursor::Payload;
use crate::client::database::{DbSeqnumQuery, DbVacuum, PullDbExt, ScheduleForDeletion, TransDb};
use crate::client::db_statistics::DbStatistics;
use crate::client::dbmap::DbMap;
use crate::client::frame::FrameSplitter;
use crate::client::header::Padding;
use crate::client::iface::{Iface, IfaceList};
use crate::client::marshall::Marshall;
use crate::client::nodemap::NodeMap;
use crate::client::opcode::Opcode;
use crate::client::packet::Request;
use crate::client::public_ip::{AddrInfo, PublicIp, PublicIpInfo, PublicIpList};
use crate::client::reply::Reply;
use crate::client::server_id::PidSrvid;
use crate::client::sockaddr::{Connection, SockAddr};
use crate::client::statistics::Statistics;
use crate::client::text::Text;
use crate::client::tickle::TickleList;
use crate::client::traverse::{TraverseStart, TraverseStartExt};
use crate::client::tunable::{TunableName, TunableSetting, TunableValues};
use crate::client::uptime::Uptime;
use crate::client::vnnmap::VnnMap;

/// The packets of one direction with the fields that an error message needs.
fn requests() -> Vec<Recorded> {
    recorded()
        .into_iter()
        .filter(|packet| packet.to_daemon)
        .collect()
}

fn replies() -> Vec<Recorded> {
    recorded()
        .into_iter()
        .filter(|packet| !packet.to_daemon)
        .collect()
}

#[test]
fn requests_come_back_byte_for_byte() {
    let mut kinds = BTreeSet::new();
    for packet in requests() {
        let (envelope, request) = Request::parse(&packet.bytes).expect(&packet.place);
        let padding = if packet.bytes.len().is_multiple_of(8) {
            Padding::Eight
        } else {
            Padding::None
        };
        let mut again = Vec::new();
        request.emit(envelope, padding, &mut again);
        assert_eq!(again, packet.bytes, "{}", packet.place);
        kinds.insert(packet.kind);
    }
    assert!(kinds.len() >= 55, "{} kinds", kinds.len());
}

#[test]
fn replies_come_back_byte_for_byte() {
    let mut kinds = BTreeSet::new();
    for packet in replies() {
        let (envelope, reply) = Reply::parse(&packet.bytes).expect(&packet.place);
        let mut again = Vec::new();
        reply.emit(envelope, &mut again);
        assert_eq!(again, packet.bytes, "{}", packet.place);
        kinds.insert(packet.kind);
    }
    assert!(kinds.len() >= 55, "{} kinds", kinds.len());
}

#[test]
fn the_whole_recording_passes_the_splitter() {
    let packets = recorded();
    let stream: Vec<u8> = packets
        .iter()
        .flat_map(|packet| packet.bytes.clone())
        .collect();
    let mut splitter = FrameSplitter::default();
    let mut count = 0;
    for chunk in stream.chunks(100) {
        splitter.push(chunk);
        while let Some(packet) = splitter.next_packet().unwrap() {
            assert_eq!(packet, packets[count].bytes, "{}", packets[count].place);
            count += 1;
        }
    }
    assert_eq!(count, packets.len());
}

/// Reads `data` and writes it again; the number of bytes that differ.
fn differing<T: Payload>(data: &[u8], place: &str) -> usize {
    let value = T::parse(data).unwrap_or_else(|error| panic!("{place}: {error}"));
    let again = value.to_bytes();
    assert_eq!(again.len(), data.len(), "{place}");
    again.iter().zip(data).filter(|(a, b)| a != b).count()
}

/// The same for structures in which the sender leaves garbage: only sizes can be compared.
fn with_garbage<T: Payload>(data: &[u8], place: &str) -> usize {
    differing::<T>(data, place);
    0
}

#[test]
fn request_payloads_come_back() {
    for packet in requests() {
        let Ok((_, Request::Control(control))) = Request::parse(&packet.bytes) else {
            continue;
        };
        let (data, place) = (&control.data[..], &packet.place[..]);
        let differing = match control.opcode {
            Opcode::DbAttach | Opcode::DbAttachPersistent | Opcode::DbAttachReplicated => {
                differing::<Text>(data, place)
            }
            Opcode::GetTunable => differing::<TunableName>(data, place),
            Opcode::SetTunable => differing::<TunableSetting>(data, place),
            Opcode::GetPublicIpInfo | Opcode::GetTcpTickleList => {
                differing::<SockAddr>(data, place)
            }
            // The bytes behind sockaddr_in are garbage in smbd's.
            Opcode::TcpClient => with_garbage::<Connection>(data, place),
            Opcode::TcpRemove | Opcode::TcpAddDelayedUpdate => differing::<Connection>(data, place),
            Opcode::SetIfaceLinkState => differing::<Iface>(data, place),
            Opcode::AddPublicIp | Opcode::DelPublicIp | Opcode::SendGratuitousArp => {
                differing::<AddrInfo>(data, place)
            }
            Opcode::ReleaseIp | Opcode::TakeoverIp => differing::<PublicIp>(data, place),
            Opcode::CheckPidSrvid => differing::<PidSrvid>(data, place),
            Opcode::ProcessExists | Opcode::SetDebug => differing::<i32>(data, place),
            Opcode::SetBanState => differing::<BanState>(data, place),
            Opcode::Trans3Commit => differing::<Marshall>(data, place),
            Opcode::ScheduleForDeletion => differing::<ScheduleForDeletion>(data, place),
            Opcode::TraverseStart => differing::<TraverseStart>(data, place),
            Opcode::TraverseStartExt => differing::<TraverseStartExt>(data, place),
            Opcode::GetDbSeqnum => differing::<DbSeqnumQuery>(data, place),
            Opcode::DbTransactionStart | Opcode::DbTransactionCommit | Opcode::WipeDatabase => {
                differing::<TransDb>(data, place)
            }
            Opcode::DbPushStart => differing::<PullDbExt>(data, place),
            Opcode::DbVacuum => differing::<DbVacuum>(data, place),
            _ if data.len() == 4 => differing::<u32>(data, place),
            _ => {
                assert!(
                    data.is_empty(),
                    "{place}: {} has an unknown payload",
                    control.opcode
                );
                0
            }
        };
        assert_eq!(differing, 0, "{place}");
    }
}

#[test]
fn reply_payloads_come_back() {
    for packet in replies() {
        let Ok((_, Reply::Control(reply))) = Reply::parse(&packet.bytes) else {
            continue;
        };
        let (data, place) = (&reply.data[..], &packet.place[..]);
        if data.is_empty() {
            continue;
        }
        let opcode = Opcode::ALL
            .iter()
            .find(|opcode| opcode.name() == packet.kind)
            .unwrap();
        let differing = match opcode {
            Opcode::GetNodeMap | Opcode::GetNodesFile => differing::<NodeMap>(data, place),
            Opcode::GetVnnMap => differing::<VnnMap>(data, place),
            Opcode::GetDbMap => differing::<DbMap>(data, place),
            Opcode::GetPublicIps => differing::<PublicIpList>(data, place),
            Opcode::GetPublicIpInfo => differing::<PublicIpInfo>(data, place),
            Opcode::GetIfaces => differing::<IfaceList>(data, place),
            Opcode::Uptime => differing::<Uptime>(data, place),
            Opcode::Statistics => differing::<Statistics>(data, place),
            // Holds pointers and uninitialised padding.
            Opcode::GetDbStatistics => with_garbage::<DbStatistics>(data, place),
            Opcode::GetTcpTickleList => differing::<TickleList>(data, place),
            Opcode::ListTunables => differing::<TunableName>(data, place),
            Opcode::GetAllTunables => differing::<TunableValues>(data, place),
            Opcode::GetDbName | Opcode::GetDbPath | Opcode::GetReclockFile => {
                differing::<Text>(data, place)
            }
            Opcode::GetRunstate => differing::<RunState>(data, place),
            Opcode::GetCapabilities => differing::<Capabilities>(data, place),
            Opcode::GetDbSeqnum => differing::<u64>(data, place),
            _ => differing::<u32>(data, place),
        };
        assert_eq!(differing, 0, "{place}");
    }
}
