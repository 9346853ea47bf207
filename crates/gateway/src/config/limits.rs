//! What callers may ask for and how much of it is held at once (`[limits]`).

use std::time::Duration;

use super::section::Section;
use super::settings::{COUNT, DAY, SECOND};

#[derive(Clone, Debug, PartialEq)]
pub struct Limits {
    pub body_bytes_max: usize,
    pub bodies_bytes_max: usize,
    pub requests_max: usize,
    pub targets_max: usize,
    pub connections_max: usize,
    pub request_timeout: Duration,
    pub idle_timeout: Duration,
    pub ttl_default: Duration,
    pub ttl_max: Duration,
    pub deliveries_max: usize,
    pub deliveries_per_app_max: usize,
    pub bulk_share: f64,
    pub room_wait: Duration,
    pub room_waiting_max: usize,
    pub idempotency_ttl: Duration,
    pub call_timeout: Duration,
    pub fresh_for: Duration,
    pub revocations_max: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            body_bytes_max: 2 << 20,
            bodies_bytes_max: 64 << 20,
            requests_max: 20_000,
            targets_max: 10_000,
            connections_max: 10_000,
            request_timeout: 30 * SECOND,
            idle_timeout: 60 * SECOND,
            ttl_default: 28 * DAY,
            ttl_max: 28 * DAY,
            deliveries_max: 200_000,
            deliveries_per_app_max: 100_000,
            bulk_share: 0.8,
            room_wait: 2 * SECOND,
            room_waiting_max: 1_000,
            idempotency_ttl: DAY,
            call_timeout: 5 * SECOND,
            fresh_for: 30 * SECOND,
            revocations_max: 100_000,
        }
    }
}

pub(crate) fn read(section: Section<'_>, default: &Limits) -> Limits {
    let limits = Limits {
        body_bytes_max: section.bytes("body_max", default.body_bytes_max),
        bodies_bytes_max: section.bytes("bodies_max", default.bodies_bytes_max),
        requests_max: section.integer("requests_max", default.requests_max, COUNT),
        targets_max: section.integer("targets_max", default.targets_max, 1..=10_000),
        connections_max: section.integer("connections_max", default.connections_max, COUNT),
        request_timeout: section.duration("request_timeout", default.request_timeout),
        idle_timeout: section.duration("idle_timeout", default.idle_timeout),
        ttl_default: section.duration("ttl_default", default.ttl_default),
        ttl_max: section.duration("ttl_max", default.ttl_max),
        deliveries_max: section.integer("deliveries_max", default.deliveries_max, COUNT),
        deliveries_per_app_max: section.integer(
            "deliveries_per_app_max",
            default.deliveries_per_app_max,
            COUNT,
        ),
        bulk_share: section.fraction("bulk_share", default.bulk_share),
        room_wait: section.duration("room_wait", default.room_wait),
        room_waiting_max: section.integer("room_waiting_max", default.room_waiting_max, COUNT),
        idempotency_ttl: section.duration("idempotency_ttl", default.idempotency_ttl),
        call_timeout: section.duration("call_timeout", default.call_timeout),
        fresh_for: section.duration("fresh_for", default.fresh_for),
        revocations_max: section.integer("revocations_max", default.revocations_max, COUNT),
    };
    if limits.deliveries_per_app_max > limits.deliveries_max {
        section.fault(
            "deliveries_per_app_max",
            "must not be greater than deliveries_max",
        );
    }
    if limits.body_bytes_max > limits.bodies_bytes_max {
        section.fault("bodies_max", "must not be less than body_max");
    }
    if limits.ttl_default > limits.ttl_max {
        section.fault("ttl_default", "must not be longer than ttl_max");
    }
    section.finish();
    limits
}
