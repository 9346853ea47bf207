//! A process that ends with the one that started it, however that ends.
//!
//! A pipe tells: its writing end is here, and closes even when this process is killed. Beside the server waits a shell
//! that reads from the pipe; at the end of it, it kills the server and removes its directory.

use std::fs::File;
use std::io::{self, Write};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};

/// `$1` is the directory; the rest is the server's command, which takes the first shell's place (so that the process id
/// is the server's own, `$$`).
const HOLD: &str = r#"
directory=$1
shift
exec 3<&0 </dev/null
(
    trap '' HUP INT TERM
    server=$$
    while read -r word <&3; do
        case $word in
            dead) server= ;;
            leave) exit 0 ;;
        esac
    done
    if [ -n "$server" ]; then
        kill -s KILL "$server" 2>/dev/null
        looks=0
        while [ $looks -lt 100 ] && kill -0 "$server" 2>/dev/null; do
            looks=$((looks + 1))
            sleep 0.1
        done
    fi
    rm -rf -- "$directory"
) &
exec 3<&-
exec "$@"
"#;

/// A server, and the pipe whose end is its end.
pub(crate) struct Held {
    child: Child,
    pipe: Option<ChildStdin>,
}

impl Held {
    /// Starts `command`, with its output at the end of `log`. Its directory is removed with it.
    pub(crate) fn start(command: &Command, directory: &Path, log: &Path) -> io::Result<Held> {
        let log = File::options().create(true).append(true).open(log)?;
        let mut child = Command::new("sh")
            .args(["-c", HOLD, "sh"])
            .arg(directory)
            .arg(command.get_program())
            .args(command.get_args())
            .stdin(Stdio::piped())
            .stdout(log.try_clone()?)
            .stderr(log)
            // What a terminal or a runner sends to the group of the tests is not for the server: it would end by halves.
            .process_group(0)
            .spawn()?;
        let pipe = child.stdin.take();
        Ok(Held { child, pipe })
    }

    /// Whether it ended by itself or was killed.
    pub(crate) fn ended(&mut self) -> bool {
        !matches!(self.child.try_wait(), Ok(None))
    }

    /// SIGKILL; it is gone afterwards. Its directory stays until this is dropped.
    pub(crate) fn kill(&mut self) -> io::Result<()> {
        self.child.kill()?;
        self.child.wait()?;
        self.tell("dead")
    }

    /// The directory outlives it.
    pub(crate) fn leave(mut self) -> io::Result<()> {
        self.kill()?;
        self.tell("leave")
    }

    /// Sends `STOP` or `CONT`.
    pub(crate) fn signal(&self, name: &str) -> io::Result<()> {
        let sent = Command::new("sh")
            .args(["-c", r#"kill -s "$1" "$2""#, "sh", name])
            .arg(self.child.id().to_string())
            .status()?;
        if sent.success() {
            return Ok(());
        }
        Err(io::Error::other(format!("SIG{name} was not sent")))
    }

    fn tell(&mut self, word: &str) -> io::Result<()> {
        match &mut self.pipe {
            Some(pipe) => writeln!(pipe, "{word}"),
            None => Ok(()),
        }
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        // The shell is told before it sees the pipe's end: another process may have the id by then.
        let _killed = self.kill();
    }
}
