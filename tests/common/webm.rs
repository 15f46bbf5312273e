//! The blocks of a WebM, to damage them.

use std::ops::Range;

/// Length of the number at `at` of an EBML file, in bytes, and the number (RFC 8794).
fn number(file: &[u8], at: usize) -> (usize, usize) {
    let length = file[at].leading_zeros() as usize + 1;
    let first = usize::from(file[at]) & ((1 << (8 - length)) - 1);
    let number =
        file[at + 1..at + length].iter().fold(first, |number, byte| number << 8 | usize::from(*byte));
    (length, number)
}

/// Where the simple blocks of all clusters are: from the number of the track on, in one byte;
/// behind it two for the time and one of flags, then a packet.
pub(crate) fn blocks(file: &[u8]) -> Vec<Range<usize>> {
    const CLUSTER: [u8; 4] = [0x1f, 0x43, 0xb6, 0x75];
    const TIME: u8 = 0xe7;
    const SIMPLE_BLOCK: u8 = 0xa3;
    let mut blocks = Vec::new();
    for cluster in file.windows(4).enumerate().filter(|(_, id)| *id == CLUSTER).map(|(at, _)| at) {
        let mut at = cluster + 4;
        at += number(file, at).0;
        while let Some(id @ (TIME | SIMPLE_BLOCK)) = file.get(at).copied() {
            let (digits, length) = number(file, at + 1);
            let body = at + 1 + digits;
            at = body + length;
            if id == SIMPLE_BLOCK {
                blocks.push(body..at);
            }
        }
    }
    blocks
}
