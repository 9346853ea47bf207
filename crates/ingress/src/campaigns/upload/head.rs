//! The head of an upload: what its body is, and where it goes on.

use fanfare_providers::Fault;
use http::header::CONTENT_ENCODING;
use http::{HeaderMap, HeaderName, StatusCode};

use super::reader::Format;
use crate::body::essence;
use crate::problem::Problem;

pub(super) const UPLOAD_OFFSET: HeaderName = HeaderName::from_static("upload-offset");

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Head {
    pub(super) format: Format,
    /// The byte at which it goes on; without one it begins anew.
    pub(super) offset: Option<u64>,
}

impl Head {
    pub(super) fn read(headers: &HeaderMap) -> Result<Self, Problem> {
        let format = match essence(headers).to_ascii_lowercase().as_str() {
            "application/x-ndjson" => Format::Ndjson,
            "text/csv" => Format::Csv,
            _ => {
                return Err(unsupported(
                    "the body must say that it is application/x-ndjson or text/csv",
                ));
            }
        };
        let encodings = headers.get_all(CONTENT_ENCODING).iter();
        if encodings.into_iter().any(|coding| coding != "identity") {
            return Err(unsupported("the body must come without a Content-Encoding"));
        }
        let offset = offset(headers)?;
        Ok(Head { format, offset })
    }
}

pub(super) fn unsupported(detail: &'static str) -> Problem {
    let status = StatusCode::UNSUPPORTED_MEDIA_TYPE;
    Problem::new(status, "unsupported_media_type", detail)
}

fn offset(headers: &HeaderMap) -> Result<Option<u64>, Problem> {
    let mut given = headers.get_all(UPLOAD_OFFSET).iter();
    let Some(value) = given.next() else {
        return Ok(None);
    };
    let digits = value.to_str().ok();
    let digits = digits.filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()));
    match digits.and_then(|text| text.parse().ok()) {
        Some(offset) if given.next().is_none() => Ok(Some(offset)),
        _ => {
            let fault = Fault {
                field: "Upload-Offset".to_owned(),
                code: "malformed",
                detail: "must be one header, a whole number of bytes".to_owned(),
            };
            let status = StatusCode::UNPROCESSABLE_ENTITY;
            Err(Problem::invalid(status, vec![fault]))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(pairs: &[(&'static str, &str)]) -> Result<Head, (u16, &'static str)> {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(*name, value.parse().unwrap());
        }
        Head::read(&headers).map_err(|problem| (problem.status().as_u16(), problem.code))
    }

    #[test]
    fn the_media_type_says_how_it_is_read() {
        let of = |media_type: &str| read(&[("content-type", media_type)]);
        let format = |media_type: &str| of(media_type).map(|head| head.format);
        assert_eq!(format("application/x-ndjson"), Ok(Format::Ndjson));
        assert_eq!(format("Text/CSV; charset=utf-8"), Ok(Format::Csv));
        let unsupported = Err((415, "unsupported_media_type"));
        for media_type in ["application/json", "text/plain", "", "text/csvx"] {
            assert_eq!(format(media_type), unsupported, "{media_type}");
        }
        assert_eq!(read(&[]), unsupported.map(|_: Format| unreachable!()));
        let zipped = [("content-type", "text/csv"), ("content-encoding", "gzip")];
        assert_eq!(read(&zipped).unwrap_err().0, 415);
    }

    #[test]
    fn the_offset_is_a_whole_number() {
        let csv = ("content-type", "text/csv");
        let of = |text: &str| read(&[csv, ("upload-offset", text)]).map(|head| head.offset);
        assert_eq!(of("0"), Ok(Some(0)));
        assert_eq!(of("5000000000"), Ok(Some(5_000_000_000)));
        assert_eq!(read(&[csv]).unwrap().offset, None);
        for text in ["", "-1", "+1", "1.0", "0x1", "99999999999999999999"] {
            assert_eq!(of(text), Err((422, "invalid_request")), "{text}");
        }
        let twice = [csv, ("upload-offset", "1"), ("upload-offset", "1")];
        assert_eq!(read(&twice).unwrap_err().0, 422);
    }
}
