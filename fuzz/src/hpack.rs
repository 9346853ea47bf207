//! Header blocks that a peer sends: each gives a header list within its limit, or the right reason why not; the table
//! stays within its own; and how long a list may be makes no difference to what is read afterwards.
//!
//! An input is `4096 16384` (the limits of table and list, in bytes), and a line of hexadecimal digits for each block.

use fanfare_link::codec::{BlockReader, Unread};

/// Beyond any list that an input's few kilobytes can stand for: each octet gives at most one field of the largest table.
const ANY_LIST: usize = usize::MAX;

/// Largest limits that an input can ask for.
const LIMIT_MAX: usize = 64 * 1024;

/// What a field counts beside its name and value (RFC 9113, 6.5.2).
const FIELD_OVERHEAD: usize = 32;

#[derive(Debug, Default, PartialEq, Eq)]
struct List {
    fields: Vec<(Vec<u8>, Vec<u8>)>,
    /// Of all fields, also of those not kept.
    bytes: usize,
}

/// See the module.
pub fn run(input: &[u8]) {
    lists(input);
}

/// As [`run`]; gives how many header lists were read.
pub fn lists(input: &[u8]) -> usize {
    let mut lines = input.split(|byte| *byte == b'\n');
    let limits = String::from_utf8_lossy(lines.next().unwrap_or_default());
    let mut limits = limits.split(' ').map(|word| word.trim().parse::<usize>());
    let mut limit = |default| match limits.next() {
        Some(Ok(limit)) => limit.min(LIMIT_MAX),
        _ => default,
    };
    let (table_max, list_max) = (limit(4_096), limit(16_384));
    let mut strict = BlockReader::new(table_max, list_max);
    let mut patient = BlockReader::new(table_max, ANY_LIST);
    let mut read = 0;
    for block in lines.map(crate::bytes_in) {
        let (list, all) = (
            read_list(&mut strict, &block, list_max),
            read_list(&mut patient, &block, list_max),
        );
        match &all {
            Ok(list_all) if list_all.bytes <= list_max => {
                read += 1;
                assert_eq!(list, all);
            }
            Ok(_) => assert_eq!(list, Err(Unread::TooLong)),
            Err(_) => {
                assert_eq!(all, Err(Unread::Broken), "no list is too long here");
                assert_eq!(list, all);
                break;
            }
        }
        assert_eq!(strict.table(), patient.table());
        assert_eq!(strict.table_bytes(), patient.table_bytes());
        // Until it is told otherwise, a peer has the table that every connection begins with.
        assert!(strict.table_bytes() <= table_max.max(4_096));
        assert!(strict.scratch_bytes() <= 4 * list_max.max(table_max).max(4_096));
    }
    read
}

fn read_list(reader: &mut BlockReader, block: &[u8], keep: usize) -> Result<List, Unread> {
    let mut list = List::default();
    reader.read(block, |name, value| {
        list.bytes += name.len() + value.len() + FIELD_OVERHEAD;
        if list.bytes <= keep {
            list.fields.push((name.to_vec(), value.to_vec()));
        }
    })?;
    Ok(list)
}
