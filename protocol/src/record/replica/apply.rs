//! Which changes of a transaction a member accepts (client-protocol.md section 5.8).

use crate::record::header::RecordHeader;

/// Whether `new` (header and data) may replace `old`: its sequence number is greater, or the data is the same.
/// A record that is not there counts as one without data and with number 0.
pub fn may_replace(old: Option<&[u8]>, new: &[u8]) -> bool {
    let Some((new_header, new_data)) = RecordHeader::split(new) else {
        return false;
    };
    let old = old.and_then(RecordHeader::split);
    let (old_header, old_data) = old.unwrap_or((RecordHeader::default(), &[]));
    new_header.rsn > old_header.rsn || new_data == old_data
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::Rsn;
    use alloc::vec::Vec;

    fn value(rsn: u64, data: &[u8]) -> Vec<u8> {
        let header = RecordHeader {
            rsn: Rsn(rsn),
            ..RecordHeader::default()
        };
        [&header.to_bytes(), data].concat()
    }

    #[test]
    fn only_greater_numbers_and_the_same_data_are_accepted() {
        let old = value(5, b"old");
        let table = [
            (Some(&old[..]), 6, &b"new"[..], true),
            (Some(&old[..]), 5, &b"new"[..], false),
            (Some(&old[..]), 4, &b"new"[..], false),
            (Some(&old[..]), 5, &b"old"[..], true),
            (Some(&old[..]), 4, &b"old"[..], true),
            (None, 1, &b"new"[..], true),
            (None, 0, &b"new"[..], false),
            (None, 0, &b""[..], true),
        ];
        for (old, rsn, data, expected) in table {
            let new = value(rsn, data);
            assert_eq!(may_replace(old, &new), expected, "{rsn} {data:?}");
        }
        assert!(!may_replace(None, b"no header"));
    }
}
