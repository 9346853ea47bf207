use fanfare_store::campaigns::Named;
use fanfare_types::message::Variables;
use fanfare_types::{
    AppId, Audience, CampaignId, CampaignRecord, Message, MissingVariable, OnUnknown, Priority,
    Timestamp,
};
use proptest::prelude::*;

use super::*;

const LIMITS: Limits = Limits {
    rows_max: 1_000_000,
    row_bytes_max: 256,
};

fn campaign(title: &str, variables: &[(&str, &str)], missing: MissingVariable) -> CampaignRecord {
    let owned = |(name, text): &(&str, &str)| ((*name).to_owned(), (*text).to_owned());
    CampaignRecord {
        id: CampaignId::new(Timestamp(1), 1),
        app: AppId::new("shop").unwrap(),
        name: "spring".to_owned(),
        created_at: Timestamp(1),
        audience: Audience::Upload,
        message: Message {
            title: Some(title.to_owned()),
            ..Message::default()
        },
        variables: variables.iter().map(owned).collect(),
        missing_variable: missing,
        priority: Priority::Normal,
        collapse_key: None,
        on_unknown: OnUnknown::Retry,
        ttl: std::time::Duration::from_secs(60),
    }
}

fn rules() -> Rules {
    let campaign = campaign(
        "{{name}}, {{city}}",
        &[("city", "Graz")],
        MissingVariable::Fail,
    );
    Rules::of(&campaign)
}

fn reader(format: Format, upload: Upload) -> Reader {
    Reader::new(format, upload, rules(), LIMITS)
}

/// All blocks of a text that comes in these pieces, and what is there in the end.
fn read<'t>(
    mut reader: Reader,
    pieces: impl IntoIterator<Item = &'t [u8]>,
) -> Result<Vec<Block>, Refused> {
    let mut blocks = Vec::new();
    for piece in pieces {
        reader.push(piece);
        while let Some(block) = reader.block()? {
            blocks.push(block);
        }
    }
    while let Some(block) = reader.end()? {
        blocks.push(block);
    }
    Ok(blocks)
}

fn whole(format: Format, text: &str) -> Result<(Vec<UploadRow>, Upload), Refused> {
    let blocks = read(reader(format, Upload::default()), [text.as_bytes()])?;
    let upload = blocks.last().unwrap().upload.clone();
    Ok((
        blocks.into_iter().flat_map(|block| block.rows).collect(),
        upload,
    ))
}

fn bad(format: Format, text: &str) -> Vec<(u64, String, Option<String>)> {
    let (_, upload) = whole(format, text).unwrap();
    assert_eq!(upload.bad, upload.bad_rows.len() as u64);
    let row = |row: BadRow| {
        let field = row.field.map(Cow::into_owned);
        (row.line, row.code.into_owned(), field)
    };
    upload.bad_rows.into_iter().map(row).collect()
}

fn user(row: &UploadRow) -> &str {
    match &row.to {
        Named::User(user) => user.as_str(),
        Named::Device(_) => panic!("a user was named"),
    }
}

fn variables(row: &UploadRow) -> Variables {
    row.variables.as_deref().cloned().unwrap_or_default()
}

#[test]
fn ndjson_is_read_a_row_a_line() {
    let device = fanfare_types::DeviceId::new(Timestamp(5), 7);
    let text = format!(
        "{{\"user_id\": \"ada\", \"variables\": {{\"name\": \"Ada\", \"unasked\": \"x\"}}}}\r\n\n\
         {{\"device_id\": \"{device}\", \"user_id\": null, \"variables\": {{\"name\": \"\\u00e4\", \"city\": \"Wien\"}}}}"
    );
    let (rows, upload) = whole(Format::Ndjson, &text).unwrap();
    assert_eq!(user(&rows[0]), "ada");
    assert_eq!(
        variables(&rows[0]),
        [("name".to_owned(), "Ada".to_owned())].into()
    );
    assert_eq!(rows[1].to, Named::Device(device));
    assert_eq!(variables(&rows[1])["name"], "ä");
    assert_eq!(variables(&rows[1])["city"], "Wien");
    assert_eq!((upload.rows, upload.bad, upload.lines), (2, 0, 3));
    assert_eq!(upload.bytes, text.len() as u64);
    assert!(upload.is_complete && upload.columns.is_none());
}

