//! What is written for requests, and what a connection's table holds of them in the long run.

use super::super::encode::EVICTIONS_APART;
use super::super::kept::HEADS_MAX;
use super::super::{Forbidden, TABLE_BYTES};
use super::{Draw, Link, apns_head, fields, head, hex, request};

const DEVICE: &str = "00fc13adff785122b4ad28809a3420982341241421348097878e577c991de8f0";
const ID: (&str, &str) = ("apns-id", "0190f0d0-0000-7000-8000-000000000001");

/// The block of a further request of a known head: five indexed fields, and three that are its own or never indexed.
#[test]
fn after_its_first_use_a_head_is_indexes() {
    let mut link = Link::new();
    let head = apns_head();
    let device = request(&head, "abc", Some(("apns-id", "1")));
    let first = link.send(&device);
    let second = link.send(&device);
    // Table, newest first: authorization 62, priority 63, push type 64, topic 65, authority 66.
    let golden = hex("83 87 c2  04 0d 2f332f6465766963652f 616263
         c1 c0 bf  10 0f 61706e732d65787069726174696f6e 0a 31373030303030303030  be
         00 07 61706e732d6964 01 31");
    assert_eq!(second, golden);
    assert!(first.len() > second.len());
    assert_eq!(link.send(&device), golden, "from what is kept");
    let other = link.send(&request(&head, "xyz", Some(("apns-id", "2"))));
    assert_eq!(other.len(), golden.len());
    assert_eq!(
        link.decoder.table().dynamic(),
        fields(&[
            (
                "authorization",
                "bearer eyJhbGciOiJFUzI1NiJ9.e30.c2lnbmF0dXJl"
            ),
            ("apns-priority", "5"),
            ("apns-push-type", "alert"),
            ("apns-topic", "com.example.shop"),
            (":authority", "api.push.example"),
        ])
    );
}

/// FCM's: every request has the same path, and no header of its own.
#[test]
fn a_path_that_all_requests_share_is_indexed() {
    let mut link = Link::new();
    let head = head(
        &[("content-type", "application/json")],
        Some("Bearer ya29.x"),
    );
    let same = request(&head, "", None);
    link.send(&same);
    assert_eq!(link.send(&same), hex("83 87 c1 c0 bf be"));
    assert_eq!(link.send(&same), hex("83 87 c1 c0 bf be"));
    // The same head with a path of the request's own is another run.
    link.send(&request(&head, "x", None));
    link.send(&request(&head, "y", None));
    assert_eq!(link.send(&same), hex("83 87 c1 c0 bf be"));
}

#[test]
fn paths_and_ids_leave_the_table_alone() {
    let mut link = Link::new();
    let head = apns_head();
    link.send(&request(&head, DEVICE, Some(ID)));
    let (era, table) = (link.encoder.era(), link.encoder.table().dynamic());
    for n in 0..1_000 {
        let device = format!("{n:0200}");
        link.send(&request(&head, &device, Some(("apns-id", &device))));
    }
    assert_eq!(link.encoder.era(), era);
    assert_eq!(link.encoder.table().dynamic(), table);
}

/// RFC 7541, 6.2.3.
#[test]
fn what_is_sensitive_says_so_and_is_in_no_table() {
    let mut link = Link::new();
    let mut request = request(
        &head(&[("x-a", "*secret")], None),
        DEVICE,
        Some(("x-b", "own")),
    );
    if let Some((_, value)) = &mut request.own {
        value.set_sensitive(true);
    }
    for _ in 0..3 {
        let block = link.send(&request);
        for never in ["10 03 782d61 06 736563726574", "10 03 782d62 03 6f776e"] {
            let never = hex(never);
            assert!(block.windows(never.len()).any(|window| window == never));
        }
    }
    let table = link.encoder.table().dynamic();
    assert_eq!(table, fields(&[(":authority", "api.push.example")]));
}

/// A header of the request's own is named by index where there is one.
#[test]
fn names_are_written_by_index() {
    let mut link = Link::new();
    let head = head(&[("x-known", "1")], None);
    link.send(&request(&head, "a", None));
    // `x-known` is entry 62; `accept` 19 of the static table.
    let block = link.send(&request(&head, "a", Some(("x-known", "2"))));
    assert!(block.ends_with(&hex("0f 2f 01 32")));
    let block = link.send(&request(&head, "a", Some(("accept", "2"))));
    assert!(block.ends_with(&hex("0f 04 01 32")));
}

/// RFC 9113, 8.2.1: no value begins or ends with a space; it would be no part of it (RFC 9110, 5.5).
#[test]
fn spaces_around_values_are_left_out() {
    let mut link = Link::new();
    let spaced = head(&[("x-a", " 1\t"), ("x-b", "* 2 ")], Some(" 3 "));
    let plain = head(&[("x-a", "1"), ("x-b", "*2")], Some("3"));
    let mut block = Vec::new();
    let request_spaced = request(&spaced, "d", Some(("x-c", " 4 ")));
    link.encoder.encode(&request_spaced, &mut block).unwrap();
    let read = super::decode(&mut link.decoder, &block);
    assert_eq!(
        read,
        Ok(super::said(&request(&plain, "d", Some(("x-c", "4")))))
    );
}

/// A hundred messages, each with an expiry of its own and equal in the rest.
#[test]
fn heads_with_equal_fields_share_entries() {
    let mut link = Link::new();
    let campaign = |n: usize| {
        let expiration = format!("*{}", 1_700_000_000 + n);
        let fields = [
            ("apns-topic", "com.example.shop"),
            ("apns-push-type", "alert"),
            ("apns-priority", "5"),
            ("apns-expiration", &expiration),
        ];
        head(&fields, Some("bearer one-token"))
    };
    let heads: Vec<_> = (0..100).map(campaign).collect();
    link.send(&request(&heads[0], DEVICE, Some(ID)));
    let era = link.encoder.era();
    let mut lengths = Vec::new();
    for _ in 0..3 {
        for head in &heads {
            lengths.push(link.send(&request(head, DEVICE, Some(ID))).len());
        }
    }
    assert_eq!(link.encoder.era(), era, "nothing is added");
    assert!(lengths.iter().all(|length| *length == lengths[0]));
}

/// A token lives for most of an hour; a connection for days.
#[test]
fn old_tokens_make_way_for_new_ones() {
    let mut link = Link::new();
    let token = |n: usize| format!("bearer {n:0300}");
    for n in 0..40 {
        let fields = [("apns-topic", "com.example.shop"), ("apns-priority", "5")];
        let head = head(&fields, Some(&token(n)));
        let block = request(&head, DEVICE, Some(ID));
        let mut last = 0;
        for _ in 0..2 * EVICTIONS_APART + 2 {
            last = link.send(&block).len();
        }
        assert!(last < 200, "token {n} has its place: {last} bytes");
        assert!(link.encoder.table().size() <= TABLE_BYTES);
    }
}

/// Where more is asked for than fits, the table does not go round.
#[test]
fn a_table_too_small_for_all_stays_as_it_is_for_long() {
    let mut link = Link::new();
    let value = |n: usize| format!("{n:0200}");
    let heads: Vec<_> = (0..100)
        .map(|n| head(&[("x-one", &value(n))], None))
        .collect();
    let blocks = 10_000;
    for n in 0..blocks {
        link.send(&request(&heads[n % heads.len()], "d", None));
    }
    // The first fill it, and then one in so many changes it.
    let fill = (TABLE_BYTES / 200) as u64;
    let allowed = fill + blocks as u64 / EVICTIONS_APART + 1;
    assert!(link.encoder.era() <= allowed, "{}", link.encoder.era());
    assert!(link.encoder.era() > fill, "and not for ever");
}

/// More messages at once than runs are kept.
#[test]
fn more_heads_than_are_kept_are_right_all_the_same() {
    let mut link = Link::new();
    let value = |n: usize| format!("*{n}");
    let count = 2 * HEADS_MAX + 1;
    let heads: Vec<_> = (0..count)
        .map(|n| head(&[("x-one", &value(n))], None))
        .collect();
    let mut draw = Draw(7);
    for n in 0..4 * count {
        let at = match n < 2 * count {
            true => n % count,
            false => draw.below(count),
        };
        link.send(&request(&heads[at], "d", None));
        link.send(&request(&heads[0], "d", None));
    }
}

/// A head that is gone is not taken for one that has its place in memory.
#[test]
fn heads_come_and_go() {
    let mut link = Link::new();
    for n in 0..1_000 {
        let head = head(&[("x-one", &format!("*{n}"))], None);
        link.send(&request(&head, "d", None));
        link.send(&request(&head, "d", None));
    }
}

/// RFC 9113, 8.2.2 and 8.3.1.
#[test]
fn forbidden_headers_are_refused_before_anything_is_written() {
    let mut link = Link::new();
    for (name, value, fault) in [
        ("connection", "close", Forbidden::Connection("connection")),
        ("keep-alive", "1", Forbidden::Connection("keep-alive")),
        (
            "proxy-connection",
            "close",
            Forbidden::Connection("proxy-connection"),
        ),
        (
            "transfer-encoding",
            "chunked",
            Forbidden::Connection("transfer-encoding"),
        ),
        ("upgrade", "h2c", Forbidden::Connection("upgrade")),
        ("te", "gzip", Forbidden::Te),
        ("te", "trailers, gzip", Forbidden::Te),
        ("host", "other.example", Forbidden::Host),
    ] {
        let of_head = head(&[("x-new", value), (name, value)], None);
        assert_eq!(link.refused(&request(&of_head, "d", None)), fault);
        let own = request(&head(&[("x-new", value)], None), "d", Some((name, value)));
        assert_eq!(link.refused(&own), fault);
    }
    assert_eq!(link.encoder.era(), 0, "no entry is made");
    let good = [("te", "trailers"), ("host", "api.push.example")];
    link.send(&request(&head(&good, None), "d", None));
    link.send(&request(&head(&[], None), "d", Some(("te", "trailers"))));
}

/// A change of size that waits to be told is told by the next block that is written.
#[test]
fn a_refused_request_keeps_what_is_owed() {
    let mut link = Link::new();
    link.encoder.resize(0);
    link.refused(&request(&head(&[("te", "gzip")], None), "d", None));
    let block = link.send(&request(&head(&[], None), "d", None));
    assert_eq!(block[0], 0x20);
}
