//! A disk that fails on command: a small library (`failing_disk.c`) between the gateway and libc.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::time::Duration;

use tempfile::TempDir;

/// What Linux calls the faults.
pub(super) const ENOSPC: u32 = 28;
pub(super) const EROFS: u32 = 30;
pub(super) const EIO: u32 = 5;

/// Words of the control file, in the order of `struct control`.
#[derive(Clone, Copy)]
enum Word {
    Loaded,
    WriteErrno,
    FsyncErrno,
    FsyncDelay,
    Failed,
    Fsyncs,
}

/// The control of one process's disk.
pub(super) struct Disk {
    control: File,
    /// Holds the control file.
    directory: TempDir,
    under: PathBuf,
}

impl Disk {
    /// For the files in `under`.
    pub(super) fn new(under: &Path) -> Disk {
        let directory = tempfile::tempdir().expect("a directory");
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(true);
        let control = options.open(directory.path().join("control"));
        let control = control.expect("a control file");
        control.set_len(4096).expect("room");
        Disk {
            control,
            directory,
            under: under.canonicalize().expect("a data directory"),
        }
    }

    /// What the process is to be started with.
    pub(super) fn environment(&self) -> [(&str, String); 3] {
        let text = |path: &Path| path.to_str().expect("UTF-8").to_owned();
        [
            ("LD_PRELOAD", text(library())),
            (
                "FAILING_DISK_CONTROL",
                text(&self.directory.path().join("control")),
            ),
            ("FAILING_DISK_UNDER", text(&self.under)),
        ]
    }

    /// The process that was started has the library; without it every test here would pass for nothing.
    pub(super) fn is_loaded(&self) {
        assert_eq!(self.get(Word::Loaded), 1, "LD_PRELOAD had no effect");
    }

    pub(super) fn refuse_writes(&self, errno: u32) {
        self.set(Word::WriteErrno, errno);
    }

    pub(super) fn refuse_fsync(&self, errno: u32) {
        self.set(Word::FsyncErrno, errno);
    }

    pub(super) fn slow_fsync(&self, by: Duration) {
        let by = u32::try_from(by.as_millis()).expect("a short time");
        self.set(Word::FsyncDelay, by);
    }

    pub(super) fn heal(&self) {
        for word in [Word::WriteErrno, Word::FsyncErrno, Word::FsyncDelay] {
            self.set(word, 0);
        }
    }

    /// Calls that were refused so far.
    pub(super) fn refused(&self) -> u32 {
        self.get(Word::Failed)
    }

    pub(super) fn fsyncs(&self) -> u32 {
        self.get(Word::Fsyncs)
    }

    fn set(&self, word: Word, value: u32) {
        let written = self.control.write_all_at(&value.to_ne_bytes(), place(word));
        written.expect("the control file");
    }

    fn get(&self, word: Word) -> u32 {
        let mut bytes = [0; 4];
        let read = self.control.read_exact_at(&mut bytes, place(word));
        read.expect("the control file");
        u32::from_ne_bytes(bytes)
    }
}

fn place(word: Word) -> u64 {
    4 * word as u64
}

/// Built once a test run, with the compiler that SQLite was built with.
fn library() -> &'static Path {
    static LIBRARY: OnceLock<(TempDir, PathBuf)> = OnceLock::new();
    let (_, path) = LIBRARY.get_or_init(|| {
        let directory = tempfile::tempdir().expect("a directory");
        let library = directory.path().join("failing_disk.so");
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/disk/failing_disk.c");
        let mut compiler = Command::new("cc");
        compiler.args(["-shared", "-fPIC", "-O2", "-Wall", "-Werror", "-o"]);
        let built = compiler.arg(&library).arg(source).arg("-ldl").status();
        assert!(built.expect("a C compiler").success(), "failing_disk.c");
        (directory, library)
    });
    path
}
