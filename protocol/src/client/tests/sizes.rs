//! Sizes and offsets, compared with those that a C program printed for 4.17.12.

use alloc::vec;

use crate::client::ban::BanState;
use crate::client::cursor::Payload;
use crate::client::database::{DbSeqnumQuery, DbVacuum, PullDbExt, ScheduleForDeletion, TransDb};
use crate::client::db_statistics::DbStatistics;
use crate::client::dbmap::{DbEntry, DbFlags, DbMap};
use crate::client::iface::{Iface, IfaceList};
use crate::client::marshall::Marshall;
use crate::client::nodemap::{Node, NodeFlagChange, NodeFlags, NodeMap};
use crate::client::public_ip::{AddrInfo, PublicIp, PublicIpInfo, PublicIpList};
use crate::client::record_header::{RecordFlags, RecordHeader};
use crate::client::server_id::{PidSrvid, ServerId};
use crate::client::sockaddr::{Connection, SockAddr};
use crate::client::srvid_message::{
    DisableMessage, EchoData, ElectionMessage, NotifyData, SrvidMessage,
};
use crate::client::statistics::{Latency, LockStatistics, Statistics, StatisticsHistory};
use crate::client::tickle::TickleList;
use crate::client::traverse::{RecordData, TraverseStart, TraverseStartExt};
use crate::client::tunable::{TunableName, TunableSetting, TunableValues};
use crate::client::uptime::{TimeVal, Uptime};
use crate::client::vnnmap::VnnMap;
use crate::hash::db_id;

/// The size of the value's encoding; checks on the way that it reads back the same.
fn size<T: Payload + PartialEq + core::fmt::Debug>(value: &T) -> usize {
    let bytes = value.to_bytes();
    assert_eq!(&T::parse(&bytes).unwrap(), value);
    assert!(bytes.len() >= T::MIN_SIZE);
    bytes.len()
}

fn v6() -> SockAddr {
    let addr: core::net::SocketAddrV6 = "[fe80::1]:445".parse().unwrap();
    SockAddr::V6(core::net::SocketAddrV6::new(
        *addr.ip(),
        445,
        0x0102_0304,
        7,
    ))
}

#[test]
fn fixed_sizes() {
    assert_eq!(size(&SockAddr::Unspecified), 28);
    assert_eq!(size(&v6()), 28);
    assert_eq!(size(&Connection::default()), 56);
    assert_eq!(size(&PublicIp::default()), 32);
    assert_eq!(size(&Iface::default()), 24);
    assert_eq!(size(&Uptime::default()), 64);
    assert_eq!(size(&TimeVal::default()), 16);
    assert_eq!(size(&BanState::default()), 8);
    assert_eq!(size(&NodeFlagChange::default()), 12);
    assert_eq!(size(&SrvidMessage::default()), 16);
    assert_eq!(size(&DisableMessage::default()), 24);
    assert_eq!(size(&ElectionMessage::default()), 32);
    assert_eq!(size(&PullDbExt::default()), 16);
    assert_eq!(size(&TransDb::default()), 8);
    assert_eq!(size(&DbSeqnumQuery::default()), 8);
    assert_eq!(size(&DbVacuum::default()), 5);
    assert_eq!(size(&TraverseStart::default()), 16);
    assert_eq!(size(&TraverseStartExt::default()), 24);
    assert_eq!(size(&ServerId::default()), 24);
    assert_eq!(size(&PidSrvid::default()), 12);
    assert_eq!(size(&Latency::default()), 32);
    assert_eq!(size(&LockStatistics::default()), 112);
    assert_eq!(size(&Statistics::default()), 488);
    assert_eq!(size(&RecordHeader::default()), 24);
}

#[test]
fn sizes_of_lists() {
    let node = Node {
        pnn: 1,
        flags: NodeFlags::STOPPED,
        addr: v6(),
    };
    assert_eq!(
        size(&NodeMap {
            nodes: vec![node; 3]
        }),
        4 + 36 * 3
    );
    assert_eq!(
        size(&VnnMap {
            generation: 9,
            map: vec![0, 1, 2]
        }),
        8 + 4 * 3
    );
    let db = DbEntry {
        db_id: 5,
        flags: DbFlags::REPLICATED,
    };
    assert_eq!(size(&DbMap { dbs: vec![db; 3] }), 4 + 8 * 3);
    assert_eq!(
        size(&PublicIpList {
            ips: vec![PublicIp::default(); 3]
        }),
        4 + 32 * 3
    );
    let iface = Iface {
        name: "eth0".into(),
        link: 1,
        references: 2,
    };
    assert_eq!(
        size(&IfaceList {
            ifaces: vec![iface; 3]
        }),
        4 + 24 * 3
    );
}

