//! This gateway among several on one store (`[fleet]`).

use std::time::Duration;

use super::section::Section;
use super::settings::SECOND;

#[derive(Clone, Debug, PartialEq)]
pub struct Fleet {
    /// What operators call this gateway; `None`: its host's name.
    pub name: Option<String>,
    /// A gateway that does not show for this long that it lives is taken for dead.
    pub lease: Duration,
    /// How long one may go on without having listened to the others.
    pub settle: Duration,
    /// How often it listens.
    pub poll: Duration,
}

impl Default for Fleet {
    fn default() -> Self {
        Fleet {
            name: None,
            lease: 5 * SECOND,
            settle: SECOND,
            poll: SECOND / 5,
        }
    }
}

/// Shorter ones would end whenever the database takes its time.
const LEASE_MIN: Duration = SECOND;
const NAME_MAX: usize = 100;

pub(crate) fn read(section: Section<'_>, default: &Fleet) -> Fleet {
    let name = section.optional("name", "1 to 100 characters", |text| {
        let fits = (1..=NAME_MAX).contains(&text.chars().count());
        fits.then(|| text.to_owned())
    });
    let fleet = Fleet {
        name,
        lease: section.duration("lease", default.lease),
        settle: section.duration("settle", default.settle),
        poll: section.duration("poll", default.poll),
    };
    if fleet.lease < LEASE_MIN {
        section.fault("lease", "must be 1s or more");
    }
    if fleet.settle > fleet.lease {
        section.fault("settle", "must not be longer than the lease");
    }
    if fleet.poll * 2 > fleet.settle {
        section.fault("poll", "must not be longer than half of settle");
    }
    section.finish();
    fleet
}
