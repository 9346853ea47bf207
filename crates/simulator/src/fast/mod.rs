//! The fast mode: a server that accepts every push at once and costs next to nothing, so that it is not what a load
//! test measures.
//!
//! It reads HTTP/2 itself: header blocks whole (an id or a path may come from the dynamic table), bodies by their length
//! only. It neither checks a push nor follows rules; the books have its totals and tell duplicates by their ids.

mod answers;
mod connection;
mod frames;
mod hpack;
mod huffman;
mod replies;

use std::sync::Arc;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::timeout;

use crate::Provider;
use crate::server::HANDSHAKE;
use crate::simulator::Shared;
use crate::wire::Io;
use connection::{Connection, Ended};

/// Bytes read at a time.
const INPUT: usize = 64 * 1024;

/// Serves until the connection ends.
pub(crate) async fn serve<T: Io>(
    shared: Arc<Shared>,
    provider: Provider,
    max_streams: u32,
    mut io: T,
) {
    let mut connection = Connection::new(provider, max_streams);
    let mut input = Vec::with_capacity(INPUT);
    let mut output = Vec::with_capacity(INPUT);
    loop {
        let read = io.read_buf(&mut input).await;
        if !matches!(read, Ok(1..)) {
            break;
        }
        let turn = connection.take(&input, &mut output);
        input.drain(..turn.taken);
        shared.books.turn(provider, connection.booked());
        // A client that does not read must not keep us.
        let write = async {
            io.write_all(&output).await?;
            io.flush().await
        };
        let written = matches!(timeout(HANDSHAKE, write).await, Ok(Ok(())));
        output.clear();
        if !written || turn.ended.is_some() {
            let broken = matches!(turn.ended, Some(Ended::Violation));
            let goodbye = matches!(turn.ended, Some(Ended::Goodbye));
            shared.books.connections(provider, |totals| {
                totals.violations += u64::from(broken);
                totals.goodbyes += u64::from(goodbye);
            });
            break;
        }
    }
    // It may be gone already.
    drop(timeout(HANDSHAKE, io.shutdown()).await);
}

#[cfg(test)]
mod tests;
