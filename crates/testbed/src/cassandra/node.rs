//! One node: its directory, its configuration, its command.

use std::fs;
use std::net::Ipv4Addr;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use tempfile::TempDir;

use crate::Error;
use crate::error::During;
use crate::held::Held;
use crate::server::{Server, tail};

const CONFIGURATION: &str = include_str!("../../cassandra/cassandra.yaml");
const LOGGING: &str = include_str!("../../cassandra/logback.xml");

/// What makes it start in seconds, and fit beside the tests.
const JAVA: &[&str] = &[
    "-Xms256M",
    "-Xmx256M",
    "-Xss512k",
    "-XX:+UseSerialGC",
    "-XX:TieredStopAtLevel=1",
    "-XX:+ExitOnOutOfMemoryError",
    // Parts of Java that Cassandra uses and modules hide.
    "--add-exports=java.base/jdk.internal.ref=ALL-UNNAMED",
    "--add-opens=java.base/sun.nio.ch=ALL-UNNAMED",
    "--add-opens=java.base/java.io=ALL-UNNAMED",
    "-Djava.net.preferIPv4Stack=true",
    "-Djava.awt.headless=true",
    // Else its log ends when it is up.
    "-Dcassandra-foreground=yes",
    // Its process is killed, the machine's power is not cut: nothing needs to reach the disk.
    "-Dcassandra.skip_sync=true",
    // Waits for what a test's few nodes do not have.
    "-Dcassandra.skip_wait_for_gossip_to_settle=0",
    "-Dcassandra.ring_delay_ms=5000",
    "-Dcassandra.superuser_setup_delay_ms=0",
    "-Dcassandra.shutdown_announce_in_ms=0",
    // It would measure this at every start, for two seconds.
    "-Dcassandra.memtable.row_overhead_size=180",
    "-Dcassandra.test.ignore_sigar=true",
];

/// Without the right to it, Cassandra does not lock its memory, of which it would need twice as much.
const UNLOCKED: &[&str] = &[
    "setpriv",
    "--bounding-set=-ipc_lock",
    "--inh-caps=-ipc_lock",
    "prlimit",
    "--memlock=65536",
];

pub(super) struct Node {
    directory: TempDir,
    command: Command,
    held: Option<Held>,
}

impl Node {
    pub(super) fn new(
        jars: &Arc<Path>,
        address: Ipv4Addr,
        seed: Ipv4Addr,
        token: i64,
    ) -> Result<Node, Error> {
        let directory = tempfile::Builder::new()
            .prefix("fanfare-cassandra-")
            .tempdir()
            .during(|| "making a node's directory".to_owned())?;
        let (yaml, logging) = (
            directory.path().join("cassandra.yaml"),
            directory.path().join("logback.xml"),
        );
        let configuration = configuration(address, seed, token);
        fs::write(&yaml, configuration).during(|| format!("writing {}", yaml.display()))?;
        fs::write(&logging, LOGGING).during(|| format!("writing {}", logging.display()))?;
        let mut command = java();
        command
            .args(JAVA)
            .arg(format!("-Dcassandra.config=file://{}", yaml.display()))
            .arg(format!("-Dlogback.configurationFile={}", logging.display()))
            .arg(format!(
                "-Dcassandra.storagedir={}",
                directory.path().join("data").display()
            ))
            .arg("-cp")
            .arg(jars.join("*"))
            .arg("org.apache.cassandra.service.CassandraDaemon");
        Ok(Node {
            directory,
            command,
            held: None,
        })
    }

    fn log(&self) -> std::path::PathBuf {
        self.directory.path().join("log")
    }
}

impl Server for Node {
    fn start(&mut self) -> Result<(), Error> {
        let during = || "starting a node of Cassandra".to_owned();
        if let Some(former) = self.held.take() {
            former.leave().during(during)?;
        }
        let held = Held::start(&self.command, self.directory.path(), &self.log());
        self.held = Some(held.during(during)?);
        Ok(())
    }

    fn kill(&mut self) -> Result<(), Error> {
        let killed = self.held.as_mut().map_or(Ok(()), Held::kill);
        killed.during(|| "killing a node".to_owned())
    }

    fn stop(&mut self) -> Result<(), Error> {
        let stopped = self
            .held
            .as_ref()
            .map_or(Ok(()), |held| held.signal("STOP"));
        stopped.during(|| "stopping a node".to_owned())
    }

    fn go_on(&mut self) -> Result<(), Error> {
        let going = self
            .held
            .as_ref()
            .map_or(Ok(()), |held| held.signal("CONT"));
        going.during(|| "letting a node go on".to_owned())
    }

    fn ended(&mut self) -> bool {
        self.held.as_mut().is_none_or(Held::ended)
    }

    fn log_tail(&self) -> String {
        tail(&self.log())
    }
}

fn configuration(address: Ipv4Addr, seed: Ipv4Addr, token: i64) -> String {
    format!(
        "{CONFIGURATION}
listen_address: {address}
rpc_address: {address}
initial_token: {token}
seed_provider:
  - class_name: org.apache.cassandra.locator.SimpleSeedProvider
    parameters:
      - seeds: \"{seed}\"
"
    )
}

/// Java, without the right to lock memory where it would have it (root's).
fn java() -> Command {
    let mut probe = Command::new(UNLOCKED[0]);
    probe.args(&UNLOCKED[1..]).arg("true");
    let works = probe.output().is_ok_and(|output| output.status.success());
    if !works {
        return Command::new("java");
    }
    let mut unlocked = Command::new(UNLOCKED[0]);
    unlocked.args(&UNLOCKED[1..]).arg("java");
    unlocked
}
