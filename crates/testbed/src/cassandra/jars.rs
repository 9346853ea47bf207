//! The jars, fetched once into cargo's target directory and used by all tests.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::error::During;
use crate::server::tail;
use crate::{Error, wait};

/// What is fetched.
const POM: &str = include_str!("../../cassandra/pom.xml");

/// Longest time for Maven, which takes 15 to 60 s.
const PATIENCE: Duration = Duration::from_secs(600);

/// The directory that has the jars. Where several processes want it at once, one fetches and the others wait.
pub(super) fn fetched() -> Result<PathBuf, Error> {
    let place = target_directory().join("testbed");
    fs::create_dir_all(&place).during(|| format!("making {}", place.display()))?;
    let lock = place.join("cassandra.lock");
    let lock = File::create(&lock).during(|| format!("opening {}", lock.display()))?;
    lock.lock()
        .during(|| "locking the directory of the jars".to_owned())?;
    // A copy of what was asked for, put there last, says that all of them are there.
    let (jars, done) = (place.join("cassandra"), place.join("cassandra.xml"));
    if fs::read_to_string(&done).is_ok_and(|done| done == POM) {
        return Ok(jars);
    }
    fetch(&place, &jars)?;
    fs::write(&done, POM).during(|| format!("writing {}", done.display()))?;
    Ok(jars)
}

fn fetch(place: &Path, jars: &Path) -> Result<(), Error> {
    let failed = |output: String| Error::Fetch {
        into: jars.to_owned(),
        output,
    };
    let (pom, log) = (place.join("pom.xml"), place.join("maven.log"));
    match fs::remove_dir_all(jars) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            return Err(failed(error.to_string()));
        }
        _ => {}
    }
    fs::write(&pom, POM).during(|| format!("writing {}", pom.display()))?;
    let output = File::create(&log).during(|| format!("writing {}", log.display()))?;
    let mut maven = Command::new("mvn")
        .args(["--quiet", "--batch-mode", "--file"])
        .arg(&pom)
        .arg("dependency:copy-dependencies")
        .arg(format!("-DoutputDirectory={}", jars.display()))
        .stdin(Stdio::null())
        .stderr(output.try_clone().during(|| "opening a log".to_owned())?)
        .stdout(output)
        .spawn()
        .during(|| "starting mvn".to_owned())?;
    let ended = wait::until(Instant::now() + PATIENCE, || maven.try_wait().transpose());
    match ended {
        Some(Ok(status)) if status.success() => Ok(()),
        Some(Ok(status)) => Err(failed(format!("{status}\n{}", tail(&log)))),
        Some(Err(error)) => Err(failed(error.to_string())),
        None => {
            let _killed = maven.kill().and_then(|()| maven.wait());
            Err(failed(format!(
                "not done after {PATIENCE:?}\n{}",
                tail(&log)
            )))
        }
    }
}

/// Cargo's target directory: the one above this program that cargo has marked, else the workspace's own.
fn target_directory() -> PathBuf {
    let program = std::env::current_exe().unwrap_or_default();
    let marked = program
        .ancestors()
        .find(|above| above.join("CACHEDIR.TAG").is_file());
    let own = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target");
    marked.map_or_else(own, Path::to_owned)
}
