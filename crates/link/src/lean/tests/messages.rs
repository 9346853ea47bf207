//! Answers: how they are framed, and what their fields may be.

use super::*;

const HEAD: u8 = flag::END_HEADERS;
const WHOLE: u8 = flag::END_HEADERS | flag::END_STREAM;

impl Rig {
    /// One request's answer is this head alone.
    fn answered(fields: &[(&str, &str)]) -> Rig {
        let mut rig = Rig::with_requests(1, 10);
        rig.takes(kind::HEADERS, WHOLE, 1, &block(fields));
        rig
    }

    fn turns_out_malformed(mut self) {
        assert!(self.answers.is_empty());
        self.has_reset(1, Code::PROTOCOL_ERROR);
    }
}

#[test]
fn s8_1_an_answer_is_a_head_a_body_and_trailers() {
    let mut rig = Rig::with_requests(1, 10);
    rig.takes(
        kind::HEADERS,
        HEAD,
        1,
        &block(&[(":status", "400"), ("retry-after", "7")]),
    );
    rig.takes(kind::DATA, 0, 1, b"ab");
    rig.takes(kind::DATA, 0, 1, b"cd");
    assert!(rig.answers.is_empty());
    rig.takes(
        kind::HEADERS,
        WHOLE,
        1,
        &block(&[("x-checksum", "1"), ("retry-after", "9")]),
    );
    let (_, response) = &rig.answers[0];
    assert_eq!(
        (response.status.as_u16(), &response.body[..]),
        (400, &b"abcd"[..])
    );
    assert_eq!(response.headers["retry-after"], "7");
    assert_eq!(response.headers.len(), 1, "trailers are nobody's");
    assert_eq!(rig.session.open(), 0);
}

#[test]
fn s8_1_interim_answers_come_before_the_final_one() {
    let mut rig = Rig::with_requests(1, 10);
    for status in ["100", "103", "199"] {
        rig.takes(
            kind::HEADERS,
            HEAD,
            1,
            &block(&[(":status", status), ("link", "x")]),
        );
    }
    assert!(rig.answers.is_empty());
    rig.ok(1);
    assert_eq!(rig.status(1), 200);
}

#[test]
fn s8_1_an_interim_answer_does_not_end_and_has_no_body() {
    Rig::answered(&[(":status", "100")]).turns_out_malformed();
    let mut rig = Rig::with_requests(1, 10);
    rig.takes(kind::HEADERS, HEAD, 1, &block(&[(":status", "100")]));
    rig.takes(kind::DATA, flag::END_STREAM, 1, b"x");
    rig.turns_out_malformed();
}

#[test]
fn s8_6_there_is_no_upgrade() {
    let mut rig = Rig::with_requests(1, 10);
    rig.takes(kind::HEADERS, HEAD, 1, &block(&[(":status", "101")]));
    rig.turns_out_malformed();
}

#[test]
fn s8_1_trailers_end_the_stream() {
    let mut rig = Rig::with_requests(1, 10);
    rig.takes(kind::HEADERS, HEAD, 1, OK);
    rig.takes(kind::HEADERS, HEAD, 1, &block(&[("x", "y")]));
    rig.turns_out_malformed();
}

#[test]
fn s8_1_trailers_have_no_pseudo_header_fields() {
    let mut rig = Rig::with_requests(1, 10);
    rig.takes(kind::HEADERS, HEAD, 1, OK);
    rig.takes(kind::HEADERS, WHOLE, 1, &block(&[(":status", "200")]));
    rig.turns_out_malformed();
}

#[test]
fn s8_1_1_a_body_is_as_long_as_its_content_length() {
    let head = |length| block(&[(":status", "400"), ("content-length", length)]);
    for (length, body, right) in [
        ("4", "abcd", true),
        ("0", "", true),
        ("5", "abcd", false),
        ("3", "abcd", false),
        ("0", "a", false),
        ("4x", "abcd", false),
        ("-4", "abcd", false),
        ("", "abcd", false),
        ("99999999999999999999999", "abcd", false),
    ] {
        let mut rig = Rig::with_requests(1, 10);
        rig.takes(kind::HEADERS, HEAD, 1, &head(length));
        rig.takes(kind::DATA, flag::END_STREAM, 1, body.as_bytes());
        match right {
            true => assert_eq!(rig.answers[0].1.body, body),
            false => assert!(rig.answers.is_empty(), "{length} and {body}"),
        }
    }
    Rig::answered(&[(":status", "200"), ("content-length", "4")]).turns_out_malformed();
    // What a 304 says is of another answer.
    let rig = Rig::answered(&[(":status", "304"), ("content-length", "4")]);
    assert_eq!(rig.status(1), 304);
}

#[test]
fn s8_1_1_too_much_is_malformed_before_it_ends() {
    let mut rig = Rig::with_requests(1, 10);
    rig.takes(
        kind::HEADERS,
        HEAD,
        1,
        &block(&[(":status", "200"), ("content-length", "1")]),
    );
    rig.takes(kind::DATA, 0, 1, b"ab");
    rig.turns_out_malformed();
}

