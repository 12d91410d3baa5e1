//! Mutations of inputs, from a seed.

use support::rng::Rng;

/// Bytes that mean something to a parser.
const BYTES: &[u8] = b"\0\t\n\r #=:.-019azAZ\x7F\x80\xC3\xFF";
const CHANGES_MAX: u64 = 4;
const PIECE_BYTES_MAX: usize = 64;

/// Returns one of the inputs with some changes.
pub(crate) fn mutated(inputs: &[Vec<u8>], rng: &mut Rng) -> Vec<u8> {
    let mut bytes = inputs[rng.index(inputs.len())].clone();
    for _ in 0..rng.between(1, CHANGES_MAX) {
        change(&mut bytes, inputs, rng);
    }
    bytes
}

fn change(bytes: &mut Vec<u8>, inputs: &[Vec<u8>], rng: &mut Rng) {
    let at = rng.index(bytes.len() + 1);
    let piece = (at + 1 + rng.index(PIECE_BYTES_MAX)).min(bytes.len());
    match rng.below(8) {
        0 => bytes.insert(at, rng.pick(BYTES)),
        1 => drop(bytes.drain(at..piece)),
        2 => {
            let copy = bytes[at..piece].to_vec();
            let to = rng.index(bytes.len() + 1);
            bytes.splice(to..to, copy);
        }
        3 => bytes.truncate(at),
        4 => {
            let other = &inputs[rng.index(inputs.len())];
            let from = rng.index(other.len() + 1);
            let end = (from + 1 + rng.index(PIECE_BYTES_MAX)).min(other.len());
            bytes.splice(at..at, other[from..end].iter().copied());
        }
        kind => {
            let random = rng.next().to_le_bytes()[0];
            let Some(byte) = bytes.get_mut(at) else { return };
            *byte = match kind {
                5 => *byte ^ (1 << (random % 8)),
                6 => rng.pick(BYTES),
                _ => random,
            };
        }
    }
}
