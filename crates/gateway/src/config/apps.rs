//! The apps of a configuration: who may call, and the credentials to send with.

use fanfare_actors::App;
use fanfare_core::cleanup::OnDeadToken;
use fanfare_core::{rate, registration};
use fanfare_ingress::AppDoor;
use fanfare_ingress::auth::{ApiKey, KeyKind};
use fanfare_ingress::config::Contract;
use fanfare_types::AppId;

use super::section::Section;
use super::{jwt, providers};

/// Default of `deactivate_after`.
const DEACTIVATE_AFTER: usize = 5;

/// One app, for the door and for the sending side. `None` when a fault leaves nothing to build.
pub(crate) fn read(section: Section<'_>, devices_per_user_max: usize) -> Option<(AppDoor, App)> {
    let id = id(&section);
    let policy = registration::Policy {
        address_sharing: section.boolean("address_sharing", false),
        devices_per_user_max,
        deactivate_after: deactivate_after(&section),
    };
    let on_dead_token = section.parsed(
        "on_dead_token",
        OnDeadToken::Invalidate,
        "\"invalidate\" or \"delete\"",
        on_dead_token,
    );
    let contracts = contracts(&section);
    let api_keys = section
        .sections("api_keys")
        .into_iter()
        .filter_map(api_key)
        .collect();
    let jwt = section.optional_section("jwt").and_then(jwt::read);
    let ring = section.optional_section("ring").map(ring);
    let apns = section.optional_section("apns").and_then(providers::apns);
    let fcm = section.optional_section("fcm").and_then(providers::fcm);
    section.finish();
    let id = id?;
    let door = AppDoor {
        id: id.clone(),
        api_keys,
        jwt,
        contracts,
        ring: ring.unwrap_or_default(),
    };
    let app = App {
        id,
        on_dead_token,
        registration: policy,
        apns,
        fcm,
    };
    Some((door, app))
}

fn id(section: &Section<'_>) -> Option<AppId> {
    let id = AppId::new(section.required_text("id")?).ok();
    if id.is_none() {
        section.fault("id", "must be 1 to 32 of a-z, 0-9 and -");
    }
    id
}

fn ring(section: Section<'_>) -> rate::Limits {
    let default = rate::Limits::default();
    let limits = rate::Limits {
        per_window: section.integer("registrations_per_minute", default.per_window, 1..=1_000),
        keys_max: section.integer("users_max", default.keys_max, 1..=10_000_000),
        ..default
    };
    section.finish();
    limits
}

fn deactivate_after(section: &Section<'_>) -> u32 {
    let count = section.integer("deactivate_after", DEACTIVATE_AFTER, 1..=1_000_000);
    u32::try_from(count).unwrap_or(u32::MAX)
}

fn on_dead_token(text: &str) -> Option<OnDeadToken> {
    match text {
        "invalidate" => Some(OnDeadToken::Invalidate),
        "delete" => Some(OnDeadToken::Delete),
        _ => None,
    }
}

fn contracts(section: &Section<'_>) -> Vec<Contract> {
    let all = vec![
        Contract::Native,
        Contract::Ring,
        Contract::Reserva,
        Contract::DeviceToken,
    ];
    let Some(words) = section.words("contracts") else {
        return all;
    };
    let contract = |word: &str| match word {
        "native" => Some(Contract::Native),
        "ring" => Some(Contract::Ring),
        "reserva" => Some(Contract::Reserva),
        "device_token" => Some(Contract::DeviceToken),
        _ => {
            section.fault(
                "contracts",
                "may hold native, ring, reserva and device_token",
            );
            None
        }
    };
    words.into_iter().filter_map(contract).collect()
}

fn api_key(section: Section<'_>) -> Option<ApiKey> {
    let name = section.required_text("name").map(str::to_owned);
    let sha256 = section.required_text("sha256").and_then(|text| {
        let digest = hex32(text);
        if digest.is_none() {
            section.fault(
                "sha256",
                "must be 64 hex digits (make a key with `fanfare keys new`)",
            );
        }
        digest
    });
    let kind = section.parsed(
        "kind",
        KeyKind::Service,
        "\"service\" or \"agent\"",
        |text| match text {
            "service" => Some(KeyKind::Service),
            "agent" => Some(KeyKind::Agent),
            _ => None,
        },
    );
    section.finish();
    Some(ApiKey {
        name: name?,
        sha256: sha256?,
        kind,
    })
}

fn hex32(text: &str) -> Option<[u8; 32]> {
    if text.len() != 64 || !text.is_ascii() {
        return None;
    }
    let mut bytes = [0; 32];
    for (index, byte) in bytes.iter_mut().enumerate() {
        *byte = u8::from_str_radix(&text[index * 2..index * 2 + 2], 16).ok()?;
    }
    Some(bytes)
}
