//! What a decoder must take and must refuse, by the sections of RFC 7541.

use std::time::Instant;

use super::super::{Broken, Decoder, FIELD_OVERHEAD, Fault, TABLE_BYTES, integer};
use super::{LIST_MAX, decode, encode, fields, hex};

fn fresh() -> Decoder {
    Decoder::new(TABLE_BYTES, LIST_MAX)
}

#[test]
fn what_is_malformed_is_refused() {
    use Broken::{CutShort, Huffman, Index, Integer, TableSize};
    for (block, fault, why) in [
        ("80", Index, "6.1: index 0"),
        ("be", Index, "2.3.3: beyond both tables"),
        ("88 ff 80 01", Index, "the same, far beyond"),
        ("7e 00", Index, "6.2.1: a name beyond both tables"),
        ("0f 2f 00", Index, "6.2.2: a name beyond both tables"),
        ("1f 2f 00", Index, "6.2.3: a name beyond both tables"),
        ("ff", CutShort, "5.1: an integer without its end"),
        ("ff 80", CutShort, "the same"),
        ("ff 80 80 80 80 80 00", Integer, "5.1: too many octets"),
        ("ff ff ff ff ff 0f", Integer, "5.1: beyond 32 bits"),
        ("ff ff ff ff ff 7f", Integer, "5.1: far beyond 32 bits"),
        (
            "00 7f ff ff ff ff ff ff ff ff ff ff 01",
            Integer,
            "5.1: as a length",
        ),
        ("40", CutShort, "6.2.1: no name"),
        ("40 01 61", CutShort, "6.2.1: no value"),
        ("04", CutShort, "6.2.2: no value"),
        ("00 05 61", CutShort, "5.2: a name shorter than it says"),
        ("04 05 2f", CutShort, "5.2: a value shorter than it says"),
        ("04 7f 80 80 80 80 10 2f", Integer, "5.2: 4 GiB and more"),
        ("04 7f 80 ff ff ff 0f 2f", CutShort, "5.2: nearly 4 GiB"),
        ("04 84 ff ff ff ff", Huffman, "5.2: EOS"),
        ("00 82 07 ff 00", Huffman, "5.2: padding of a name"),
        ("88 20", TableSize, "4.2: a size behind a field"),
        ("20 88 20", TableSize, "4.2: the same behind an allowed one"),
        ("3f e2 1f", TableSize, "6.3: beyond our SETTINGS"),
        ("3f", CutShort, "6.3: without its end"),
    ] {
        let fault = Err(Fault::Broken(fault));
        assert_eq!(decode(&mut fresh(), &hex(block)), fault, "{why}: {block}");
    }
}

/// Any integer's forms with and without leading zeros, up to the largest (5.1).
#[test]
fn integers_of_every_size() {
    for prefix in 1..=8 {
        for shift in 0..32 {
            for value in [(1_usize << shift) - 1, 1 << shift, (1 << shift) + 1] {
                let mut octets = Vec::new();
                integer::write(value, prefix, 0, &mut octets);
                let mut rest = &octets[..];
                assert_eq!(integer::read(&mut rest, prefix), Ok(value));
                assert!(rest.is_empty());
            }
        }
    }
    let mut largest = &hex("ff 80 fe ff ff 0f")[..];
    assert_eq!(integer::read(&mut largest, 8), Ok(u32::MAX as usize));
    let mut with_zeros = &hex("ff 80 80 80 80 00")[..];
    assert_eq!(integer::read(&mut with_zeros, 8), Ok(255));
}

/// 2.3.2: names and values may come twice, and both are counted.
#[test]
fn duplicates_have_entries_of_their_own() {
    let mut decoder = fresh();
    let twice = "400161 0162 400161 0162";
    assert_eq!(
        decode(&mut decoder, &hex(twice)),
        Ok(fields(&[("a", "b"), ("a", "b")]))
    );
    assert_eq!(decoder.table().size(), 68);
    assert_eq!(decoder.table().dynamic(), fields(&[("a", "b"), ("a", "b")]));
}

/// 4.3: a smaller table evicts, and a larger one has them no more.
#[test]
fn a_smaller_table_evicts_the_oldest() {
    let mut decoder = fresh();
    decode(&mut decoder, &hex("400161 0131 400162 0132 400163 0133")).unwrap();
    // 70 bytes: two of 34.
    decode(&mut decoder, &hex("3f27")).unwrap();
    assert_eq!(decoder.table().dynamic(), fields(&[("c", "3"), ("b", "2")]));
    decode(&mut decoder, &hex("20 3fe11f")).unwrap();
    assert!(decoder.table().dynamic().is_empty());
    assert_eq!(decoder.table().max(), TABLE_BYTES);
    decode(&mut decoder, &hex("400161 0131")).unwrap();
    assert_eq!(decode(&mut decoder, &hex("be")), Ok(fields(&[("a", "1")])));
}

/// 4.4: an entry larger than the table empties it, and is no error.
#[test]
fn an_entry_that_cannot_fit_empties_the_table() {
    let mut decoder = fresh();
    decode(&mut decoder, &hex("3f07 400161 0131")).unwrap();
    assert_eq!(decoder.table().dynamic().len(), 1);
    let block = hex("400161 0a 30313233343536373839");
    assert_eq!(
        decode(&mut decoder, &block),
        Ok(fields(&[("a", "0123456789")]))
    );
    assert!(decoder.table().dynamic().is_empty());
}

