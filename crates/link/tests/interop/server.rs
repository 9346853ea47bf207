//! Builds and starts the servers. What is built or fetched is kept in the target folder.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::net::TcpStream;
use tokio::process::{Child, Command};
use tokio::time::{Instant, sleep, timeout};

/// Longest wait for a build or a start, on a busy machine and with nothing fetched yet.
const PATIENCE: Duration = Duration::from_secs(240);

/// A running server; it ends when this is dropped.
pub(crate) struct Server {
    pub(crate) plain: u16,
    pub(crate) small: u16,
    pub(crate) ca_pem: String,
    _process: Child,
}

/// Where a server's program is, where it is built, and what it shows to be trusted.
struct Place {
    sources: PathBuf,
    target: PathBuf,
    cert: PathBuf,
    key: PathBuf,
    ca_pem: String,
}

impl Place {
    fn of(name: &str) -> Self {
        let target = Path::new(env!("CARGO_TARGET_TMPDIR"))
            .join("interop")
            .join(name);
        std::fs::create_dir_all(&target).expect("a folder");
        let own = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("a key");
        let place = Place {
            sources: Path::new(env!("CARGO_MANIFEST_DIR"))
                .join("tests/interop")
                .join(name),
            cert: target.join("cert.pem"),
            key: target.join("key.pem"),
            ca_pem: own.cert.pem(),
            target,
        };
        std::fs::write(&place.cert, &place.ca_pem).expect("room");
        std::fs::write(&place.key, own.signing_key.serialize_pem()).expect("room");
        place
    }

    /// Starts a program that prints `listening`, its plain port and its small one, and ends with its standard input.
    async fn start(self, mut command: Command) -> Server {
        command.arg(&self.cert).arg(&self.key);
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut process = spawn(&mut command);
        let stdout = process.stdout.take().expect("it is piped");
        let mut lines = BufReader::new(stdout).lines();
        let line = timeout(PATIENCE, lines.next_line()).await;
        let line = line.expect("it starts in time").expect("text");
        let line = line.unwrap_or_else(|| panic!("{command:?} ended without a port"));
        let ports = line.strip_prefix("listening ").expect("ports");
        let (plain, small) = ports.split_once(' ').expect("two");
        Server {
            plain: plain.parse().expect("a port"),
            small: small.parse().expect("a port"),
            ca_pem: self.ca_pem,
            _process: process,
        }
    }
}

pub(crate) async fn node() -> Server {
    let place = Place::of("node");
    let mut node = Command::new("node");
    node.arg(place.sources.join("server.js"));
    place.start(node).await
}

pub(crate) async fn go() -> Server {
    let place = Place::of("go");
    let program = place.target.join("server");
    let mut build = Command::new("go");
    build
        .current_dir(&place.sources)
        .args(["build", "-o"])
        .arg(&program)
        .arg(".")
        // The program needs nothing but the standard library.
        .envs([
            ("GOPROXY", "off"),
            ("GOFLAGS", "-mod=mod"),
            ("GOWORK", "off"),
        ]);
    done(build).await;
    place.start(Command::new(program)).await
}

pub(crate) async fn netty() -> Server {
    let place = Place::of("netty");
    let pom = place.sources.join("pom.xml");
    let libraries = place.target.join("lib");
    // A copy of the list of libraries says that all of them are there.
    let fetched = place.target.join("fetched.xml");
    let wanted = std::fs::read(&pom).expect("a pom");
    if std::fs::read(&fetched).ok().as_ref() != Some(&wanted) {
        let _old = std::fs::remove_dir_all(&libraries);
        let mut fetch = Command::new("mvn");
        fetch
            .args(["-q", "-B", "-f"])
            .arg(&pom)
            .arg("org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies")
            .arg(format!("-DoutputDirectory={}", libraries.display()));
        done(fetch).await;
        std::fs::write(&fetched, wanted).expect("room");
    }
    let mut java = Command::new("java");
    java.arg("-cp")
        .arg(libraries.join("*"))
        .args(["-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC"])
        .arg(place.sources.join("Server.java"));
    place.start(java).await
}

/// It cannot choose a port itself, so it is given one that was free just now.
pub(crate) async fn nghttpd(options: &[&str]) -> Server {
    let place = Place::of(&format!("nghttpd-{}", options.len()));
    let free = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = free.local_addr().expect("its address").port();
    drop(free);
    let mut nghttpd = Command::new("nghttpd");
    nghttpd
        .args(options)
        .args(["-a", "127.0.0.1", "-d"])
        .arg(&place.target)
        .arg(port.to_string())
        .args([&place.key, &place.cert])
        .stdout(Stdio::null());
    let process = spawn(&mut nghttpd);
    let deadline = Instant::now() + PATIENCE;
    while TcpStream::connect(("127.0.0.1", port)).await.is_err() {
        assert!(Instant::now() < deadline, "{nghttpd:?} does not listen");
        sleep(Duration::from_millis(20)).await;
    }
    Server {
        plain: port,
        small: port,
        ca_pem: place.ca_pem,
        _process: process,
    }
}

fn spawn(command: &mut Command) -> Child {
    command.kill_on_drop(true).spawn().unwrap_or_else(|error| {
        panic!("{command:?}: {error}; scripts/test says what is to be installed")
    })
}

async fn done(mut command: Command) {
    let status = timeout(PATIENCE, spawn(&mut command).wait()).await;
    let status = status.expect("it ends in time").expect("its status");
    assert!(status.success(), "{command:?}: {status}");
}
