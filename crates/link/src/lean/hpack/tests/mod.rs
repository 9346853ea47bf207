//! HPACK: the examples of its RFC, each rule by its section, requests in the long run, and another implementation.

mod examples;
mod h2;
mod huffman;
mod requests;
mod rules;
mod sizes;

use std::sync::Arc;

use bytes::Bytes;
use fanfare_types::{Head, Request};
use http::uri::{Authority, PathAndQuery};
use http::{HeaderName, HeaderValue};

use super::{Decoder, Encoder, Fault, Forbidden};

pub(super) type Fields = Vec<(String, String)>;

/// A header list longer than any here.
const LIST_MAX: usize = 64 * 1024;

/// The bytes that the digits stand for, spaces left out.
fn hex(digits: &str) -> Vec<u8> {
    let digits: Vec<u8> = digits.bytes().filter(u8::is_ascii_hexdigit).collect();
    let octet = |pair: &[u8]| {
        let pair = std::str::from_utf8(pair).unwrap();
        u8::from_str_radix(pair, 16).unwrap()
    };
    digits.chunks(2).map(octet).collect()
}

/// A string in the Huffman code.
fn encode(string: &[u8]) -> Vec<u8> {
    let mut coded = Vec::new();
    super::huffman::encode(string, &mut coded);
    coded
}

fn fields(known: &[(&str, &str)]) -> Fields {
    let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
    known.iter().map(owned).collect()
}

fn decode(decoder: &mut Decoder, block: &[u8]) -> Result<Fields, Fault> {
    let mut list = Vec::new();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    decoder.decode(block, |name, value| list.push((text(name), text(value))))?;
    Ok(list)
}

/// A head of `/3/device/`; a `*` before a value marks it sensitive.
fn head(fields: &[(&str, &str)], authorization: Option<&str>) -> Arc<Head> {
    let field = |(name, text): &(&str, &str)| {
        let mut value = HeaderValue::from_str(text.trim_start_matches('*')).unwrap();
        value.set_sensitive(text.starts_with('*'));
        (HeaderName::from_bytes(name.as_bytes()).unwrap(), value)
    };
    let secret = |text: &str| {
        let mut value = HeaderValue::from_str(text).unwrap();
        value.set_sensitive(true);
        value
    };
    Arc::new(Head::new(
        Authority::from_static("api.push.example"),
        PathAndQuery::from_static("/3/device/"),
        fields.iter().map(field).collect(),
        authorization.map(secret),
    ))
}

fn apns_head() -> Arc<Head> {
    head(
        &[
            ("apns-topic", "com.example.shop"),
            ("apns-push-type", "alert"),
            ("apns-priority", "5"),
            ("apns-expiration", "*1700000000"),
        ],
        Some("bearer eyJhbGciOiJFUzI1NiJ9.e30.c2lnbmF0dXJl"),
    )
}

fn request(head: &Arc<Head>, rest: &str, own: Option<(&'static str, &str)>) -> Request {
    Request {
        head: head.clone(),
        rest: Bytes::copy_from_slice(rest.as_bytes()),
        own: own.map(|(name, value)| {
            let value = HeaderValue::from_str(value).unwrap();
            (HeaderName::from_static(name), value)
        }),
        body: Bytes::new(),
    }
}

/// What the request says, in the order of its block.
fn said(request: &Request) -> Fields {
    let head = &request.head;
    let rest = std::str::from_utf8(&request.rest).unwrap();
    let path = format!("{}{rest}", head.path().as_str());
    let mut all = fields(&[
        (":method", "POST"),
        (":scheme", "https"),
        (":authority", head.authority().as_str()),
        (":path", &path),
    ]);
    let authorization = head.authorization().map(|value| ("authorization", value));
    let own = request
        .own
        .iter()
        .map(|(name, value)| (name.as_str(), value));
    let each = head.fields().iter();
    let each = each.map(|(name, value)| (name.as_str(), value));
    for (name, value) in each.chain(authorization).chain(own) {
        all.push((name.to_owned(), value.to_str().unwrap().to_owned()));
    }
    all
}

/// Both ends of a connection.
struct Link {
    encoder: Encoder,
    decoder: Decoder,
}

impl Link {
    fn new() -> Self {
        Link {
            encoder: Encoder::new(),
            decoder: Decoder::new(super::TABLE_BYTES, LIST_MAX),
        }
    }

    /// Writes a request's block, which the other end must read as it is meant.
    fn send(&mut self, request: &Request) -> Vec<u8> {
        let mut block = Vec::new();
        self.encoder.encode(request, &mut block).unwrap();
        assert_eq!(decode(&mut self.decoder, &block), Ok(said(request)));
        assert_eq!(
            self.encoder.table().dynamic(),
            self.decoder.table().dynamic(),
            "both ends have the same table"
        );
        block
    }

    fn refused(&mut self, request: &Request) -> Forbidden {
        let mut block = Vec::new();
        let refused = self.encoder.encode(request, &mut block).unwrap_err();
        assert!(block.is_empty(), "nothing is written");
        refused
    }
}

/// SplitMix64 (Steele, Lea, Flood 2014).
struct Draw(u64);

impl Draw {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, end: usize) -> usize {
        (self.next() % end as u64) as usize
    }

    fn one_of<'t, T>(&mut self, all: &'t [T]) -> &'t T {
        &all[self.below(all.len())]
    }

    /// Printable, without spaces.
    fn text(&mut self, bytes_max: usize) -> String {
        let bytes = self.below(bytes_max + 1);
        let mut graphic = || char::from(b'!' + self.below(94) as u8);
        (0..bytes).map(|_| graphic()).collect()
    }
}
