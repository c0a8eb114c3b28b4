//! Notifications as a store keeps them: those that were accepted together in one value, with a checksum.
//!
//! A chunk is CRC-32, count (both 4 bytes), offset of the first (8), and for each notification its length (4), the
//! time when it was accepted (8) and its text. All numbers are little-endian.

use std::sync::Arc;

use super::record::Record;

/// A chunk is closed when it has reached this. With redb's own bytes it then fits into 64 KiB.
const FULL_BYTES: usize = 56 * 1024;

const HEADER_BYTES: usize = 16;

/// The records as chunks, each under the sequence number of its first.
pub(super) fn encode(records: &[Record]) -> Vec<(u64, Vec<u8>)> {
    let mut chunks = Vec::new();
    let mut rest = records;
    while let Some(first) = rest.first() {
        let mut bytes = vec![0; HEADER_BYTES];
        let mut count = 0;
        for record in rest {
            if count > 0 && bytes.len() + record.element.len() > FULL_BYTES {
                break;
            }
            count += 1;
            // A notification is never longer than its setting allows, by far less than 4 GiB.
            bytes.extend_from_slice(&u32::try_from(record.element.len()).unwrap_or(u32::MAX).to_le_bytes());
            bytes.extend_from_slice(&record.accepted.to_le_bytes());
            bytes.extend_from_slice(record.element.as_bytes());
        }
        bytes[4..8].copy_from_slice(&u32::try_from(count).unwrap_or(u32::MAX).to_le_bytes());
        bytes[8..16].copy_from_slice(&first.offset.to_le_bytes());
        let sum = crc32(&bytes[4..]);
        bytes[..4].copy_from_slice(&sum.to_le_bytes());
        chunks.push((first.sequence, bytes));
        rest = &rest[count..];
    }
    chunks
}

/// How many notifications a chunk holds by its own word.
pub(super) fn count(chunk: &[u8]) -> u64 {
    chunk.get(4..8).and_then(|bytes| bytes.try_into().ok()).map_or(0, u32::from_le_bytes).into()
}

/// The records of the chunk under this sequence number, or `None` if it is damaged.
pub(super) fn decode(first: u64, chunk: &[u8]) -> Option<Vec<Record>> {
    let (sum, rest) = chunk.split_first_chunk()?;
    if u32::from_le_bytes(*sum) != crc32(rest) {
        return None;
    }
    let (count, rest) = rest.split_first_chunk()?;
    let (offset, mut rest) = rest.split_first_chunk()?;
    let mut offset = u64::from_le_bytes(*offset);
    let mut records = Vec::new();
    for index in 0..u64::from(u32::from_le_bytes(*count)) {
        let (len, more) = rest.split_first_chunk()?;
        let (accepted, more) = more.split_first_chunk()?;
        let (text, more) = more.split_at_checked(u32::from_le_bytes(*len) as usize)?;
        let element: Arc<str> = Arc::from(std::str::from_utf8(text).ok()?);
        let accepted = i64::from_le_bytes(*accepted);
        records.push(Record { sequence: first + index, offset, accepted, element, job: None });
        offset += text.len() as u64;
        rest = more;
    }
    Some(records)
}

/// The CRC-32 of zip and PNG, eight bytes at a time.
fn crc32(bytes: &[u8]) -> u32 {
    /// What a byte adds to the sum when as many bytes follow as the table's number says.
    const TABLES: [[u32; 256]; 8] = {
        let mut tables = [[0; 256]; 8];
        let mut index = 0;
        while index < 256 {
            let mut value = index as u32;
            let mut bit = 0;
            while bit < 8 * tables.len() {
                value = if value & 1 == 1 { 0xedb8_8320 ^ (value >> 1) } else { value >> 1 };
                bit += 1;
                if bit % 8 == 0 {
                    tables[bit / 8 - 1][index] = value;
                }
            }
            index += 1;
        }
        tables
    };
    let (eights, rest) = bytes.as_chunks::<8>();
    let sum = eights.iter().fold(!0, |sum: u32, eight| {
        let eight = u64::from_le_bytes(*eight) ^ u64::from(sum);
        let each = TABLES.iter().rev().zip(eight.to_le_bytes());
        each.fold(0, |sum, (table, byte)| sum ^ table[usize::from(byte)])
    });
    !rest.iter().fold(sum, |sum, byte| TABLES[0][usize::from(sum as u8 ^ byte)] ^ (sum >> 8))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn records(count: u64, text: &str) -> Vec<Record> {
        let record = |n| Record {
            sequence: 7 + n,
            offset: 100 + n * text.len() as u64,
            accepted: 5 + n as i64,
            element: Arc::from(text),
            job: None,
        };
        (0..count).map(record).collect()
    }

    #[test]
    fn what_is_encoded_is_decoded_in_as_many_chunks_as_it_takes() {
        for (count_of, text) in [(1, "{}"), (3, ""), (100, &*"x".repeat(2000)), (3, &"y".repeat(FULL_BYTES + 1))] {
            let records = records(count_of, text);
            let chunks = encode(&records);
            assert_eq!(chunks.len() > 1, text.len() * records.len() > FULL_BYTES);
            let mut decoded = Vec::new();
            for (first, chunk) in &chunks {
                let some = decode(*first, chunk).unwrap();
                assert_eq!(some.len() as u64, count(chunk));
                decoded.extend(some);
            }
            let plain = |records: &[Record]| -> Vec<(u64, u64, i64, Arc<str>)> {
                records.iter().map(|r| (r.sequence, r.offset, r.accepted, r.element.clone())).collect()
            };
            assert_eq!(plain(&decoded), plain(&records));
        }
    }

    #[test]
    fn a_changed_bit_or_a_missing_byte_is_noticed() {
        assert_eq!((crc32(b"123456789"), crc32(b"12345678"), crc32(b"")), (0xcbf4_3926, 0x9ae0_daaf, 0));
        let (first, chunk) = encode(&records(3, "{\"n\":1}")).remove(0);
        for at in 0..chunk.len() {
            let mut damaged = chunk.clone();
            damaged[at] ^= 1 << (at % 8);
            assert!(decode(first, &damaged).is_none(), "byte {at}");
            assert!(decode(first, &chunk[..at]).is_none(), "cut at {at}");
        }
    }
}
