//! `[fleet]`: several gateways on one store.

use std::time::Duration;

use super::section::Section;

#[derive(Clone, Debug, PartialEq)]
pub struct Fleet {
    /// What operators call this gateway; without it, its host name.
    pub name: Option<String>,
    /// A gateway that has not shown for so long that it lives is taken for dead.
    pub lease: Duration,
    /// Longest time that a gateway goes on without having heard the others.
    pub settle: Duration,
    /// How often it listens to them.
    pub poll: Duration,
}

impl Default for Fleet {
    fn default() -> Self {
        Fleet {
            name: None,
            lease: Duration::from_secs(5),
            settle: Duration::from_secs(1),
            poll: Duration::from_millis(200),
        }
    }
}

/// Beats are a fifth of it apart: shorter, and a machine under load would be taken for dead.
const LEASE_MIN: Duration = Duration::from_secs(1);

pub(super) fn read(section: Section<'_>, default: Fleet) -> Fleet {
    let fleet = Fleet {
        name: section.optional("name", "a name of 1 to 64 printable characters", name),
        lease: section.duration("lease", default.lease),
        settle: section.duration("settle", default.settle),
        poll: section.duration("poll", default.poll),
    };
    if fleet.lease < LEASE_MIN {
        section.fault("lease", "must not be shorter than 1s");
    }
    if fleet.settle > fleet.lease {
        section.fault("settle", "must not be longer than lease");
    }
    if fleet.poll * 2 > fleet.settle {
        section.fault("poll", "must not be longer than half of settle");
    }
    section.finish();
    fleet
}

fn name(text: &str) -> Option<String> {
    let is_fit = (1..=64).contains(&text.chars().count()) && !text.contains(char::is_control);
    is_fit.then(|| text.to_owned())
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use crate::config::parse;

    #[test]
    fn the_defaults_are_its_own() {
        let (fleet, own) = (
            super::Fleet::default(),
            fanfare_core::fleet::Limits::default(),
        );
        assert_eq!(
            (fleet.lease, fleet.settle, fleet.poll),
            (own.lease, own.settle, own.poll)
        );
    }

    #[test]
    fn times_that_contradict_each_other_are_faults() {
        let text = "[fleet]\nname = \"\"\nlease = \"500ms\"\nsettle = \"1s\"\npoll = \"600ms\"\n[[apps]]\nid = \"shop\"\n";
        let faults = parse(text, Path::new("/nowhere"), [])
            .unwrap_err()
            .to_string();
        for expected in [
            "line 2: fleet.name: is not a name",
            "line 3: fleet.lease: must not be shorter",
            "line 4: fleet.settle: must not be longer",
            "line 5: fleet.poll: must not be longer",
        ] {
            assert!(faults.contains(expected), "{faults}");
        }
    }
}
