//! What this contract answers around its data, and the table's own answer, which has no envelope.

use serde::Serialize;
use utoipa::ToSchema;

pub(super) const CREATED: &str = "DeviceToken is created successfully";
pub(super) const UPDATED: &str = "DeviceToken is updated successfully";
pub(super) const DELETED: &str = "DeviceToken is deleted successfully";
pub(super) const RESTORED: &str = "DeviceToken is restored successfully";
pub(super) const ACTIVATED: &str = "DeviceToken is activated successfully";
pub(super) const DEACTIVATED: &str = "DeviceToken is deactivated successfully";

/// The envelope of every answer but the table's.
#[derive(Serialize, ToSchema)]
pub(super) struct Envelope<T: ToSchema> {
    succeeded: bool,
    /// What was done; `null` for what was only read.
    message: Option<&'static str>,
    data: T,
}

pub(super) type Enveloped<T> = axum::Json<Envelope<T>>;

/// Something that was asked for.
pub(super) fn found<T: ToSchema>(data: T) -> Enveloped<T> {
    axum::Json(Envelope {
        succeeded: true,
        message: None,
        data,
    })
}

/// Something that was done.
pub(super) fn done<T: ToSchema>(message: &'static str, data: T) -> Enveloped<T> {
    axum::Json(Envelope {
        succeeded: true,
        message: Some(message),
        data,
    })
}

/// A page of the table, as DataTables takes it.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = DtResult)]
pub(super) struct Page<T: ToSchema> {
    /// The request's own.
    pub(super) draw: i64,
    /// Rows of the caller's tenant.
    pub(super) records_total: u64,
    /// Of these, rows that match the searches.
    pub(super) records_filtered: u64,
    pub(super) data: Vec<T>,
}
