//! The exposition is what the list says, and the list is what the documentation says.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use fanfare_types::{AppId, Channel, Lane, Outcome, Timestamp, Verdict};

use crate::metrics::{self, Kind};
use crate::{Cleanup, Registration, Reload, Telemetry};

/// Telemetry that was told one of every event.
fn told() -> Telemetry {
    let telemetry = Telemetry::new();
    let app = AppId::new("shop").unwrap();
    let millis = Duration::from_millis;
    telemetry.accepted(&app, Lane::Urgent, 3);
    telemetry.accepted(&app, Lane::Urgent, 4);
    telemetry.refused(&app, "app");
    telemetry.verdict(&app, Channel::Fcm, Verdict::TokenDead { since: None });
    telemetry.ended(&app, Channel::Fcm, Outcome::Dead);
    telemetry.sender(&app, Channel::Fcm).latency(millis(70), 1);
    telemetry.answered(Lane::Bulk, millis(90_000), 1);
    telemetry.connection_opened(&app, Channel::IosPush);
    telemetry.connection_opened(&app, Channel::IosPush);
    telemetry.connection_closed(&app, Channel::IosPush, "goaway");
    telemetry.provider_token(&app, Channel::Fcm, true);
    telemetry.registered(&app, Registration::Moved);
    telemetry.device_cleaned(&app, Cleanup::Stale);
    telemetry.suspects_guard(&app, Channel::IosPush, true);
    telemetry.store_committed(64, millis(2));
    telemetry.permits(5, 200_000);
    telemetry.clock(Timestamp(5_000), Timestamp(1_000));
    telemetry.campaigns_running(3);
    telemetry.campaign_opened(&app, 1_024);
    telemetry.user_started();
    telemetry.user_started();
    telemetry.user_stopped();
    telemetry.actor_restarted("pool");
    telemetry.config_loaded(Timestamp(1_800_000_000_999), 2);
    telemetry.config_reloaded(Reload::Refused);
    telemetry.http("/v1/devices/{id}", "GET", 404, millis(1));
    telemetry.http("/v1/devices/{id}", "BREW", 405, millis(1));
    telemetry
}

#[test]
fn events_become_the_series_one_would_query() {
    let text = told().encode();
    for line in [
        r#"fanfare_notifications_accepted_total{app="shop",lane="urgent"} 2"#,
        r#"fanfare_deliveries_accepted_total{app="shop",lane="urgent"} 7"#,
        r#"fanfare_refused_total{app="shop",scope="app"} 1"#,
        r#"fanfare_verdicts_total{app="shop",channel="fcm",verdict="token_dead"} 1"#,
        r#"fanfare_verdicts_total{app="shop",channel="fcm",verdict="accepted"} 0"#,
        r#"fanfare_deliveries_ended_total{app="shop",channel="fcm",outcome="dead"} 1"#,
        r#"fanfare_provider_answer_seconds_bucket{le="0.05",channel="fcm"} 0"#,
        r#"fanfare_provider_answer_seconds_bucket{le="0.1",channel="fcm"} 1"#,
        r#"fanfare_provider_answer_seconds_sum{channel="fcm"} 0.07"#,
        r#"fanfare_accepted_to_answer_seconds_bucket{le="60.0",lane="bulk"} 0"#,
        r#"fanfare_accepted_to_answer_seconds_bucket{le="+Inf",lane="bulk"} 1"#,
        r#"fanfare_connections_open{app="shop",channel="ios_push"} 1"#,
        r#"fanfare_connections_opened_total{app="shop",channel="ios_push"} 2"#,
        r#"fanfare_connections_closed_total{app="shop",channel="ios_push",cause="goaway"} 1"#,
        r#"fanfare_provider_token_renewals_total{app="shop",channel="fcm",result="renewed"} 1"#,
        "fanfare_clock_ahead_seconds -4",
        r#"fanfare_registrations_total{app="shop",kind="moved"} 1"#,
        r#"fanfare_devices_cleaned_total{app="shop",cause="stale"} 1"#,
        r#"fanfare_suspects_guard_tripped{app="shop",channel="ios_push"} 1"#,
        "fanfare_store_writes_total 64",
        "fanfare_store_commits_total 1",
        "fanfare_store_commit_seconds_count 1",
        "fanfare_permits_taken 5",
        "fanfare_permits_max 200000",
        "fanfare_campaigns_running 3",
        r#"fanfare_campaign_recipients_opened_total{app="shop"} 1024"#,
        "fanfare_users_active 1",
        r#"fanfare_actor_restarts_total{actor="pool"} 1"#,
        r#"fanfare_config_reloads_total{result="refused"} 1"#,
        "fanfare_config_loaded_timestamp_seconds 1800000000",
        "fanfare_config_restart_needed 2",
        r#"fanfare_http_requests_total{route="/v1/devices/{id}",method="GET",status="4xx"} 1"#,
        r#"fanfare_http_requests_total{route="/v1/devices/{id}",method="other",status="4xx"} 1"#,
        r#"fanfare_http_request_seconds_count{route="/v1/devices/{id}"} 2"#,
    ] {
        assert!(text.lines().any(|l| l == line), "no line {line} in\n{text}");
    }
    assert!(text.ends_with("# EOF\n"));
}

/// The listed metric that an exposed sample belongs to.
fn listed_name(sample: &str) -> &str {
    let parts = ["_bucket", "_sum", "_count"];
    let base = parts.iter().find_map(|part| sample.strip_suffix(part));
    base.filter(|base| metrics::ALL.iter().any(|m| m.name == *base))
        .unwrap_or(sample)
}

#[test]
fn the_exposition_is_the_list() {
    let text = told().encode();
    let mut exposed: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let series = line.rsplit_once(' ').unwrap().0;
        let (sample, labels) = series.split_once('{').unwrap_or((series, ""));
        let names = labels
            .split("\",")
            .filter_map(|pair| pair.split_once("=\""));
        let names = names.map(|(name, _)| name).filter(|name| *name != "le");
        let entry = exposed.entry(listed_name(sample)).or_default();
        entry.extend(names);
    }
    let listed: BTreeMap<&str, BTreeSet<&str>> = metrics::ALL
        .iter()
        .map(|metric| (metric.name, metric.labels.iter().copied().collect()))
        .collect();
    assert_eq!(exposed, listed);
    for metric in metrics::ALL {
        let family = metric
            .name
            .trim_end_matches("_total")
            .trim_end_matches("_info");
        let kind = format!("# TYPE {family} {}", metric.kind.as_str());
        assert!(text.lines().any(|line| line == kind), "no line {kind}");
        assert_eq!(
            metric.kind == Kind::Counter,
            metric.name.ends_with("_total")
        );
    }
}

#[test]
fn the_documentation_is_the_list() {
    let page = include_str!("../../../docs/metrics.md");
    let table = metrics::to_markdown();
    assert!(
        page.contains(&table),
        "docs/metrics.md should hold this table:\n{table}"
    );
}