/// 4.4: the name of a new entry may be that of one it evicts.
#[test]
fn a_name_outlives_the_entry_it_was_in() {
    let mut decoder = fresh();
    // A table of 40 bytes holds one of them.
    decode(&mut decoder, &hex("3f09 4004 6e616d65 0131")).unwrap();
    let block = hex("7e 0132");
    assert_eq!(decode(&mut decoder, &block), Ok(fields(&[("name", "2")])));
    assert_eq!(decoder.table().dynamic(), fields(&[("name", "2")]));
}

/// RFC 9113, 4.3.1: the first block says that our lower limit is known.
#[test]
fn a_lower_limit_of_ours_is_to_be_acknowledged() {
    let mut decoder = Decoder::new(100, LIST_MAX);
    let fault = Err(Fault::Broken(Broken::TableSize));
    assert_eq!(decode(&mut decoder, &hex("88")), fault);
    let mut decoder = Decoder::new(100, LIST_MAX);
    assert_eq!(
        decode(&mut decoder, &hex("3f46 88")),
        fault,
        "101 of 100 bytes"
    );
    let mut decoder = Decoder::new(100, LIST_MAX);
    let ok = || Ok(fields(&[(":status", "200")]));
    assert_eq!(decode(&mut decoder, &hex("3f45 88")), ok());
    assert_eq!(decode(&mut decoder, &hex("88")), ok(), "said once");
    let mut decoder = Decoder::new(10 * TABLE_BYTES, LIST_MAX);
    assert_eq!(
        decode(&mut decoder, &hex("88")),
        ok(),
        "a higher one is an offer"
    );
    assert_eq!(decode(&mut decoder, &hex("3fe2 1f 88")), ok());
}

/// RFC 9113, 6.5.2: a field counts 32 bytes more than its strings.
#[test]
fn lists_are_taken_up_to_their_limit() {
    let status = ":status".len() + "200".len() + FIELD_OVERHEAD;
    let three = hex("88 88 88");
    let mut decoder = Decoder::new(TABLE_BYTES, 3 * status);
    assert_eq!(decode(&mut decoder, &three).map(|list| list.len()), Ok(3));
    let mut decoder = Decoder::new(TABLE_BYTES, 3 * status - 1);
    let mut given = 0;
    let fault = decoder.decode(&three, |_, _| given += 1);
    assert_eq!((fault, given), (Err(Fault::TooLong), 2));
}

/// Once a list is too long nothing more of it is given, be it ever so short; the table is as the peer has it.
#[test]
fn a_list_too_long_still_counts_for_the_table() {
    let mut decoder = Decoder::new(TABLE_BYTES, 100);
    let mut block = hex("4001 61 7f 01");
    block.extend([b'x'; 128]);
    block.extend(hex("4001 62 0179 88"));
    let mut given = 0;
    let fault = decoder.decode(&block, |_, _| given += 1);
    assert_eq!((fault, given), (Err(Fault::TooLong), 0));
    assert_eq!(decoder.table().dynamic().len(), 2);
    assert_eq!(decode(&mut decoder, &hex("be")), Ok(fields(&[("b", "y")])));
    // What is broken in it is still found.
    block.push(0x80);
    assert_eq!(
        decode(&mut decoder, &block),
        Err(Fault::Broken(Broken::Index))
    );
}

/// A literal that is added to the table: `a` with a value of so many bytes, Huffman-coded or not.
fn added(value_bytes: usize, coded: bool) -> Vec<u8> {
    let value = vec![b'0'; value_bytes];
    let (pattern, value) = match coded {
        true => (0x80, encode(&value)),
        false => (0, value),
    };
    let mut block = hex("4001 61");
    integer::write(value.len(), 7, pattern, &mut block);
    block.extend(value);
    block
}

/// A block that means far more than it says costs neither memory nor much time.
#[test]
fn header_bombs_go_nowhere() {
    let mut decoder = fresh();
    decode(&mut decoder, &added(4_000, false)).unwrap();
    assert_eq!(decoder.table().size(), 4_001 + FIELD_OVERHEAD);
    let begun = Instant::now();
    let mut given = 0;
    let fault = decoder.decode(&vec![0xbe; 1024 * 1024], |_, _| given += 1);
    assert_eq!(
        (fault, given),
        (Err(Fault::TooLong), LIST_MAX / (4_001 + FIELD_OVERHEAD))
    );
    // Far more than it takes, and far less than to copy 4 GiB.
    assert!(begun.elapsed().as_secs() < 2);
    assert_eq!(decoder.table().size(), 4_001 + FIELD_OVERHEAD);

    for coded in [false, true] {
        let fault = decode(&mut decoder, &added(1024 * 1024, coded));
        assert_eq!(fault, Err(Fault::TooLong));
        assert!(decoder.scratch_bytes() <= 4 * LIST_MAX);
        assert!(decoder.table().dynamic().is_empty(), "4.4");
    }
}
