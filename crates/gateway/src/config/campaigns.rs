//! How many campaigns there may be, and what one of them may take (`[campaigns]`).

use std::time::Duration;

use super::section::Section;
use super::settings::{COUNT, SECOND};

#[derive(Clone, Debug, PartialEq)]
pub struct Campaigns {
    /// Campaigns of one app that are not finished.
    pub unfinished_max: usize,
    /// Deliveries of one campaign in memory.
    pub window: usize,
    /// Uploaded rows of one campaign.
    pub upload_rows_max: usize,
    /// Longest row of an upload.
    pub upload_row_bytes_max: usize,
    /// An upload that brings nothing for so long is cut off.
    pub upload_idle: Duration,
    /// Streams of events open at once.
    pub watchers_max: usize,
    /// Whether campaigns count in the delivery facts of devices.
    pub facts: bool,
}

impl Default for Campaigns {
    fn default() -> Self {
        Campaigns {
            unfinished_max: 1_000,
            window: 8_192,
            upload_rows_max: 50_000_000,
            upload_row_bytes_max: 64 << 10,
            upload_idle: 60 * SECOND,
            watchers_max: 1_000,
            facts: false,
        }
    }
}

/// A page of an audience is never larger, and has to fit.
const WINDOW: std::ops::RangeInclusive<usize> = 1_024..=1_000_000;

pub(crate) fn read(section: Section<'_>, default: &Campaigns) -> Campaigns {
    let campaigns = Campaigns {
        unfinished_max: section.integer("unfinished_max", default.unfinished_max, COUNT),
        window: section.integer("window", default.window, WINDOW),
        upload_rows_max: section.integer(
            "upload_rows_max",
            default.upload_rows_max,
            1..=10_000_000_000,
        ),
        upload_row_bytes_max: section.bytes("upload_row_max", default.upload_row_bytes_max),
        upload_idle: section.duration("upload_idle", default.upload_idle),
        watchers_max: section.integer("watchers_max", default.watchers_max, COUNT),
        facts: section.boolean("facts", default.facts),
    };
    section.finish();
    campaigns
}