#[test]
fn sizes_of_structures_with_lists() {
    let iface = Iface {
        name: "eth0".into(),
        link: 1,
        references: 2,
    };
    let info = PublicIpInfo {
        ip: PublicIp::default(),
        active: 1,
        ifaces: vec![iface; 2],
    };
    assert_eq!(size(&info), 40 + 24 * 2);
    assert_eq!(
        size(&AddrInfo {
            addr: v6(),
            mask: 64,
            iface: Some("eth0".into())
        }),
        36 + 5
    );
    assert_eq!(size(&AddrInfo::default()), 36);
    let list = TickleList {
        addr: v6(),
        connections: vec![
            Connection {
                src: v6(),
                dst: v6()
            };
            2
        ],
    };
    assert_eq!(size(&list), 32 + 56 * 2);
    let history = StatisticsHistory {
        entries: vec![Statistics::default(); 100],
    };
    assert_eq!(size(&history), 48_808);
    let mut stats = DbStatistics::default();
    stats.hot_keys[3].key = b"hot".to_vec();
    assert_eq!(size(&stats), 464 + 3);
}

#[test]
fn sizes_of_requests() {
    let deletion = ScheduleForDeletion {
        key: b"k".to_vec(),
        ..ScheduleForDeletion::default()
    };
    assert_eq!(size(&deletion), 36 + 1);
    let record = RecordData {
        reqid: 1,
        key: b"key".to_vec(),
        data: vec![0; 30],
    };
    assert_eq!(size(&record), 16 + 3 + 30);
    assert_eq!(size(&RecordData::end(7)), 16);
    assert_eq!(
        size(&Marshall {
            db_id: 1,
            records: vec![record; 2]
        }),
        8 + 49 * 2
    );
    assert_eq!(
        size(&TunableName {
            name: "MonitorInterval".into()
        }),
        20
    );
    assert_eq!(
        size(&TunableSetting {
            value: 15,
            name: "MonitorInterval".into()
        }),
        24
    );
    assert_eq!(
        size(&TunableValues {
            values: vec![3; 62]
        }),
        248
    );
    assert_eq!(
        size(&NotifyData {
            srvid: 1,
            data: b"bye".to_vec()
        }),
        12 + 3
    );
    assert_eq!(
        size(&EchoData {
            timeout_ms: 1,
            data: b"hallo".to_vec()
        }),
        8 + 5
    );
}

#[test]
fn offsets_inside_the_statistics() {
    let stats = Statistics {
        num_recoveries: 0x1111_1111,
        max_hop_count: 0x2222_2222,
        total_ro_revokes: 0x3333_3333,
        ..Statistics::default()
    };
    let bytes = stats.to_bytes();
    assert_eq!(bytes[440..444], [0x11; 4]);
    assert_eq!(bytes[304..308], [0x22; 4]);
    assert_eq!(bytes[484..488], [0x33; 4]);
}

#[test]
fn too_short_and_too_long_are_refused_everywhere() {
    let bytes = Statistics::default().to_bytes();
    assert!(Statistics::parse(&bytes[..487]).is_err());
    let mut longer = BanState::default().to_bytes();
    longer.push(0);
    assert!(BanState::parse(&longer).is_err());
}

#[test]
fn a_count_that_lies_allocates_nothing() {
    for count in [2_u32, 1 << 20, u32::MAX] {
        let mut bytes = count.to_le_bytes().to_vec();
        bytes.extend([0; 36]);
        assert!(NodeMap::parse(&bytes).is_err(), "{count}");
    }
}

#[test]
fn garbage_behind_an_ipv4_address_does_not_matter() {
    let clean: SockAddr = "10.0.0.1:445"
        .parse::<core::net::SocketAddr>()
        .unwrap()
        .into();
    let mut bytes = clean.to_bytes();
    bytes[8..].fill(0xa5);
    assert_eq!(SockAddr::parse(&bytes).unwrap(), clean);
    let mapped: SockAddr = "[::ffff:10.0.0.1]:445"
        .parse::<core::net::SocketAddr>()
        .unwrap()
        .into();
    assert_eq!(mapped.canonical(), clean);
}

#[test]
fn names_of_interfaces_are_cut_at_a_character() {
    let name = "äääääääääää";
    let iface = Iface {
        name: name.into(),
        ..Iface::default()
    };
    assert_eq!(Iface::parse(&iface.to_bytes()).unwrap().name, "ääääääää");
}

#[test]
fn records_split_into_header_and_data() {
    let header = RecordHeader {
        rsn: 7,
        dmaster: 2,
        reserved: 0,
        flags: RecordFlags::MIGRATED_WITH_DATA,
    };
    let stored = header.join(b"data");
    assert_eq!(stored.len(), 28);
    assert_eq!(
        RecordHeader::split(&stored).unwrap(),
        (header, &b"data"[..])
    );
    assert!(RecordHeader::split(&stored[..23]).is_err());
}

#[test]
fn the_lmaster_is_chosen_by_hash() {
    let map = VnnMap {
        generation: 2,
        map: vec![0, 1, 2],
    };
    // "g_lock.tdb" with its NUL hashes to the database id: 0x4d2a432b mod 3 = 1.
    assert_eq!(map.lmaster(b"g_lock.tdb\0"), Some(db_id("g_lock.tdb") % 3));
    assert_eq!(VnnMap::default().lmaster(b"x"), None);
}