#[test]
fn every_bad_row_is_told_by_its_line() {
    let name = r#""variables": {"name": "x"}"#;
    let long = "x".repeat(300);
    let rows = [
        ("{", "malformed_json", None),
        ("7", "wrong_type", None),
        ("{}", "missing", Some("user_id")),
        (
            r#"{"user_id": "a", "user_id": "b"}"#,
            "duplicate_member",
            None,
        ),
        (
            r#"{"user_id": "a", "device_id": "b"}"#,
            "not_allowed",
            Some("device_id"),
        ),
        (r#"{"user_id": ""}"#, "malformed", Some("user_id")),
        (r#"{"user_id": 7}"#, "wrong_type", Some("user_id")),
        (r#"{"device_id": "x"}"#, "malformed", Some("device_id")),
        (
            r#"{"device_id": "9f1c0f5e-7a50-4b07-9d5a-0a3f0b6c1d2e"}"#,
            "unknown",
            Some("device_id"),
        ),
        (r#"{"user_id": "a", "name": "x"}"#, "unknown", None),
        (
            r#"{"user_id": "a", "variables": []}"#,
            "wrong_type",
            Some("variables"),
        ),
        (
            r#"{"user_id": "a", "variables": {"name": 7}}"#,
            "wrong_type",
            Some("variables"),
        ),
        (
            r#"{"user_id": "a", "variables": {"name": null}}"#,
            "null",
            Some("variables"),
        ),
        (r#"{"user_id": "a"}"#, "missing_variable", Some("variables")),
        (&long, "too_long", None),
    ];
    let lines: Vec<_> = rows.iter().map(|(line, ..)| *line).collect();
    let good = format!("{{\"user_id\": \"ada\", {name}}}");
    let text = format!("{}\n{good}\n", lines.join("\n"));
    let expected: Vec<_> = (1..)
        .zip(rows)
        .map(|(line, (_, code, field))| (line, code.to_owned(), field.map(str::to_owned)))
        .collect();
    assert_eq!(bad(Format::Ndjson, &text), expected);
    let (rows, upload) = whole(Format::Ndjson, &text).unwrap();
    assert_eq!((rows.len(), upload.rows), (1, 1));
}

#[test]
fn of_a_flood_of_bad_rows_the_first_are_listed_and_all_counted() {
    let (_, upload) = whole(Format::Ndjson, &"{}\n".repeat(5_000)).unwrap();
    assert_eq!(upload.bad, 5_000);
    assert_eq!(upload.bad_rows.len(), Upload::BAD_LISTED_MAX);
}

#[test]
fn csv_is_read_by_its_header() {
    let text = "\u{feff}user_id,\"name\" ,age\r\nada,\"Ada \"\"L\"\"\nLovelace\",36\r\n\r\nbob,Bob,\n,Carl,1\ndan,,7\neve,Eve\n";
    let (rows, upload) = whole(Format::Csv, text).unwrap();
    let users: Vec<_> = rows.iter().map(user).collect();
    assert_eq!(users, ["ada", "bob"]);
    assert_eq!(variables(&rows[0])["name"], "Ada \"L\"\nLovelace");
    let columns = ["user_id", "name", "age"].map(str::to_owned);
    assert_eq!(upload.columns, Some(columns.to_vec()));
    let expected = [
        (6, "missing", Some("user_id")),
        (7, "missing_variable", Some("variables")),
        (8, "malformed", None),
    ];
    let expected =
        expected.map(|(line, code, field)| (line, code.to_owned(), field.map(str::to_owned)));
    assert_eq!(bad(Format::Csv, text), expected);
    assert_eq!((upload.rows, upload.bad, upload.lines), (2, 3, 8));
    let quotes = "user_id,name\nada,\"Ada\nbob,Bob\n";
    let (rows, _) = whole(Format::Csv, quotes).unwrap();
    assert_eq!(rows.iter().map(user).collect::<Vec<_>>(), ["bob"]);
    assert_eq!(
        bad(Format::Csv, quotes),
        [(2, "malformed".to_owned(), None)]
    );
}

#[test]
fn both_ids_may_be_columns_and_each_row_has_one() {
    let device = fanfare_types::DeviceId::new(Timestamp(5), 7);
    let text = format!("user_id,device_id,name\nada,,x\n,{device},y\nada,{device},z\n");
    let (rows, upload) = whole(Format::Csv, &text).unwrap();
    assert_eq!(rows.len(), 2);
    assert_eq!(rows[1].to, Named::Device(device));
    assert_eq!(upload.bad_rows[0].code, "not_allowed");
}

#[test]
fn a_header_that_is_none_refuses_the_upload() {
    for (text, code) in [
        ("", "missing"),
        ("\n\n", "missing"),
        ("name\nada\n", "missing"),
        ("user_id,user_id\n", "duplicate"),
        ("user_id,\"name\nada\n", "malformed"),
    ] {
        match whole(Format::Csv, text) {
            Err(Refused::Header(found, _)) => assert_eq!(found, code, "{text:?}"),
            other => panic!("{text:?}: {other:?}"),
        }
    }
}

#[test]
fn nothing_is_acknowledged_before_the_header() {
    let mut reader = reader(Format::Csv, Upload::default());
    reader.push(b"\n\n");
    assert!(reader.block().unwrap().is_none() && reader.cut().is_none());
    reader.push(b"user_id,name\n");
    assert!(reader.block().unwrap().is_none());
    let block = reader.cut().unwrap();
    assert_eq!((block.upload.bytes, block.upload.lines), (15, 3));
    assert!(block.upload.columns.is_some());
}

#[test]
fn what_a_row_must_bring_is_what_the_campaign_has_no_value_for() {
    let rows = |missing, text: &str| {
        let rules = Rules::of(&campaign("{{name}}", &[], missing));
        let reader = Reader::new(Format::Ndjson, Upload::default(), rules, LIMITS);
        let blocks = read(reader, [text.as_bytes()]).unwrap();
        blocks.last().unwrap().upload.rows
    };
    let text = "{\"user_id\": \"ada\"}\n";
    assert_eq!(rows(MissingVariable::Fail, text), 0);
    assert_eq!(rows(MissingVariable::Skip, text), 1);
    assert_eq!(rows(MissingVariable::Empty, text), 1);
}

#[test]
fn what_a_row_brings_is_bounded() {
    let limits = Limits {
        row_bytes_max: 64 << 10,
        ..LIMITS
    };
    let code = |text: String| {
        let reader = Reader::new(Format::Ndjson, Upload::default(), rules(), limits);
        let blocks = read(reader, [text.as_bytes()]).unwrap();
        let upload = blocks.last().unwrap().upload.clone();
        upload
            .bad_rows
            .first()
            .map(|bad| bad.code.clone().into_owned())
    };
    let name = |bytes: usize| {
        let text = "x".repeat(bytes);
        format!("{{\"user_id\": \"a\", \"variables\": {{\"name\": \"{text}\"}}}}")
    };
    assert_eq!(code(name(8_188)), None);
    assert_eq!(code(name(8_189)).as_deref(), Some("too_large"));
    let many: Vec<_> = (0..257).map(|n| format!("\"v{n}\": \"\"")).collect();
    let many = format!(
        "{{\"user_id\": \"a\", \"variables\": {{{}}}}}",
        many.join(",")
    );
    assert_eq!(code(many).as_deref(), Some("too_many"));
}

#[test]
fn more_rows_than_a_campaign_may_have_are_refused() {
    let limits = Limits {
        rows_max: 2,
        ..LIMITS
    };
    let row = "{\"user_id\": \"a\", \"variables\": {\"name\": \"x\"}}\n";
    let count = |rows: usize| {
        let reader = Reader::new(Format::Ndjson, Upload::default(), rules(), limits);
        read(reader, [row.repeat(rows).as_bytes()]).map(|blocks| blocks.len())
    };
    assert_eq!(count(2), Ok(1));
    assert_eq!(count(3), Err(Refused::TooManyRows));
}

/// The structure that keeps memory flat: whatever comes, no more is held than a block, a row, and the last piece.
#[test]
fn no_more_is_held_than_a_block_and_a_row() {
    let row = "{\"user_id\": \"a\", \"variables\": {\"name\": \"x\"}}\n";
    let endless = "x".repeat(100_000);
    for text in [row.repeat(5_000), endless] {
        let mut reader = reader(Format::Ndjson, Upload::default());
        let mut blocks = 0;
        for piece in text.as_bytes().chunks(1_000) {
            reader.push(piece);
            while let Some(block) = reader.block().unwrap() {
                assert!(block.rows.len() <= BLOCK_ROWS_MAX);
                blocks += 1;
            }
            assert!(reader.rows.len() < BLOCK_ROWS_MAX);
            assert!(reader.splitter.held_bytes() <= LIMITS.row_bytes_max + 1_000);
        }
        assert_eq!(blocks, if text.starts_with('x') { 0 } else { 5 });
    }
    let long = format!(
        "{{\"user_id\": \"a\", \"variables\": {{\"name\": \"{}\"}}}}\n",
        "x".repeat(200)
    );
    let blocks = read(
        reader(Format::Ndjson, Upload::default()),
        [long.repeat(9_000).as_bytes()],
    )
    .unwrap();
    assert!(blocks.len() > 9, "blocks are bounded in bytes, too");
}

/// Text that is nearly an upload: good rows and bad ones, odd line ends, quotes, and lines that are too long.
fn any_text(format: Format) -> impl Strategy<Value = String> {
    let id = || "[a-c]{1,3}";
    let row = match format {
        Format::Ndjson => prop_oneof![
            8 => (id(), "[a-zä ]{0,9}").prop_map(|(id, name)| {
                format!("{{\"user_id\":\"{id}\",\"variables\":{{\"name\":\"{name}\"}}}}")
            }),
            2 => "[ -~]{0,20}",
            1 => "[a-z]{250,270}",
        ]
        .boxed(),
        Format::Csv => prop_oneof![
            8 => (id(), "[a-zä ]{0,9}").prop_map(|(id, name)| format!("{id},{name}")),
            3 => (id(), "([a-z,\n]|\"\"){0,9}").prop_map(|(id, name)| format!("{id},\"{name}\"")),
            2 => "[a-c\",]{0,20}",
            1 => "[a-z]{250,270}",
        ]
        .boxed(),
    };
    let line = (row, prop_oneof![Just("\n"), Just("\r\n"), Just("\n\n")]);
    let lines = proptest::collection::vec(line, 0..30);
    (lines, any::<bool>(), any::<bool>()).prop_map(move |(lines, has_mark, has_end)| {
        let mut text = String::from(if has_mark { "\u{feff}" } else { "" });
        if format == Format::Csv {
            text.push_str("user_id,name\n");
        }
        for (row, end) in lines {
            text.push_str(&row);
            text.push_str(end);
        }
        if !has_end {
            text.truncate(text.trim_end_matches(['\r', '\n']).len());
        }
        text
    })
}

fn any_upload() -> impl Strategy<Value = (Format, String, Vec<usize>)> {
    let format = prop_oneof![Just(Format::Ndjson), Just(Format::Csv)];
    format.prop_flat_map(|format| {
        let sizes = proptest::collection::vec(1..80_usize, 1..40);
        (Just(format), any_text(format), sizes)
    })
}

/// Cuts a text into pieces of these sizes, over and over.
fn pieces<'t>(mut text: &'t [u8], sizes: &[usize]) -> Vec<&'t [u8]> {
    let mut pieces = Vec::new();
    for size in sizes.iter().cycle() {
        if text.is_empty() {
            break;
        }
        let (piece, rest) = text.split_at(text.len().min(*size));
        pieces.push(piece);
        text = rest;
    }
    pieces
}

fn rows(blocks: Vec<Block>) -> (Vec<UploadRow>, Upload) {
    let upload = blocks.last().unwrap().upload.clone();
    (
        blocks.into_iter().flat_map(|block| block.rows).collect(),
        upload,
    )
}

proptest! {
    #[test]
    fn whatever_the_pieces_the_rows_are_the_same((format, text, sizes) in any_upload()) {
        let whole = read(reader(format, Upload::default()), [text.as_bytes()]).map(rows);
        let single = read(reader(format, Upload::default()), text.as_bytes().chunks(1)).map(rows);
        let pieces = pieces(text.as_bytes(), &sizes);
        let pieces = read(reader(format, Upload::default()), pieces).map(rows);
        prop_assert_eq!(&whole, &single);
        prop_assert_eq!(&whole, &pieces);
    }

    /// Broken off at any byte, and gone on with at what was acknowledged: the rows are those of the whole.
    #[test]
    fn an_upload_that_breaks_off_goes_on_where_it_was_acknowledged(
        (format, text, sizes) in any_upload(),
        breaks in proptest::collection::vec(0..2_000_usize, 1..4),
    ) {
        let whole = read(reader(format, Upload::default()), [text.as_bytes()]).map(rows);
        let (mut there, mut taken) = (Upload::default(), Vec::new());
        let mut refused = None;
        for at in breaks {
            let from = there.bytes as usize;
            let rest = &text.as_bytes()[from..];
            let mut reader = reader(format, there.clone());
            for piece in pieces(&rest[..at.min(rest.len())], &sizes) {
                reader.push(piece);
                match reader.block() {
                    Ok(None) => {}
                    Ok(Some(_)) => unreachable!("these texts are less than a block"),
                    Err(why) => refused = Some(why),
                }
            }
            if let Some(block) = reader.cut() {
                prop_assert_eq!(block.from, there.bytes);
                prop_assert!(!block.upload.is_complete);
                there = block.upload;
                taken.extend(block.rows);
            }
        }
        let rest = &text.as_bytes()[there.bytes as usize..];
        let rest = read(reader(format, there), [rest]).map(rows);
        let all = match (refused, rest) {
            (Some(why), _) => Err(why),
            (None, Ok((rows, upload))) => {
                taken.extend(rows);
                Ok((taken, upload))
            }
            (None, Err(why)) => Err(why),
        };
        prop_assert_eq!(all, whole);
    }

    #[test]
    fn no_bytes_make_it_panic(text in proptest::collection::vec(any::<u8>(), 0..400), is_csv: bool) {
        let format = if is_csv { Format::Csv } else { Format::Ndjson };
        if let Ok((rows, upload)) = read(reader(format, Upload::default()), [&text[..]]).map(rows) {
            prop_assert_eq!(rows.len() as u64, upload.rows);
            prop_assert_eq!(upload.bytes, text.len() as u64);
        }
    }
}
