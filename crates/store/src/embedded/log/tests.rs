//! Logs that SQLite wrote, whole and damaged in each place.

use std::path::PathBuf;

use rusqlite::Connection;
use tempfile::TempDir;

use super::*;

const PAGE: usize = 4096;
const FRAME: usize = FRAME_HEADER_BYTES + PAGE;

/// The bytes of a log with this many commits of one frame each, behind the one that made the table.
struct Written {
    bytes: Vec<u8>,
    first: usize,
    directory: TempDir,
}

impl Written {
    fn new(commits: u32) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("db");
        let db = Connection::open(&path).unwrap();
        db.pragma_update(None, "page_size", 4096).unwrap();
        db.pragma_update_and_check(None, "journal_mode", "wal", |_| Ok(()))
            .unwrap();
        db.execute_batch("CREATE TABLE t (x); INSERT INTO t VALUES (0)")
            .unwrap();
        let log = || std::fs::read(directory.path().join("db-wal")).unwrap();
        let first = (log().len() - HEADER_BYTES) / FRAME;
        for number in 1..=commits {
            db.execute("UPDATE t SET x = ?1", [number]).unwrap();
        }
        let bytes = log();
        Written {
            bytes,
            first,
            directory,
        }
    }

    fn read(&self, change: impl FnOnce(&mut Vec<u8>)) -> Log {
        let mut bytes = self.bytes.clone();
        change(&mut bytes);
        let path: PathBuf = self.directory.path().join("changed");
        std::fs::write(&path, bytes).unwrap();
        super::read(&path, 4096).unwrap().unwrap()
    }

    /// Where a byte of a commit's frame is; commits count from the end, the last is 0.
    fn place(&self, from_end: usize, byte: usize) -> usize {
        self.bytes.len() - (from_end + 1) * FRAME + byte
    }
}

#[test]
fn a_whole_log_is_read_to_its_end() {
    let written = Written::new(10);
    let log = written.read(|_| ());
    assert_eq!(log.frames as usize, written.first + 10);
    assert_eq!(log.database_pages, 2);
    assert_eq!(log.pages, HashSet::from([1, 2]));
    assert!(!log.is_damaged() && !log.has_tail && log.lost_commits == 0);
}

#[test]
fn a_torn_last_commit_is_no_damage() {
    let written = Written::new(10);
    let all = written.first as u64 + 10;
    for cut in [1, 100, FRAME - 1] {
        let log = written.read(|bytes| bytes.truncate(bytes.len() - cut));
        assert!(!log.is_damaged(), "{log:?}");
        assert_eq!(log.frames, all - 1);
    }
    for byte in [0, 5, 17, FRAME_HEADER_BYTES + 99] {
        let log = written.read(|bytes| bytes[written.place(0, byte)] ^= 1);
        assert!(!log.is_damaged(), "{byte}: {log:?}");
        assert_eq!(log.frames, all - 1);
    }
}

#[test]
fn a_damaged_frame_before_the_last_loses_commits() {
    let written = Written::new(10);
    for from_end in 1..10 {
        // Page number, size after the commit, checksum, content.
        for byte in [0, 5, 17, FRAME_HEADER_BYTES + 99] {
            let log = written.read(|bytes| bytes[written.place(from_end, byte)] ^= 1);
            assert!(log.is_damaged(), "{from_end}, {byte}: {log:?}");
            assert_eq!(
                log.frames as usize,
                written.first + 9 - from_end,
                "{from_end}, {byte}"
            );
        }
    }
}

#[test]
fn a_damaged_header_loses_them_all() {
    let written = Written::new(10);
    for byte in [0, 9, 17, 25] {
        let log = written.read(|bytes| bytes[byte] ^= 1);
        assert!(log.is_damaged() && log.frames == 0, "{byte}: {log:?}");
    }
}

#[test]
fn frames_of_an_earlier_round_are_not_of_this_log() {
    let written = Written::new(10);
    // As after a checkpoint: other salts from here on, which SQLite left in place.
    let log = written.read(|bytes| {
        let from = bytes.len() - 5 * FRAME;
        for frame in bytes[from..].chunks_exact_mut(FRAME) {
            frame[8] ^= 1;
        }
    });
    assert!(!log.is_damaged() && !log.has_tail, "{log:?}");
}

#[test]
fn frames_without_their_commit_are_a_tail() {
    let written = Written::new(3);
    let log = written.read(|bytes| {
        let mut next = bytes[bytes.len() - FRAME..].to_vec();
        next[4..8].fill(0);
        bytes.extend(next);
    });
    assert!(!log.is_damaged() && log.has_tail, "{log:?}");
}

#[test]
fn no_log_and_an_empty_one_are_none() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("db-wal");
    assert_eq!(super::read(&path, 4096).unwrap(), None);
    std::fs::write(&path, b"").unwrap();
    assert_eq!(super::read(&path, 4096).unwrap(), None);
}
