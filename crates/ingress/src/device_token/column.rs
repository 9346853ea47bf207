//! The columns of the table: the fields of a row, and the name and number of each platform.

use fanfare_types::Platform;

/// A field of a row that a table may be ordered and searched by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Column {
    Id,
    UserId,
    DeviceId,
    Platform,
    PlatformName,
    IsActive,
    DisplayOrder,
    LastSeenOn,
    CreatedOn,
}

impl Column {
    pub(super) const ALL: [(Column, &'static str); 9] = [
        (Column::Id, "id"),
        (Column::UserId, "userId"),
        (Column::DeviceId, "deviceId"),
        (Column::Platform, "platform"),
        (Column::PlatformName, "platformName"),
        (Column::IsActive, "isActive"),
        (Column::DisplayOrder, "displayOrder"),
        (Column::LastSeenOn, "lastSeenOn"),
        (Column::CreatedOn, "createdOn"),
    ];

    /// The column called `name`, in any case.
    pub(super) fn named(name: &str) -> Option<Self> {
        let found = Column::ALL
            .iter()
            .find(|(_, known)| known.eq_ignore_ascii_case(name));
        found.map(|(column, _)| *column)
    }
}

/// The contract's numbers and names. The seed has the first three; a device that came through another contract may
/// have said nothing of its platform.
pub(super) const PLATFORMS: [(Platform, i64, &str); 4] = [
    (Platform::Android, 1, "Android"),
    (Platform::Ios, 2, "Ios"),
    (Platform::Web, 3, "Web"),
    (Platform::Unknown, 0, "Unknown"),
];
