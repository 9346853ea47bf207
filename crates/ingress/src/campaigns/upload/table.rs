//! CSV: its header, and the fields of a row.

use super::row::{DEVICE_ID, USER_ID};

/// Most columns. Beyond it the header is refused: 422.
const COLUMNS_MAX: usize = 258;

/// Why a header is of no use: a stable word, and a sentence.
pub(super) type Useless = (&'static str, &'static str);

/// The names of the columns.
pub(super) fn header(row: &[u8]) -> Result<Vec<String>, Useless> {
    let columns =
        fields(row).map_err(|_| ("malformed", "must be the names of columns, in UTF-8"))?;
    let columns: Vec<_> = columns
        .iter()
        .map(|name| name.trim_ascii().to_owned())
        .collect();
    if columns.len() > COLUMNS_MAX {
        return Err(("too_many", "has too many columns"));
    }
    if columns.iter().any(String::is_empty) {
        return Err(("empty", "has a column without a name"));
    }
    let is_repeated = |(at, name): (usize, &String)| columns[..at].contains(name);
    if columns.iter().enumerate().any(is_repeated) {
        return Err(("duplicate", "has a column twice"));
    }
    if !columns
        .iter()
        .any(|name| [USER_ID, DEVICE_ID].contains(&name.as_str()))
    {
        return Err(("missing", "must have a column user_id or device_id"));
    }
    Ok(columns)
}

/// The fields of a row, or the code of what is wrong with it.
pub(super) fn fields(row: &[u8]) -> Result<Vec<String>, &'static str> {
    let mut reader = csv_core::ReaderBuilder::new()
        .terminator(csv_core::Terminator::Any(b'\n'))
        .build();
    // Fields are never longer than the row, nor more than one a byte.
    let (mut text, mut ends) = (vec![0; row.len()], vec![0; row.len() + 2]);
    let (_, _, length, count) = reader.read_record(row, &mut text, &mut ends);
    // The end of the text.
    let (_, _, more, one) = reader.read_record(&[], &mut text[length..], &mut ends[count..]);
    text.truncate(length + more);
    let text = std::str::from_utf8(&text).map_err(|_| "invalid_utf8")?;
    let mut from = 0;
    let field = |end: &usize| {
        let field = text.get(from..*end).ok_or("invalid_utf8")?;
        from = *end;
        Ok(field.to_owned())
    };
    ends[..count + one].iter().map(field).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_as_rfc_4180_has_them() {
        let of = |row: &str| fields(row.as_bytes()).unwrap();
        assert_eq!(of("a"), ["a"]);
        assert_eq!(of("a,b"), ["a", "b"]);
        assert_eq!(of("a,,"), ["a", "", ""]);
        assert_eq!(of(",a"), ["", "a"]);
        assert_eq!(
            of(r#""a,""b""
c",d"#),
            ["a,\"b\"\nc", "d"]
        );
        assert_eq!(of(r#"a"b,"c"d"#), ["a\"b", "cd"]);
        assert_eq!(of("ä,ö"), ["ä", "ö"]);
        assert_eq!(fields(b"a,\xff"), Err("invalid_utf8"));
        assert_eq!(fields(b"\xc3,\xa4"), Err("invalid_utf8"));
    }

    #[test]
    fn a_header_names_each_column_once_and_an_id() {
        let of = |row: &str| header(row.as_bytes()).map_err(|(code, _)| code);
        let names = ["user_id", "name"].map(str::to_owned);
        assert_eq!(of("user_id, name"), Ok(names.to_vec()));
        assert!(of("device_id").is_ok() && of("user_id,device_id").is_ok());
        assert_eq!(of("name"), Err("missing"));
        assert_eq!(of("user_id,name,name"), Err("duplicate"));
        assert_eq!(of("user_id,,name"), Err("empty"));
        assert_eq!(of(&format!("user_id{}", ",x".repeat(258))), Err("too_many"));
        assert_eq!(header(b"user_id,\xff").unwrap_err().0, "malformed");
    }
}
