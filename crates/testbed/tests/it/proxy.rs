//! What proxies do to a client.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use fanfare_testbed::{Proxy, shared};

use crate::{PATIENCE, addresses, connect, query};

/// Long enough that an answer without fault would have come.
const A_WHILE: Duration = Duration::from_millis(500);

fn proxy() -> (Proxy, SocketAddr) {
    let proxy = shared().proxy().expect("a proxy");
    let address = proxy.addresses()[0];
    (proxy, address)
}

/// A connection on which requests can be sent before the answers to former ones.
struct Pipe(TcpStream);

impl Pipe {
    fn to(address: SocketAddr) -> Pipe {
        let stream = TcpStream::connect(address).expect("a connection");
        stream.set_nodelay(true).expect("an option");
        Pipe(stream)
    }

    /// Asks `OPTIONS` so often.
    fn ask(&mut self, times: u8) {
        for stream in 0..times {
            let request = [4, 0, 0, stream, 5, 0, 0, 0, 0];
            self.0.write_all(&request).expect("it is sent");
        }
    }

    /// Whether an answer comes within this time.
    fn answer(&mut self, within: Duration) -> Result<(), ErrorKind> {
        let read = |stream: &mut TcpStream| {
            stream.set_read_timeout(Some(within))?;
            let mut head = [0; 9];
            stream.read_exact(&mut head)?;
            assert_eq!(head[4], 6, "SUPPORTED");
            let length = u32::from_be_bytes([head[5], head[6], head[7], head[8]]);
            stream.read_exact(&mut vec![0; length as usize])
        };
        read(&mut self.0).map_err(|error| error.kind())
    }

    fn is_answered(&mut self) {
        self.answer(PATIENCE).expect("an answer");
    }

    fn is_not_answered(&mut self) {
        let nothing = self.answer(A_WHILE);
        assert_eq!(nothing, Err(ErrorKind::WouldBlock));
    }
}

#[test]
fn a_delay_is_each_answers_own() {
    let (proxy, address) = proxy();
    let by = Duration::from_millis(600);
    let mut pipe = Pipe::to(address);
    pipe.ask(1);
    pipe.is_answered();
    proxy.delay(by);
    let began = Instant::now();
    pipe.ask(50);
    pipe.is_answered();
    assert!(began.elapsed() >= by, "{:?}", began.elapsed());
    (1..50).for_each(|_| pipe.is_answered());
    let all = began.elapsed();
    assert!(
        all < by * 25,
        "one after the other it would take 30 s: {all:?}"
    );
}

#[test]
fn an_answer_that_is_late_comes_at_once_when_it_heals() {
    let (proxy, address) = proxy();
    proxy.delay(Duration::MAX);
    let mut pipe = Pipe::to(address);
    pipe.ask(1);
    pipe.is_not_answered();
    proxy.heal();
    pipe.is_answered();
}

#[test]
fn a_cut_closes_and_refuses_until_it_heals() {
    let (proxy, address) = proxy();
    let mut pipe = Pipe::to(address);
    pipe.ask(1);
    pipe.is_answered();
    proxy.cut();
    let closed = pipe.answer(PATIENCE);
    assert!(
        matches!(
            closed,
            Err(ErrorKind::UnexpectedEof | ErrorKind::ConnectionReset)
        ),
        "{closed:?}"
    );
    let refused = TcpStream::connect(address).map(drop);
    assert_eq!(
        refused.map_err(|error| error.kind()),
        Err(ErrorKind::ConnectionRefused)
    );
    proxy.heal();
    connect(address).options().expect("it is healed");
}

#[test]
fn what_hangs_is_accepted_and_goes_on_when_it_heals() {
    let (proxy, address) = proxy();
    let mut old = Pipe::to(address);
    old.ask(1);
    old.is_answered();
    proxy.hang();
    let mut new = Pipe::to(address);
    for pipe in [&mut old, &mut new] {
        pipe.ask(1);
        pipe.is_not_answered();
    }
    proxy.heal();
    old.is_answered();
    new.is_answered();
}

#[test]
fn clients_have_faults_of_their_own() {
    let (mine, my_address) = proxy();
    let (_other, other_address) = proxy();
    assert_ne!(my_address, other_address);
    mine.hang();
    let announced = "SELECT rpc_address FROM system.local";
    let rows = query(&mut connect(other_address), announced);
    let SocketAddr::V4(own) = other_address else {
        panic!("a loopback address");
    };
    assert_eq!(addresses(&rows), [own.ip().octets().to_vec()]);
    let mut pipe = Pipe::to(my_address);
    pipe.ask(1);
    pipe.is_not_answered();
}

/// Version 5 puts messages into frames with checksums, which a proxy would break.
#[test]
fn what_it_does_not_understand_is_closed() {
    let (_proxy, address) = proxy();
    let mut stream = TcpStream::connect(address).expect("a connection");
    stream
        .write_all(&[5, 0, 0, 0, 5, 0, 0, 0, 0])
        .expect("OPTIONS");
    let mut rest = Vec::new();
    stream.set_read_timeout(Some(PATIENCE)).expect("an option");
    assert_eq!(stream.read_to_end(&mut rest).expect("the end"), 0);
}
