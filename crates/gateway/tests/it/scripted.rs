//! An HTTP/1.1 server that answers as a test says, for commands that talk to a gateway.

use std::sync::Arc;

use parking_lot::Mutex;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// A request as it came.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    /// `GET /path?query`
    pub(crate) line: String,
    /// In lower case, a header a line.
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
}

/// What is done about a request.
pub(crate) enum Answer {
    /// Status and JSON.
    Json(u16, serde_json::Value),
    /// A stream of events that ends after this.
    Events(String),
    /// Reads so many bytes of the body, says nothing and closes.
    CutAt(usize),
}

pub(crate) struct Scripted {
    pub(crate) url: String,
    seen: Arc<Mutex<Vec<Request>>>,
    server: JoinHandle<()>,
}

impl Drop for Scripted {
    fn drop(&mut self) {
        self.server.abort();
    }
}

impl Scripted {
    /// `answer` is asked with the request's head, before its body is read.
    pub(crate) async fn start(
        answer: impl FnMut(&str, &str) -> Answer + Send + 'static,
    ) -> Scripted {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let seen: Arc<Mutex<Vec<Request>>> = Arc::default();
        let (seen_by, answer) = (seen.clone(), Arc::new(Mutex::new(answer)));
        let server = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (seen, answer) = (seen_by.clone(), answer.clone());
                tokio::spawn(async move {
                    let ask = |line: &str, head: &str| (answer.lock())(line, head);
                    serve(stream, ask, &seen).await
                });
            }
        });
        Scripted { url, seen, server }
    }

    pub(crate) fn seen(&self) -> Vec<Request> {
        self.seen.lock().clone()
    }
}

/// One request a connection.
async fn serve(
    mut stream: TcpStream,
    answer: impl FnOnce(&str, &str) -> Answer,
    seen: &Mutex<Vec<Request>>,
) -> Option<()> {
    let mut read = Vec::new();
    let end = loop {
        if let Some(end) = read.windows(4).position(|window| window == b"\r\n\r\n") {
            break end;
        }
        if stream.read_buf(&mut read).await.ok()? == 0 {
            return None;
        }
    };
    let head = String::from_utf8(read[..end].to_vec()).expect("UTF-8");
    let (line, head) = head.split_once("\r\n").expect("a request line");
    let line = line.trim_end_matches(" HTTP/1.1").to_owned();
    let head = head.to_lowercase();
    let length = head
        .lines()
        .find_map(|line| line.strip_prefix("content-length: "));
    let length: usize = length.map_or(0, |length| length.parse().expect("a length"));
    let answer = answer(&line, &head);
    let wanted = match answer {
        Answer::CutAt(bytes) => bytes.min(length),
        _ => length,
    };
    let mut body = read.split_off(end + 4);
    while body.len() < wanted {
        if stream.read_buf(&mut body).await.ok()? == 0 {
            return None;
        }
    }
    body.truncate(wanted);
    seen.lock().push(Request { line, head, body });
    let text = match answer {
        Answer::Json(status, json) => {
            let body = json.to_string();
            let length = body.len();
            format!(
                "HTTP/1.1 {status} Scripted\r\ncontent-type: application/json\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n{body}"
            )
        }
        Answer::Events(events) => {
            format!(
                "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n{events}"
            )
        }
        Answer::CutAt(_) => return None,
    };
    stream.write_all(text.as_bytes()).await.ok()?;
    stream.shutdown().await.ok()
}
