//! One connection through a proxy: requests as bytes, answers message by message.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

use super::addresses::Replaced;
use super::gate::Gate;
use crate::wire::{EVENT, Frame, RESULT};

/// Answers that wait for their time: one for each request that a connection can have under way in version 4.
const WAITING: usize = 32_768;

/// Longest time to connect to a node.
const CONNECT: Duration = Duration::from_secs(5);

/// What a connection needs to know of its way.
pub(super) struct Link {
    pub(super) number: u64,
    pub(super) node: SocketAddr,
    pub(super) replaced: Arc<Replaced>,
    pub(super) gate: Arc<Gate>,
}

impl Link {
    /// Passes on what comes from the client until one side closes.
    pub(super) fn run(self, client: TcpStream) {
        let link = Arc::new(self);
        let _ended = link.clone().connect(client);
        link.gate.end(link.number);
    }

    fn connect(self: Arc<Link>, mut client: TcpStream) -> io::Result<()> {
        client.set_nodelay(true)?;
        if !self.gate.admit(self.number, client.try_clone()?) || !self.gate.request() {
            return Ok(());
        }
        let mut node = TcpStream::connect_timeout(&self.node, CONNECT)?;
        node.set_nodelay(true)?;
        if !self.gate.admit(self.number, node.try_clone()?) {
            return Ok(());
        }
        let (answers, due) = sync_channel(WAITING);
        let (from, to) = (node.try_clone()?, client.try_clone()?);
        let reading = self.clone();
        thread::spawn(move || reading.read(from, &answers));
        let writing = self.clone();
        thread::spawn(move || {
            let _ended = writing.write(to, &due);
            writing.gate.end(writing.number);
        });
        self.requests(&mut client, &mut node)
    }

    fn requests(&self, client: &mut TcpStream, node: &mut TcpStream) -> io::Result<()> {
        let mut buffer = vec![0; 64 << 10];
        loop {
            let length = client.read(&mut buffer)?;
            if length == 0 || !self.gate.request() {
                return Ok(());
            }
            node.write_all(&buffer[..length])?;
        }
    }

    /// Reads answers until the node closes, or says what cannot be understood. The other side then ends, too, when it has
    /// written what came before.
    fn read(&self, mut node: TcpStream, answers: &SyncSender<(Instant, Frame)>) {
        while let Ok(Some(mut frame)) = Frame::read(&mut node) {
            let came = Instant::now();
            if !frame.is_plain() {
                return;
            }
            if matches!(frame.operation(), RESULT | EVENT) {
                self.replaced.replace(&mut frame.body);
            }
            if answers.send((came, frame)).is_err() {
                return;
            }
        }
    }

    fn write(&self, mut client: TcpStream, due: &Receiver<(Instant, Frame)>) -> io::Result<()> {
        while let Ok((came, frame)) = due.recv() {
            if !self.gate.answer(came) {
                return Ok(());
            }
            client.write_all(&[&frame.head[..], &frame.body].concat())?;
        }
        Ok(())
    }
}
