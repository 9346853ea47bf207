//! ScyllaDB in containers, where an engine answers.

use std::io;
use std::net::Ipv4Addr;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};

use crate::Error;
use crate::error::During;
use crate::loopback::Block;
use crate::server::{Server, Servers, last_lines};

/// What runs in them.
pub(crate) const IMAGE: &str = "docker.io/scylladb/scylla:2025.1";

const ENGINES: [&str; 2] = ["docker", "podman"];

/// The engine that answers and has the image, or a line for each that does not.
pub(crate) fn engine() -> Result<String, String> {
    let mut reasons = Vec::new();
    for engine in ENGINES {
        match has_image(engine) {
            Ok(()) => return Ok(engine.to_owned()),
            Err(reason) => reasons.push(format!("  {engine}: {reason}")),
        }
    }
    Err(reasons.join("\n"))
}

fn has_image(engine: &str) -> Result<(), String> {
    run(engine, &["info"])?;
    run(engine, &["image", "inspect", IMAGE]).or_else(|_| run(engine, &["pull", "--quiet", IMAGE]))
}

/// So many nodes, not started yet. They share the machine's network, and so its loopback addresses.
pub(crate) fn nodes(engine: &str, count: usize, block: &Block) -> Servers {
    let seed = block.address(1);
    let node = |index: usize| {
        let address = block.address(index as u8 + 1);
        let node = Container {
            engine: engine.to_owned(),
            name: format!("fanfare-scylla-{address}"),
            address,
            seed,
            guard: None,
        };
        (address, Box::new(node) as Box<dyn Server>)
    };
    (0..count).map(node).collect()
}

struct Container {
    engine: String,
    name: String,
    address: Ipv4Addr,
    seed: Ipv4Addr,
    /// There once the container is.
    guard: Option<Guard>,
}

impl Container {
    fn create(&self) -> Vec<String> {
        let (address, seed) = (self.address, self.seed);
        let mut arguments = vec![
            "run".to_owned(),
            "--detach".to_owned(),
            format!("--name={}", self.name),
            "--network=host".to_owned(),
            IMAGE.to_owned(),
        ];
        let flags = [
            "--smp=1".to_owned(),
            "--memory=750M".to_owned(),
            "--overprovisioned=1".to_owned(),
            "--developer-mode=1".to_owned(),
            format!("--seeds={seed}"),
            format!("--listen-address={address}"),
            format!("--rpc-address={address}"),
            format!("--api-address={address}"),
            format!("--prometheus-address={address}"),
            "--auto-snapshot=0".to_owned(),
        ];
        arguments.extend(flags);
        arguments
    }

    fn run(&self, arguments: &[&str]) -> Result<(), Error> {
        let during = || format!("{} {}", self.engine, arguments.join(" "));
        run(&self.engine, arguments)
            .map_err(io::Error::other)
            .during(during)
    }

    fn say(&self, arguments: &[&str]) -> Option<String> {
        let output = Command::new(&self.engine).args(arguments).output().ok()?;
        let said = [output.stdout, output.stderr].concat();
        Some(String::from_utf8_lossy(&said).into_owned())
    }
}

impl Server for Container {
    fn start(&mut self) -> Result<(), Error> {
        if self.guard.is_some() {
            return self.run(&["restart", "--time=0", &self.name]);
        }
        let guard = Guard::start(&self.engine, &self.name);
        self.guard = Some(guard.during(|| "starting a shell".to_owned())?);
        let create = self.create();
        let create: Vec<&str> = create.iter().map(String::as_str).collect();
        self.run(&create)
    }

    fn kill(&mut self) -> Result<(), Error> {
        self.run(&["kill", &self.name])
    }

    fn stop(&mut self) -> Result<(), Error> {
        self.run(&["pause", &self.name])
    }

    fn go_on(&mut self) -> Result<(), Error> {
        self.run(&["unpause", &self.name])
    }

    fn ended(&mut self) -> bool {
        let format = "--format={{.State.Running}}";
        let running = self.say(&["container", "inspect", format, &self.name]);
        running.is_none_or(|running| running.trim() != "true")
    }

    fn log_tail(&self) -> String {
        let log = self.say(&["logs", &self.name]);
        log.map_or_else(String::new, |log| last_lines(&log))
    }
}

/// A shell that removes the container when its pipe from this process closes, however this process ends.
struct Guard(Child);

impl Guard {
    fn start(engine: &str, name: &str) -> io::Result<Guard> {
        let watch = r#"trap '' HUP INT TERM; cat >/dev/null; exec "$1" rm --force --volumes "$2""#;
        let shell = Command::new("sh")
            .args(["-c", watch, "sh", engine, name])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .process_group(0)
            .spawn()?;
        Ok(Guard(shell))
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        drop(self.0.stdin.take());
        let _status = self.0.wait();
    }
}

/// Runs the engine; the last line of its complaint if it fails.
fn run(engine: &str, arguments: &[&str]) -> Result<(), String> {
    let output = Command::new(engine)
        .args(arguments)
        .output()
        .map_err(|error| error.to_string())?;
    if output.status.success() {
        return Ok(());
    }
    let complaint = String::from_utf8_lossy(&output.stderr);
    let last = complaint.lines().last().unwrap_or_default();
    Err(format!("{} ({last})", output.status))
}