#[test]
fn s8_2_1_names_and_values_are_made_of_what_they_may() {
    for name in ["", "X", "a b", "a\0", "a\n", "a\u{7f}", "é", "a:b", "a\t"] {
        Rig::answered(&[(":status", "200"), (name, "x")]).turns_out_malformed();
    }
    for value in [" x", "x ", "\tx", "x\t", "x\0y", "x\ny", "x\ry"] {
        Rig::answered(&[(":status", "200"), ("x", value)]).turns_out_malformed();
    }
    for (name, value) in [
        ("x", ""),
        ("x-1_~!#$%&'*+.^|`", "a b\tc"),
        ("x", "é \u{7f}"),
    ] {
        let rig = Rig::answered(&[(":status", "200"), (name, value)]);
        assert_eq!(rig.status(1), 200, "{name}: {value}");
    }
}

#[test]
fn s8_2_2_fields_about_the_connection_are_malformed() {
    for name in [
        "connection",
        "proxy-connection",
        "keep-alive",
        "transfer-encoding",
        "upgrade",
    ] {
        Rig::answered(&[(":status", "200"), (name, "x")]).turns_out_malformed();
    }
    Rig::answered(&[(":status", "200"), ("te", "gzip")]).turns_out_malformed();
    assert_eq!(
        Rig::answered(&[(":status", "200"), ("te", "trailers")]).status(1),
        200
    );
}

#[test]
fn s8_3_pseudo_header_fields_come_first_once_and_are_known() {
    Rig::answered(&[]).turns_out_malformed();
    Rig::answered(&[("x", "y")]).turns_out_malformed();
    Rig::answered(&[("x", "y"), (":status", "200")]).turns_out_malformed();
    Rig::answered(&[(":status", "200"), (":status", "200")]).turns_out_malformed();
    Rig::answered(&[(":status", "200"), (":path", "/")]).turns_out_malformed();
    Rig::answered(&[(":status", "200"), (":method", "GET")]).turns_out_malformed();
    Rig::answered(&[(":status", "200"), (":unknown", "x")]).turns_out_malformed();
}

#[test]
fn s8_3_2_a_status_is_three_digits() {
    for status in ["", "20", "2000", "2x0", " 200", "099"] {
        Rig::answered(&[(":status", status)]).turns_out_malformed();
    }
    for status in ["200", "204", "599", "999"] {
        let rig = Rig::answered(&[(":status", status)]);
        assert_eq!(rig.status(1).to_string(), status);
    }
}

#[test]
fn of_the_fields_of_a_failure_two_are_kept_and_none_of_a_success() {
    let fields = [
        ("retry-after", "120"),
        ("date", "Wed, 21 Oct 2015 07:28:00 GMT"),
        ("x", "y"),
    ];
    let with = |status| [&[(":status", status)][..], &fields].concat();
    let rig = Rig::answered(&with("503"));
    let headers = &rig.answers[0].1.headers;
    assert_eq!(headers.len(), 2);
    assert_eq!(
        (&headers["retry-after"], &headers["date"]),
        (
            &fields[0].1.parse().expect("a value"),
            &fields[1].1.parse().expect("a value")
        )
    );
    let rig = Rig::answered(&with("200"));
    assert!(rig.answers[0].1.headers.is_empty());
}

#[test]
fn a_body_longer_than_is_kept_is_cut_and_the_rest_ignored() {
    let mut rig = Rig::with(&Limits {
        answer_bytes: 4,
        ..LIMITS
    });
    rig.takes(kind::SETTINGS, 0, 0, &[]);
    rig.written();
    for key in 1..=2 {
        rig.request(key, 1);
    }
    rig.frames();
    for stream in [1, 3] {
        rig.takes(kind::HEADERS, HEAD, stream, OK);
    }
    rig.takes(kind::DATA, 0, 1, b"abcdef");
    let reset = rig.frame();
    assert_eq!((reset.kind, reset.stream), (kind::RST_STREAM, 1));
    rig.takes(kind::DATA, flag::END_STREAM, 1, b"ghi");
    // One that ends with it needs no reset.
    rig.takes(kind::DATA, flag::END_STREAM, 3, b"abcdef");
    assert!(rig.frames().is_empty());
    let bodies: Vec<_> = rig.answers.iter().map(|(_, r)| r.body.clone()).collect();
    assert_eq!(bodies, ["abcd", "abcd"]);
}

/// RFC 9113, 10.5.1: too long a list costs its stream, and the table stays right for the others.
#[test]
fn s10_5_1_a_list_longer_than_we_take_costs_its_stream() {
    let mut rig = Rig::with_requests(2, 10);
    let long = "a".repeat(120);
    let mut fields = block(&[(":status", "200")]);
    for _ in 0..110 {
        fields.extend(block(&[("x", &long)]));
    }
    rig.takes(kind::HEADERS, WHOLE, 1, &fields);
    rig.has_reset(1, Code::CANCEL);
    rig.ok(3);
    assert_eq!(rig.status(2), 200);
}
