//! Frames that are almost right.

use ctdb_protocol::rng::Rng;

/// Bytes that a random frame has at most.
const RANDOM_BYTES: u64 = 300;

/// A frame of nothing but chance.
pub(super) fn random(rng: &mut Rng) -> Vec<u8> {
    let length = rng.below(RANDOM_BYTES);
    (0..length).map(|_| rng.next_u64() as u8).collect()
}

/// A valid frame with some of it changed: bits, bytes, numbers at their limits, cut, doubled, joined. The length
/// field at its start is put right in most cases, or nothing behind it would ever be read.
pub(super) fn mutated(rng: &mut Rng, valid: &[Vec<u8>], length_counts_itself: bool) -> Vec<u8> {
    let mut frame = pick(rng, valid);
    for _ in 0..=rng.below(3) {
        change(rng, &mut frame, valid);
    }
    if frame.len() >= 4 && rng.chance(9, 10) {
        let own = if length_counts_itself { 0 } else { 4 };
        let length = (frame.len() - own) as u32;
        frame[..4].copy_from_slice(&length.to_le_bytes());
    }
    frame
}

fn pick(rng: &mut Rng, valid: &[Vec<u8>]) -> Vec<u8> {
    valid[rng.below(valid.len() as u64) as usize].clone()
}

fn change(rng: &mut Rng, frame: &mut Vec<u8>, valid: &[Vec<u8>]) {
    if frame.len() < 8 {
        frame.extend(random(rng));
        return;
    }
    let at = rng.below(frame.len() as u64) as usize;
    match rng.below(7) {
        0 => frame[at] ^= 1 << rng.below(8),
        1 => frame[at] = rng.next_u64() as u8,
        2 => {
            let limits = [0, 1, 0x7fff_ffff, 0x8000_0000, 0xffff_fff0, u32::MAX];
            let value: u32 = limits[rng.below(6) as usize];
            let at = at.min(frame.len() - 4) & !3;
            frame[at..at + 4].copy_from_slice(&value.to_le_bytes());
        }
        3 => frame.truncate(at),
        4 => {
            let tail = frame[at..].to_vec();
            frame.extend(tail);
        }
        5 => {
            let other = pick(rng, valid);
            frame.truncate(at);
            frame.extend(other.into_iter().skip(at));
        }
        _ => frame.extend(random(rng)),
    }
}
