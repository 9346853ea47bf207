//! The peer's table: its sizes, their changes, and what no longer fits (RFC 7541, 4.2 and 6.3).

use super::super::TABLE_BYTES;
use super::{Draw, Link, apns_head, head, hex, request};

fn sized(sizes: &[u32]) -> (Link, Vec<u8>) {
    let mut link = Link::new();
    link.send(&request(&apns_head(), "abc", None));
    for size in sizes {
        link.encoder.resize(*size);
    }
    let block = link.send(&request(&apns_head(), "abc", None));
    (link, block)
}

#[test]
fn a_change_is_told_at_the_start_of_the_next_block_and_once() {
    for (sizes, start) in [
        (&[0][..], "20 83"),
        (&[100], "3f45 83"),
        (&[100, 50], "3f13 83"),
        (&[50, 100], "3f13 3f45 83"),
        (&[0, 4_096], "20 3fe11f 83"),
        (&[0, 100, 50, 200], "20 3fa901 83"),
        (&[200, 50, 100, 4_096, 70], "3f13 3f27 83"),
    ] {
        let (mut link, block) = sized(sizes);
        let start = hex(start);
        assert_eq!(block[..start.len()], start, "{sizes:?}");
        let next = link.send(&request(&apns_head(), "abc", None));
        assert_eq!(next[0], 0x83, "{sizes:?}");
        assert_eq!(link.encoder.table().max(), link.decoder.table().max());
    }
}

/// More than ours is not used, so there is nothing to tell.
#[test]
fn a_larger_table_is_left_alone() {
    for sizes in [&[4_096][..], &[65_536], &[u32::MAX, 4_096]] {
        let (link, block) = sized(sizes);
        assert_eq!(block[0], 0x83, "{sizes:?}");
        assert_eq!(link.encoder.table().max(), TABLE_BYTES);
    }
}

#[test]
fn without_a_table_everything_is_written_out() {
    let mut link = Link::new();
    link.encoder.resize(0);
    let request = request(&apns_head(), "abc", Some(("apns-id", "1")));
    let first = link.send(&request);
    assert_eq!(first[0], 0x20);
    let second = link.send(&request);
    assert_eq!(second, first[1..]);
    assert_eq!(link.send(&request), second);
    assert_eq!(link.encoder.era(), 1, "nothing but the size has changed");
}

/// An entry larger than the table would empty it (4.4), so it is not added.
#[test]
fn what_does_not_fit_pushes_nothing_out() {
    let mut link = Link::new();
    link.encoder.resize(100);
    let long = "x".repeat(100);
    let head = head(&[("a", "1"), ("b", &long)], Some(&long));
    link.send(&request(&head, "d", None));
    let table = link.encoder.table().dynamic();
    // The authority takes 58 of 100 bytes, `a` 34.
    assert_eq!(table.len(), 2);
    let short = link.send(&request(&head, "d", None));
    assert_eq!(link.send(&request(&head, "d", None)), short);
    assert_eq!(link.encoder.table().dynamic(), table);
}

/// Growing again, the table takes in what did not fit before.
#[test]
fn a_grown_table_is_used() {
    let mut link = Link::new();
    let request = request(&apns_head(), "abc", None);
    link.encoder.resize(60);
    link.send(&request);
    let small = link.send(&request);
    link.encoder.resize(4_096);
    link.send(&request);
    let large = link.send(&request);
    assert!(large.len() < small.len() / 2, "{small:?} {large:?}");
}

/// Whatever comes in whatever order, both ends agree.
#[test]
fn requests_and_sizes_in_any_order() {
    for seed in 0..60 {
        let mut draw = Draw(seed);
        let mut link = Link::new();
        let heads: Vec<_> = (0..12).map(|_| any_head(&mut draw)).collect();
        for _ in 0..200 {
            if draw.below(8) == 0 {
                for _ in 0..=draw.below(3) {
                    let size = *draw.one_of(&[0, 33, 60, 150, 400, 4_096, 65_536]);
                    link.encoder.resize(size);
                }
            }
            let head = draw.one_of(&heads).clone();
            let rest = draw.text(100);
            let value = draw.text(150);
            let own = draw.one_of(&[None, Some("apns-id"), Some("x-0"), Some("accept")]);
            link.send(&request(&head, &rest, own.map(|name| (name, &value[..]))));
        }
    }
}

pub(super) fn any_head(draw: &mut Draw) -> std::sync::Arc<fanfare_types::Head> {
    const NAMES: [&str; 6] = ["x-0", "x-1", "apns-topic", "content-type", "accept", "x-2"];
    let mut all = Vec::new();
    for _ in 0..draw.below(6) {
        let star = *draw.one_of(&["", "", "*"]);
        // Few short ones, so that some come again; and long ones.
        let value = match draw.below(3) {
            0 => draw.text(300).replace('*', "-"),
            _ => draw.below(4).to_string(),
        };
        all.push((*draw.one_of(&NAMES), format!("{star}{value}")));
    }
    let all: Vec<_> = all
        .iter()
        .map(|(name, value)| (*name, &value[..]))
        .collect();
    let token = draw.text(400);
    head(&all, draw.one_of(&[None, Some(&token[..])]).as_deref())
}
