//! Apache Cassandra from Maven's central repository: a CQL server for a machine that has Java and no containers.

mod jars;
mod node;

use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use crate::loopback::Block;
use crate::server::{Server, Servers};
use crate::{Error, cassandra::node::Node};

/// The oldest Java that runs it.
const OLDEST_JAVA: u32 = 17;

/// Why it cannot be had here, if it cannot.
pub(crate) fn missing() -> Option<String> {
    let mut faults = Vec::new();
    match java_version() {
        None => faults.push("no java".to_owned()),
        Some(version) if version < OLDEST_JAVA => {
            faults.push(format!("java is {version}, not {OLDEST_JAVA} or newer"));
        }
        Some(_) => {}
    }
    if !runs("mvn", &["--version"]) {
        faults.push("no mvn".to_owned());
    }
    (!faults.is_empty()).then(|| faults.join(", "))
}

/// So many nodes, not started yet.
pub(crate) fn nodes(count: usize, block: &Block) -> Result<Servers, Error> {
    let jars: Arc<Path> = jars::fetched()?.into();
    let seed = block.address(1);
    (0..count)
        .map(|index| {
            let address = block.address(index as u8 + 1);
            let node = Node::new(&jars, address, seed, token(index, count))?;
            Ok((address, Box::new(node) as Box<dyn Server>))
        })
        .collect()
}

/// The tokens divide the ring evenly.
fn token(index: usize, count: usize) -> i64 {
    let share = u64::MAX / count as u64;
    (i64::MIN + 1).wrapping_add_unsigned(share * index as u64)
}

fn java_version() -> Option<u32> {
    let output = Command::new("java").arg("-version").output().ok()?;
    parse_java_version(&String::from_utf8_lossy(&output.stderr))
}

/// `openjdk version "17.0.15" 2025-04-15` is 17; `"1.8.0_402"` is 8.
fn parse_java_version(text: &str) -> Option<u32> {
    let quoted = text.split('"').nth(1)?;
    let mut parts = quoted.split(['.', '-', '_', '+']);
    match parts.next()? {
        "1" => parts.next()?.parse().ok(),
        major => major.parse().ok(),
    }
}

fn runs(program: &str, arguments: &[&str]) -> bool {
    let output = Command::new(program).args(arguments).output();
    output.is_ok_and(|output| output.status.success())
}

#[cfg(test)]
mod tests {
    use super::{parse_java_version, token};

    #[test]
    fn javas_say_their_version_in_two_ways() {
        let version =
            |text| parse_java_version(&format!("openjdk version \"{text}\" 2025-04-15\n"));
        assert_eq!(version("17.0.15"), Some(17));
        assert_eq!(version("25-ea"), Some(25));
        assert_eq!(version("1.8.0_402"), Some(8));
        assert_eq!(parse_java_version("no such command"), None);
    }

    #[test]
    fn tokens_divide_the_ring() {
        assert_eq!(token(0, 3), -9_223_372_036_854_775_807);
        assert_eq!(token(1, 3), -3_074_457_345_618_258_602);
        assert_eq!(token(2, 3), 3_074_457_345_618_258_603);
    }
}
