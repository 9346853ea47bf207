//! The examples of RFC 7541, appendix C.

use super::super::{Decoder, TABLE_BYTES, integer};
use super::{Fields, LIST_MAX, decode, fields, hex};

/// A block, what it says, and the table after it with its size.
type Step<'a> = (
    &'a str,
    &'a [(&'a str, &'a str)],
    &'a [(&'a str, &'a str)],
    usize,
);

fn plays(mut decoder: Decoder, steps: &[Step<'_>]) {
    for (block, says, table, size) in steps {
        let says: Fields = fields(says);
        assert_eq!(decode(&mut decoder, &hex(block)), Ok(says));
        assert_eq!(decoder.table().dynamic(), fields(table));
        assert_eq!(decoder.table().size(), *size);
    }
}

fn fresh() -> Decoder {
    Decoder::new(TABLE_BYTES, LIST_MAX)
}

#[test]
fn c_1_integers() {
    for (value, prefix, octets) in [
        (10, 5, &[10][..]),
        (1_337, 5, &[31, 154, 10]),
        (42, 8, &[42]),
    ] {
        let mut written = Vec::new();
        integer::write(value, prefix, 0, &mut written);
        assert_eq!(written, octets);
        let mut rest = octets;
        assert_eq!(integer::read(&mut rest, prefix), Ok(value));
        assert!(rest.is_empty());
    }
}

#[test]
fn c_2_representations() {
    let custom = [("custom-key", "custom-header")];
    let block = "400a 6375 7374 6f6d 2d6b 6579 0d63 7573 746f 6d2d 6865 6164 6572";
    plays(fresh(), &[(block, &custom, &custom, 55)]);
    let block = "040c 2f73 616d 706c 652f 7061 7468";
    plays(fresh(), &[(block, &[(":path", "/sample/path")], &[], 0)]);
    let block = "1008 7061 7373 776f 7264 0673 6563 7265 74";
    plays(fresh(), &[(block, &[("password", "secret")], &[], 0)]);
    plays(fresh(), &[("82", &[(":method", "GET")], &[], 0)]);
}

const AUTHORITY: (&str, &str) = (":authority", "www.example.com");
const NO_CACHE: (&str, &str) = ("cache-control", "no-cache");
const CUSTOM: (&str, &str) = ("custom-key", "custom-value");
const GET: (&str, &str) = (":method", "GET");
const HTTP: (&str, &str) = (":scheme", "http");

fn requests(blocks: [&str; 3]) {
    let https = (":scheme", "https");
    let (root, index) = ((":path", "/"), (":path", "/index.html"));
    plays(
        fresh(),
        &[
            (blocks[0], &[GET, HTTP, root, AUTHORITY], &[AUTHORITY], 57),
            (
                blocks[1],
                &[GET, HTTP, root, AUTHORITY, NO_CACHE],
                &[NO_CACHE, AUTHORITY],
                110,
            ),
            (
                blocks[2],
                &[GET, https, index, AUTHORITY, CUSTOM],
                &[CUSTOM, NO_CACHE, AUTHORITY],
                164,
            ),
        ],
    );
}

#[test]
fn c_3_requests_without_huffman() {
    requests([
        "8286 8441 0f77 7777 2e65 7861 6d70 6c65 2e63 6f6d",
        "8286 84be 5808 6e6f 2d63 6163 6865",
        "8287 85bf 400a 6375 7374 6f6d 2d6b 6579 0c63 7573 746f 6d2d 7661 6c75 65",
    ]);
}

#[test]
fn c_4_requests_with_huffman() {
    requests([
        "8286 8441 8cf1 e3c2 e5f2 3a6b a0ab 90f4 ff",
        "8286 84be 5886 a8eb 1064 9cbf",
        "8287 85bf 4088 25a8 49e9 5ba9 7d7f 8925 a849 e95b b8e8 b4bf",
    ]);
}

const FOUND: (&str, &str) = (":status", "302");
const REDIRECT: (&str, &str) = (":status", "307");
const PRIVATE: (&str, &str) = ("cache-control", "private");
const DATE: (&str, &str) = ("date", "Mon, 21 Oct 2013 20:13:21 GMT");
const LATER: (&str, &str) = ("date", "Mon, 21 Oct 2013 20:13:22 GMT");
const LOCATION: (&str, &str) = ("location", "https://www.example.com");
const GZIP: (&str, &str) = ("content-encoding", "gzip");
const COOKIE: (&str, &str) = (
    "set-cookie",
    "foo=ASDJKHQKBZXOQWEOPIUAXQWEOIU; max-age=3600; version=1",
);

/// The examples have a table of 256 bytes from the start; here the first block says so.
fn responses(blocks: [&str; 3]) {
    let first = format!("3fe1 01 {}", blocks[0]);
    plays(
        Decoder::new(256, LIST_MAX),
        &[
            (
                &first,
                &[FOUND, PRIVATE, DATE, LOCATION],
                &[LOCATION, DATE, PRIVATE, FOUND],
                222,
            ),
            (
                blocks[1],
                &[REDIRECT, PRIVATE, DATE, LOCATION],
                &[REDIRECT, LOCATION, DATE, PRIVATE],
                222,
            ),
            (
                blocks[2],
                &[(":status", "200"), PRIVATE, LATER, LOCATION, GZIP, COOKIE],
                &[COOKIE, GZIP, LATER],
                215,
            ),
        ],
    );
}

#[test]
fn c_5_responses_without_huffman() {
    responses([
        "4803 3330 3258 0770 7269 7661 7465 611d 4d6f 6e2c 2032 3120 4f63 7420 3230 3133
         2032 303a 3133 3a32 3120 474d 546e 1768 7474 7073 3a2f 2f77 7777 2e65 7861 6d70
         6c65 2e63 6f6d",
        "4803 3330 37c1 c0bf",
        "88c1 611d 4d6f 6e2c 2032 3120 4f63 7420 3230 3133 2032 303a 3133 3a32 3220 474d
         54c0 5a04 677a 6970 7738 666f 6f3d 4153 444a 4b48 514b 425a 584f 5157 454f 5049
         5541 5851 5745 4f49 553b 206d 6178 2d61 6765 3d33 3630 303b 2076 6572 7369 6f6e
         3d31",
    ]);
}

#[test]
fn c_6_responses_with_huffman() {
    responses([
        "4882 6402 5885 aec3 771a 4b61 96d0 7abe 9410 54d4 44a8 2005 9504 0b81 66e0 82a6
         2d1b ff6e 919d 29ad 1718 63c7 8f0b 97c8 e9ae 82ae 43d3",
        "4883 640e ffc1 c0bf",
        "88c1 6196 d07a be94 1054 d444 a820 0595 040b 8166 e084 a62d 1bff c05a 839b d9ab
         77ad 94e7 821d d7f2 e6c7 b335 dfdf cd5b 3960 d5af 2708 7f36 72c1 ab27 0fb5 291f
         9587 3160 65c0 03ed 4ee5 b106 3d50 07",
    ]);
}
