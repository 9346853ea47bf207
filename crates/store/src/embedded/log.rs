//! Reads the write-ahead log without SQLite, for what SQLite does not tell: commits that cannot be reached.
//!
//! SQLite reads a log up to its first damaged frame and forgets the rest without a word. That is right for the
//! last commit, whose writing a power cut may have torn: nobody was told of it. It is wrong for a frame in the
//! middle, because each commit behind it was on disk when the next one began; so more than one commit behind a
//! damaged frame means that acknowledged writes are about to be lost.
//!
//! The format is <https://www.sqlite.org/fileformat2.html#walformat>.

#[cfg(test)]
mod tests;

use std::collections::HashSet;
use std::fs::File;
use std::io::{self, BufReader, Read};
use std::path::Path;

const HEADER_BYTES: usize = 32;
const FRAME_HEADER_BYTES: usize = 24;
/// `WAL_MAGIC` with the checksums' byte order in its last bit.
const MAGIC: u32 = 0x377f_0682;

/// What a log holds.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Log {
    /// Frames up to the last commit that can be reached.
    pub(super) frames: u64,
    /// Pages those frames hold.
    pub(super) pages: HashSet<u32>,
    /// Pages of the database as of the last commit; 0 when there is none.
    pub(super) database_pages: u32,
    /// Commits behind the first damaged frame.
    pub(super) lost_commits: u64,
    /// Something of this log is behind its last commit.
    pub(super) has_tail: bool,
}

impl Log {
    /// Whether commits that were acknowledged cannot be reached.
    pub(super) fn is_damaged(&self) -> bool {
        self.lost_commits > 1
    }
}

/// Reads the log at `path`. `None` when there is none, or an empty one. `page_bytes` is the database's page
/// size, for a log whose own header cannot be read.
pub(super) fn read(path: &Path, page_bytes: u32) -> io::Result<Option<Log>> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let mut input = BufReader::with_capacity(1 << 20, file);
    let mut header = [0; HEADER_BYTES];
    if !fill(&mut input, &mut header)? {
        return Ok(None);
    }
    Reading::new(&header, page_bytes).run(&mut input).map(Some)
}

struct Reading {
    big_endian: bool,
    page_bytes: usize,
    /// Of this log's frames; those of an earlier round have others. `None` until the first frame tells, when
    /// the header cannot be read.
    salts: Option<[u8; 8]>,
    /// The checksum the next frame goes on from: as it was written, and as it should be. Behind a damaged frame
    /// either may be the right one.
    sums: [(u32, u32); 2],
    /// All frames so far were sound.
    sound: bool,
    /// The next frame is the first one behind a damaged header.
    at_break: bool,
    pending: Vec<u32>,
    log: Log,
}

impl Reading {
    fn new(header: &[u8; HEADER_BYTES], page_bytes: u32) -> Self {
        let big_endian = number(header, 0) & 1 == 1;
        let sum = checksum(big_endian, (0, 0), &header[..24]);
        let size = number(header, 8);
        let sound = number(header, 0) & !1 == MAGIC
            && sum == (number(header, 24), number(header, 28))
            && (512..=65_536).contains(&size);
        Reading {
            big_endian: sound && big_endian,
            page_bytes: if sound { size } else { page_bytes } as usize,
            salts: sound.then(|| eight(header, 16)),
            sums: [(number(header, 24), number(header, 28)), sum],
            sound,
            at_break: !sound,
            pending: Vec::new(),
            log: Log::default(),
        }
    }

    fn run(mut self, input: &mut impl Read) -> io::Result<Log> {
        let mut frame = vec![0; FRAME_HEADER_BYTES + self.page_bytes];
        while fill(input, &mut frame)? {
            self.on_frame(&frame);
        }
        self.log.has_tail |= !self.pending.is_empty();
        Ok(self.log)
    }

    fn on_frame(&mut self, frame: &[u8]) {
        let (page, commit) = (number(frame, 0), number(frame, 4));
        let ours = *self.salts.get_or_insert_with(|| eight(frame, 8)) == eight(frame, 8);
        let stored = (number(frame, 16), number(frame, 20));
        let (head, content) = (&frame[..8], &frame[FRAME_HEADER_BYTES..]);
        let sum = |from| {
            checksum(
                self.big_endian,
                checksum(self.big_endian, from, head),
                content,
            )
        };
        let [written, meant] = self.sums;
        let mut should = sum(written);
        if should != stored && meant != written {
            should = sum(meant);
        }
        let follows = ours && page != 0 && should == stored;
        let at_break = std::mem::take(&mut self.at_break) || (self.sound && !follows);
        self.sound &= follows;
        self.sums = [stored, should];
        if self.sound {
            self.pending.push(page);
            if commit != 0 {
                self.log.frames += self.pending.len() as u64;
                self.log.pages.extend(self.pending.drain(..));
                self.log.database_pages = commit;
            }
        } else if ours && (follows || at_break) {
            self.log.has_tail = true;
            self.log.lost_commits += u64::from(commit != 0);
        }
    }
}

/// Whether the buffer could be filled; a rest that is too short is none.
fn fill(input: &mut impl Read, buffer: &mut [u8]) -> io::Result<bool> {
    match input.read_exact(buffer) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(false),
        Err(error) => Err(error),
    }
}

/// SQLite's running checksum over pairs of words.
fn checksum(big_endian: bool, start: (u32, u32), bytes: &[u8]) -> (u32, u32) {
    let word = |bytes: &[u8]| {
        let bytes = [bytes[0], bytes[1], bytes[2], bytes[3]];
        match big_endian {
            true => u32::from_be_bytes(bytes),
            false => u32::from_le_bytes(bytes),
        }
    };
    bytes.chunks_exact(8).fold(start, |(one, two), pair| {
        let one = one.wrapping_add(word(pair)).wrapping_add(two);
        let two = two.wrapping_add(word(&pair[4..])).wrapping_add(one);
        (one, two)
    })
}

/// Numbers of the format are big-endian, whatever the checksums' order.
fn number(bytes: &[u8], at: usize) -> u32 {
    u32::from_be_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
}

fn eight(bytes: &[u8], at: usize) -> [u8; 8] {
    let mut eight = [0; 8];
    eight.copy_from_slice(&bytes[at..at + 8]);
    eight
}
