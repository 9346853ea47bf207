//! Both directions against the `h2` crate: its server reads our blocks, and we read those of its answers.

use bytes::{BufMut, Bytes};
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode, request};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
use tokio::sync::mpsc;

use super::super::{Decoder, Encoder, TABLE_BYTES};
use super::sizes::any_head;
use super::{Draw, LIST_MAX, request};

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
const HEADERS: u8 = 1;
const SETTINGS: u8 = 4;
const CONTINUATION: u8 = 9;
const ACK: u8 = 1;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;
const HEADER_TABLE_SIZE: u16 = 1;
/// Largest frame that needs no agreement.
const FRAME_MAX: usize = 16 * 1024;

/// What `h2`'s server received, and what it answered.
type Seen = (request::Parts, Response<()>);

/// Just enough of a client.
struct Client {
    io: DuplexStream,
    stream: u32,
}

impl Client {
    async fn write(&mut self, kind: u8, flags: u8, stream: u32, payload: &[u8]) {
        let mut frame = Vec::new();
        frame.put_uint(payload.len() as u64, 3);
        frame.put_u8(kind);
        frame.put_u8(flags);
        frame.put_u32(stream);
        frame.put_slice(payload);
        self.io.write_all(&frame).await.unwrap();
    }

    async fn table(&mut self, bytes: usize) {
        let mut payload = Vec::new();
        payload.put_u16(HEADER_TABLE_SIZE);
        payload.put_u32(bytes as u32);
        self.write(SETTINGS, 0, 0, &payload).await;
    }

    async fn ask(&mut self, block: &[u8]) {
        let mut pieces = block.chunks(FRAME_MAX).peekable();
        let mut kind = HEADERS;
        let mut flags = END_STREAM;
        while let Some(piece) = pieces.next() {
            if pieces.peek().is_none() {
                flags |= END_HEADERS;
            }
            self.write(kind, flags, self.stream, piece).await;
            (kind, flags) = (CONTINUATION, 0);
        }
        self.stream += 2;
    }

    /// The next header block.
    async fn answer(&mut self) -> Vec<u8> {
        let mut block = Vec::new();
        loop {
            let mut head = [0; 9];
            self.io.read_exact(&mut head).await.unwrap();
            let bytes = u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize;
            let (kind, flags) = (head[3], head[4]);
            let mut payload = vec![0; bytes];
            self.io.read_exact(&mut payload).await.unwrap();
            match kind {
                SETTINGS if flags & ACK == 0 => self.write(SETTINGS, ACK, 0, &[]).await,
                HEADERS | CONTINUATION => {
                    block.extend(payload);
                    if flags & END_HEADERS != 0 {
                        return block;
                    }
                }
                // Nothing but what a server may say before its first answer.
                _ => assert!([SETTINGS, 8].contains(&kind), "frame {kind}"),
            }
        }
    }
}

/// `h2`'s server: answers each request with fields drawn.
async fn serve(io: DuplexStream, seed: u64, seen: mpsc::Sender<Seen>) {
    let mut draw = Draw(!seed);
    let mut server = h2::server::Builder::new()
        .max_header_list_size(LIST_MAX as u32)
        .handshake::<_, Bytes>(io)
        .await
        .unwrap();
    while let Some(asked) = server.accept().await {
        let (asked, mut respond) = asked.expect("h2 reads what we write");
        let answer = any_answer(&mut draw);
        respond.send_response(answer.clone(), true).unwrap();
        seen.send((asked.into_parts().0, answer)).await.unwrap();
    }
}

fn any_answer(draw: &mut Draw) -> Response<()> {
    let mut answer = Response::new(());
    *answer.status_mut() = *draw.one_of(&[
        StatusCode::OK,
        StatusCode::NOT_FOUND,
        StatusCode::GONE,
        StatusCode::TOO_MANY_REQUESTS,
        StatusCode::SERVICE_UNAVAILABLE,
    ]);
    let names = [
        "apns-id",
        "date",
        "server",
        "retry-after",
        "x-answer",
        "vary",
    ];
    for _ in 0..draw.below(7) {
        let text = match draw.below(3) {
            0 => draw.text(600),
            1 => "\u{e4}\u{1f600}".repeat(draw.below(8)),
            _ => draw.below(4).to_string(),
        };
        let mut value = HeaderValue::from_bytes(text.as_bytes()).unwrap();
        value.set_sensitive(draw.below(5) == 0);
        let name = *draw.one_of(&names);
        let name = HeaderName::from_static(name);
        answer.headers_mut().append(name, value);
    }
    answer
}

fn read(decoder: &mut Decoder, block: &[u8]) -> (StatusCode, HeaderMap) {
    let mut status = None;
    let mut headers = HeaderMap::new();
    let decoded = decoder.decode(block, |name, value| match name {
        b":status" => status = StatusCode::from_bytes(value).ok(),
        _ => {
            let name = HeaderName::from_bytes(name).unwrap();
            headers.append(name, HeaderValue::from_bytes(value).unwrap());
        }
    });
    assert_eq!(decoded, Ok(()));
    (status.unwrap(), headers)
}

async fn converse(seed: u64) {
    let mut draw = Draw(seed);
    let table_max = *draw.one_of(&[0, 64, 300, TABLE_BYTES, 4 * TABLE_BYTES]);
    let (near, far) = duplex(256 * 1024);
    let (seen, mut told) = mpsc::channel(1);
    let server = tokio::spawn(serve(far, seed, seen));
    let mut client = Client {
        io: near,
        stream: 1,
    };
    client.io.write_all(PREFACE).await.unwrap();
    client.table(table_max).await;

    let (mut encoder, mut decoder) = (Encoder::new(), Decoder::new(table_max, LIST_MAX));
    let heads: Vec<_> = (0..8).map(|_| any_head(&mut draw)).collect();
    for _ in 0..80 {
        if draw.below(8) == 0 {
            encoder.resize(*draw.one_of(&[0, 60, 150, 400, 4_096]));
        }
        if draw.below(10) == 0 {
            // Any table within what we take.
            client.table(draw.below(table_max + 1)).await;
        }
        let (head, rest, id) = (draw.one_of(&heads).clone(), draw.text(80), draw.text(90));
        let rest = rest.replace(|c: char| !c.is_ascii_alphanumeric(), "-");
        let asked = request(&head, &rest, Some(("apns-id", &id)));
        let mut block = Vec::new();
        encoder.encode(&asked, &mut block).unwrap();
        client.ask(&block).await;
        let (received, answered) = told.recv().await.expect("h2's server goes on");
        let wanted = asked.into_http().unwrap().into_parts().0;
        assert_eq!(received.method, wanted.method);
        assert_eq!(received.uri, wanted.uri);
        assert_eq!(received.headers, wanted.headers);

        let (status, headers) = read(&mut decoder, &client.answer().await);
        assert_eq!(status, answered.status());
        assert_eq!(&headers, answered.headers());
    }
    server.abort();
}

#[tokio::test]
async fn h2_reads_what_we_write_and_we_read_what_it_writes() {
    for seed in 0..40 {
        converse(seed).await;
    }
}
