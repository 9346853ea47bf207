//! As much of the CQL binary protocol, version 4, as tells whether a server is there and what it holds.
//!
//! Source: `native_protocol_v4.spec` of Apache Cassandra. Tests of stores use a real driver; this is for the testbed, and
//! for tests that want to look past the driver.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// The longest body that is read, in bytes; the specification's own limit.
const LONGEST_BODY: usize = 256 << 20;

const STARTUP: u8 = 0x01;
const OPTIONS: u8 = 0x05;
const QUERY: u8 = 0x07;
const ERROR: u8 = 0x00;
const READY: u8 = 0x02;
const SUPPORTED: u8 = 0x06;
pub(crate) const RESULT: u8 = 0x08;
pub(crate) const EVENT: u8 = 0x0C;

/// One row: a value for each column, as bytes.
pub type Row = Vec<Option<Vec<u8>>>;

/// How many replicas must answer a query.
#[derive(Clone, Copy, Debug)]
pub enum Consistency {
    One = 0x0001,
    Quorum = 0x0004,
    All = 0x0005,
}

/// A message of the protocol.
pub(crate) struct Frame {
    /// Version, flags, stream (two bytes), operation, length of the body (four).
    pub(crate) head: [u8; 9],
    pub(crate) body: Vec<u8>,
}

impl Frame {
    /// The next message; `None` when the other side has closed between two.
    pub(crate) fn read(from: &mut impl Read) -> io::Result<Option<Frame>> {
        let mut head = [0; 9];
        if from.read(&mut head[..1])? == 0 {
            return Ok(None);
        }
        from.read_exact(&mut head[1..])?;
        let length = u32::from_be_bytes([head[5], head[6], head[7], head[8]]) as usize;
        if length > LONGEST_BODY {
            return Err(invalid("a body longer than the protocol allows"));
        }
        let mut body = vec![0; length];
        from.read_exact(&mut body)?;
        Ok(Some(Frame { head, body }))
    }

    /// Whether it is an answer of a version before 5 that is not compressed: what follows is as its head says.
    pub(crate) fn is_plain(&self) -> bool {
        const COMPRESSED: u8 = 0x01;
        let [version, flags, ..] = self.head;
        (0x83..=0x84).contains(&version) && flags & COMPRESSED == 0
    }

    pub(crate) fn operation(&self) -> u8 {
        self.head[4]
    }
}

/// A connection that asks one thing after the other.
#[derive(Debug)]
pub struct Connection {
    stream: TcpStream,
}

impl Connection {
    /// Connects and starts up. No answer may take longer than `patience`.
    ///
    /// # Errors
    /// What the system says; `TimedOut` or `WouldBlock` for an answer that did not come.
    pub fn open(address: SocketAddr, patience: Duration) -> io::Result<Connection> {
        let mut connection = Connection::connect(address, patience)?;
        let mut body = 1u16.to_be_bytes().to_vec();
        for word in ["CQL_VERSION", "3.0.0"] {
            body.extend((word.len() as u16).to_be_bytes());
            body.extend(word.as_bytes());
        }
        connection.ask(STARTUP, &body, READY)?;
        Ok(connection)
    }

    /// Connects and says nothing yet.
    ///
    /// # Errors
    /// As [`Connection::open`].
    pub fn connect(address: SocketAddr, patience: Duration) -> io::Result<Connection> {
        let stream = TcpStream::connect_timeout(&address, patience)?;
        stream.set_read_timeout(Some(patience))?;
        stream.set_write_timeout(Some(patience))?;
        stream.set_nodelay(true)?;
        Ok(Connection { stream })
    }

    /// Asks what the server supports: any that is up answers.
    ///
    /// # Errors
    /// As [`Connection::open`].
    pub fn options(&mut self) -> io::Result<()> {
        self.ask(OPTIONS, &[], SUPPORTED).map(drop)
    }

    /// Runs a statement without parameters; gives its rows, none for what has none. Only the first page of them.
    ///
    /// # Errors
    /// As [`Connection::open`]; `Other` with the server's words for a statement that it refuses.
    pub fn query(&mut self, statement: &str, consistency: Consistency) -> io::Result<Vec<Row>> {
        // Without the columns' names and types in the answer.
        const SKIP_METADATA: u8 = 0x02;
        let mut body = (statement.len() as u32).to_be_bytes().to_vec();
        body.extend(statement.as_bytes());
        body.extend((consistency as u16).to_be_bytes());
        body.push(SKIP_METADATA);
        let answer = self.ask(QUERY, &body, RESULT)?;
        rows(&mut answer.as_slice())
    }

    fn ask(&mut self, operation: u8, body: &[u8], expected: u8) -> io::Result<Vec<u8>> {
        let mut frame = vec![0x04, 0, 0, 0, operation];
        frame.extend((body.len() as u32).to_be_bytes());
        frame.extend(body);
        self.stream.write_all(&frame)?;
        let answer = Frame::read(&mut self.stream)?;
        let answer = answer.ok_or_else(|| io::Error::from(io::ErrorKind::UnexpectedEof))?;
        match answer.operation() {
            operation if operation == expected => Ok(answer.body),
            ERROR => Err(refusal(&mut answer.body.as_slice())?),
            other => Err(invalid(&format!("operation {other:#04x} for an answer"))),
        }
    }
}

fn refusal(body: &mut &[u8]) -> io::Result<io::Error> {
    let code = int(body)?;
    let length = u16::from_be_bytes(array(body)?);
    let words = String::from_utf8_lossy(take(body, length as usize)?).into_owned();
    Ok(io::Error::other(format!("error {code:#06x}: {words}")))
}

fn rows(body: &mut &[u8]) -> io::Result<Vec<Row>> {
    const ROWS: i32 = 2;
    const MORE_PAGES: i32 = 0x2;
    const NO_METADATA: i32 = 0x4;
    if int(body)? != ROWS {
        return Ok(Vec::new());
    }
    let flags = int(body)?;
    let columns = int(body)?;
    if flags & MORE_PAGES != 0 {
        bytes(body)?;
    }
    if flags & NO_METADATA == 0 {
        return Err(invalid("columns were described, though not asked for"));
    }
    let count = int(body)?;
    let row = |body: &mut &[u8]| (0..columns).map(|_| bytes(body)).collect();
    (0..count).map(|_| row(body)).collect()
}

fn int(body: &mut &[u8]) -> io::Result<i32> {
    Ok(i32::from_be_bytes(array(body)?))
}

/// Bytes behind their length; a negative length is no value.
fn bytes(body: &mut &[u8]) -> io::Result<Option<Vec<u8>>> {
    match usize::try_from(int(body)?) {
        Ok(length) => Ok(Some(take(body, length)?.to_vec())),
        Err(_) => Ok(None),
    }
}

fn array<const N: usize>(body: &mut &[u8]) -> io::Result<[u8; N]> {
    take(body, N)?.try_into().map_err(|_| invalid("cut short"))
}

fn take<'a>(body: &mut &'a [u8], length: usize) -> io::Result<&'a [u8]> {
    let (taken, left) = body
        .split_at_checked(length)
        .ok_or_else(|| invalid("cut short"))?;
    *body = left;
    Ok(taken)
}

fn invalid(fault: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, fault)
}
