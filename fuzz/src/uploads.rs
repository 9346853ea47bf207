//! Uploads of recipients: whatever the body, and whatever pieces it comes in, the rows are the same; and so are they when
//! it breaks off anywhere and goes on where the campaign says that it stands.
//!
//! An input is a media type and a number on a line, which says how long the pieces are and where the body breaks off,
//! and the body behind it.

use bytes::Bytes;
use fanfare_ingress::fuzzing::Door;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, Uri};
use serde_json::{Value, json};

use crate::door;

/// See the module.
pub fn run(input: &[u8]) {
    let _ = status(input);
}

/// As [`run`]; gives the answer's status, unless the first line says nothing.
pub fn status(input: &[u8]) -> Option<StatusCode> {
    let end = input.iter().position(|byte| *byte == b'\n')?;
    let (line, body) = (&input[..end], &input[end + 1..]);
    let line = String::from_utf8_lossy(line);
    let (media_type, number) = line.split_once(' ')?;
    let media_type = HeaderValue::from_str(media_type).ok()?;
    let number: usize = number.trim().parse().ok()?;
    door::with(|door| {
        let upload = Upload::new(door, media_type);
        let whole = upload.put(None, vec![Bytes::copy_from_slice(body)], false);
        let rows = door.uploaded();
        let size = number % 97 + 1;
        let pieces = || body.chunks(size).map(Bytes::copy_from_slice).collect();
        let again = upload.put(None, pieces(), false);
        assert_eq!(whole.status(), again.status());
        assert_eq!(whole.body(), again.body(), "in pieces of {size}");
        assert_eq!(rows, door.uploaded());
        if whole.status() == StatusCode::OK {
            let cut = number % (body.len() + 1);
            upload.put(None, vec![Bytes::copy_from_slice(&body[..cut])], true);
            let stands = upload.stands();
            assert!(stands <= cut, "more was acknowledged than came");
            let rest = vec![Bytes::copy_from_slice(&body[stands..])];
            let rest = upload.put(Some(stands), rest, false);
            assert_eq!(whole.body(), rest.body(), "broken off at {cut}");
            assert_eq!(rows, door.uploaded());
        }
        door.accepted();
        Some(whole.status())
    })
}

struct Upload<'d> {
    door: &'d Door,
    media_type: HeaderValue,
    campaign: String,
}

impl<'d> Upload<'d> {
    fn new(door: &'d Door, media_type: HeaderValue) -> Self {
        let body = json!({"name": "fuzz", "audience": {"recipients": "upload"}, "message": {"title": "Hi {{name}}"}});
        let mut headers = HeaderMap::new();
        door::bearer(&mut headers, door::SERVICE_KEY);
        let path = Uri::from_static("/v1/campaigns");
        let made = door::ask(door, Method::POST, path, headers, body.to_string().into());
        let made: Value = serde_json::from_slice(made.body()).expect("a campaign is JSON");
        let id = made["id"].as_str().expect("its id");
        Upload {
            door,
            media_type,
            campaign: format!("/v1/campaigns/{id}"),
        }
    }

    fn put(&self, offset: Option<usize>, pieces: Vec<Bytes>, breaks_off: bool) -> Response<Bytes> {
        let mut request = Request::new(pieces);
        *request.method_mut() = Method::PUT;
        *request.uri_mut() = format!("{}/recipients", self.campaign)
            .parse()
            .expect("a path");
        let headers = request.headers_mut();
        door::bearer(headers, door::SERVICE_KEY);
        headers.insert(CONTENT_TYPE, self.media_type.clone());
        if let Some(offset) = offset {
            headers.insert("upload-offset", offset.into());
        }
        let answer = self.door.ask_in_pieces(request, breaks_off);
        door::check(&answer);
        answer
    }

    /// The byte at which it goes on.
    fn stands(&self) -> usize {
        let mut headers = HeaderMap::new();
        door::bearer(&mut headers, door::SERVICE_KEY);
        let path = self.campaign.parse().expect("a path");
        let answer = door::ask(self.door, Method::GET, path, headers, Vec::new());
        let campaign: Value = serde_json::from_slice(answer.body()).expect("a campaign is JSON");
        let bytes = campaign["upload"]["bytes"].as_u64();
        bytes
            .and_then(|bytes| bytes.try_into().ok())
            .expect("a number of bytes")
    }
}
