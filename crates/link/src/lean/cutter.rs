//! Frames out of bytes that come in pieces of any size.

use super::fault::Fault;
use super::frame::{HEAD, Head, LENGTH_MAX};

/// Keeps the beginning of a frame whose rest has not come yet: one frame at most.
#[derive(Default)]
pub(super) struct Cutter {
    begun: Vec<u8>,
}

impl Cutter {
    /// Hands each whole frame to `take`, and keeps what is left. A frame that lies in `bytes` whole is not copied.
    pub(super) fn cut(
        &mut self,
        mut bytes: &[u8],
        mut take: impl FnMut(Head, &[u8]) -> Result<(), Fault>,
    ) -> Result<(), Fault> {
        while !self.begun.is_empty() {
            let missing = self.wanted()? - self.begun.len();
            let (more, rest) = bytes.split_at(bytes.len().min(missing));
            self.begun.extend_from_slice(more);
            bytes = rest;
            if more.len() < missing {
                return Ok(());
            }
            // What was wanted may have been the head, which says how much follows.
            if self.begun.len() == self.wanted()? {
                self.finish(&mut take)?;
            }
        }
        while let Some(head) = bytes.first_chunk() {
            let head = checked(head)?;
            let Some(payload) = bytes.get(HEAD..HEAD + head.length) else {
                break;
            };
            take(head, payload)?;
            bytes = &bytes[HEAD + head.length..];
        }
        self.begun.extend_from_slice(bytes);
        Ok(())
    }

    /// How long the frame is that has begun, or its head if that is not whole.
    fn wanted(&self) -> Result<usize, Fault> {
        match self.begun.first_chunk() {
            Some(head) => Ok(HEAD + checked(head)?.length),
            None => Ok(HEAD),
        }
    }

    fn finish(
        &mut self,
        take: &mut impl FnMut(Head, &[u8]) -> Result<(), Fault>,
    ) -> Result<(), Fault> {
        let begun = std::mem::take(&mut self.begun);
        if let Some(head) = begun.first_chunk() {
            take(Head::read(head), &begun[HEAD..])?;
        }
        // Its room serves the next one.
        self.begun = begun;
        self.begun.clear();
        Ok(())
    }
}

/// A head whose length we take: a longer frame is a fault before any of it has come (section 4.2).
fn checked(head: &[u8; HEAD]) -> Result<Head, Fault> {
    let head = Head::read(head);
    match head.length > LENGTH_MAX {
        true => Err(Fault::size("a frame longer than SETTINGS_MAX_FRAME_SIZE")),
        false => Ok(head),
    }
}
