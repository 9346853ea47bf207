//! The comparison of two configurations.

use std::collections::BTreeSet;

use super::*;

const SERVICE: &str =
    "sha256 = \"0000000000000000000000000000000000000000000000000000000000000000\"\n";

/// Keys are generated once: they are slow to make in a debug build.
fn material() -> &'static (tempfile::TempDir, fanfare_simulator::Material) {
    static MATERIAL: std::sync::OnceLock<(tempfile::TempDir, fanfare_simulator::Material)> =
        std::sync::OnceLock::new();
    MATERIAL.get_or_init(|| {
        let directory = tempfile::tempdir().unwrap();
        let material = crate::sandbox::material(directory.path()).unwrap();
        let path = |name: &str| directory.path().join(name);
        std::fs::write(path("ca.pem"), &material.ca_pem).unwrap();
        std::fs::write(path("key.p8"), &material.apns_key.p8).unwrap();
        let account = material.service_account_json("https://localhost/token");
        std::fs::write(path("account.json"), &account).unwrap();
        let other = material.service_account_json("https://localhost/other");
        std::fs::write(path("other.json"), other).unwrap();
        std::fs::write(path("copy.json"), account).unwrap();
        (directory, material)
    })
}

/// A whole configuration.
fn text() -> String {
    let (_, material) = material();
    let (key_id, team_id, topic) = (
        &material.apns_key.key_id,
        &material.apns_key.team_id,
        &material.topic,
    );
    format!(
        r#"listen = "127.0.0.1:8080"
[limits]
ttl_max = "20d"
ttl_default = "1d"
[[apps]]
id = "shop"
[[apps.api_keys]]
name = "backend"
{SERVICE}[apps.jwt]
hs256_secret = "0123456789abcdef0123456789abcdef"
issuer = "https://id.shop.example"
[apps.apns]
key_file = "key.p8"
key_id = "{key_id}"
team_id = "{team_id}"
topic = "{topic}"
ca_file = "ca.pem"
connections = 4
[apps.fcm]
service_account_file = "account.json"
ca_file = "ca.pem"
rate_max = 10000
"#
    )
}

fn config(text: &str) -> Config {
    config::parse(text, material().0.path(), []).unwrap_or_else(|faults| panic!("{faults}"))
}

/// The changes between the configuration and an edited one, as the log says them.
fn changes(edits: &[(&str, &str)]) -> (Vec<String>, Vec<String>) {
    let mut edited = text();
    for (from, to) in edits {
        assert!(edited.contains(from), "{from}");
        edited = edited.replace(from, to);
    }
    let changes = diff(&config(&text()), &config(&edited));
    let lines = |list: Vec<Change>| list.iter().map(ToString::to_string).collect();
    (lines(changes.live), lines(changes.waiting))
}

fn live(edits: &[(&str, &str)]) -> Vec<String> {
    let (live, waiting) = changes(edits);
    assert!(waiting.is_empty(), "{waiting:?}");
    live
}

#[test]
fn the_same_text_changes_nothing_nor_does_another_way_to_say_it() {
    assert!(live(&[]).is_empty());
    let same = [
        ("listen = \"127.0.0.1:8080\"\n", ""),
        ("ttl_max = \"20d\"", "ttl_max = \"480h\""),
        ("account.json", "copy.json"),
        (
            "rate_max = 10000",
            "endpoint = \"https://fcm.googleapis.com\"",
        ),
    ];
    assert!(live(&same).is_empty());
}

#[test]
fn what_is_live_is_told_in_words() {
    for (from, to, says) in [
        (
            "rate_max = 10000",
            "rate_max = 50",
            "apps.shop.fcm.rate_max from 10000 to 50",
        ),
        (
            "connections = 4",
            "connections = 8",
            "apps.shop.apns.connections from 4 to 8",
        ),
        ("account.json", "other.json", "apps.shop.fcm replaced"),
        (
            "com.example",
            "com.example.other",
            "apps.shop.apns replaced",
        ),
        (
            "name = \"backend\"",
            "name = \"front\"",
            "apps.shop.api_keys.backend removed",
        ),
        (
            "sha256 = \"00",
            "sha256 = \"11",
            "apps.shop.api_keys.backend replaced",
        ),
        (
            "name = \"backend\"",
            "name = \"backend\"\nkind = \"agent\"",
            "apps.shop.api_keys.backend replaced",
        ),
        (
            "0123456789abcdef\"",
            "0123456789abcdeX\"",
            "apps.shop.jwt replaced",
        ),
        ("issuer =", "audience =", "apps.shop.jwt replaced"),
        (
            "id = \"shop\"",
            "id = \"shop\"\ncontracts = [\"native\"]",
            "apps.shop.contracts replaced",
        ),
        (
            "id = \"shop\"",
            "id = \"shop\"\non_dead_token = \"delete\"",
            "apps.shop.on_dead_token from invalidate to delete",
        ),
        (
            "id = \"shop\"",
            "id = \"shop\"\naddress_sharing = true",
            "apps.shop.address_sharing from false to true",
        ),
        (
            "connections = 4",
            "endpoint_sandbox = \"https://localhost:1\"",
            "apps.shop.apns.endpoint_sandbox from api.sandbox.push.apple.com:443 to localhost:1",
        ),
        (
            "ttl_max = \"20d\"",
            "ttl_max = \"10d\"",
            "limits.ttl_max from 1728000s to 864000s",
        ),
    ] {
        assert_eq!(live(&[(from, to)]).first().map(String::as_str), Some(says));
    }
}

#[test]
fn apps_and_their_tables_come_and_go() {
    assert_eq!(
        live(&[("id = \"shop\"", "id = \"news\"")]),
        ["apps.shop removed", "apps.news added"]
    );
    let fcm = text()[text().find("[apps.fcm]").unwrap()..].to_owned();
    assert_eq!(live(&[(&fcm, "")]), ["apps.shop.fcm removed"]);
    let one = "[[apps]]\nid = \"a\"\n";
    let two = format!("{one}[[apps]]\nid = \"b\"\n[[apps.api_keys]]\nname = \"k\"\n{SERVICE}");
    let grown = diff(&config(one), &config(&two));
    assert_eq!(grown.live, [Change::new("apps.b", What::Added)]);
    assert_eq!(
        diff(&config(&two), &config(one)).live,
        [Change::new("apps.b", What::Removed)]
    );
    let swapped = "[[apps]]\nid = \"b\"\n[[apps]]\nid = \"a\"\n";
    let lost = diff(&config(&two), &config(swapped)).live;
    assert_eq!(
        lost,
        [Change::new("apps.b.api_keys.k", What::Removed)],
        "their order is nothing"
    );
}

#[test]
fn what_needs_a_restart_is_named_and_the_rest_is_not_held_up() {
    let (live, waiting) = changes(&[
        (
            "127.0.0.1:8080\"",
            "127.0.0.1:9000\"\nadmin = \"127.0.0.1:9001\"",
        ),
        ("rate_max = 10000", "rate_max = 20"),
    ]);
    assert_eq!(live, ["apps.shop.fcm.rate_max from 10000 to 20"]);
    assert_eq!(
        waiting,
        [
            "listen from 127.0.0.1:8080 to 127.0.0.1:9000",
            "admin from none to 127.0.0.1:9001"
        ]
    );
}

#[test]
fn what_is_taken_over_is_what_is_live() {
    let before = config(&text()).settings;
    let edited = text().replace(
        "[limits]",
        "drain_timeout = \"1s\"\nsender_threads = 3\n[limits]\nbulk_share = 0.1",
    );
    let after = config(&edited).settings;
    let mut in_force = before.clone();
    settings::take_over(&mut in_force, &after);
    assert_eq!(
        (in_force.drain_timeout, in_force.limits.bulk_share),
        (after.drain_timeout, 0.1)
    );
    assert_eq!(in_force.sender_threads, before.sender_threads);
    let mut left = Changes::default();
    settings::compare(&in_force, &after, &mut left);
    assert!(left.live.is_empty() && left.waiting.len() == 1, "{left:?}");
}

/// `section.key` of every line of the example that sets something outside of the apps, and whether its comment
/// says that it is live.
fn example() -> Vec<(String, bool)> {
    let text = include_str!("../../../../fanfare.example.toml");
    let mut section = String::new();
    let mut keys = Vec::new();
    for line in text
        .lines()
        .take_while(|line| !line.starts_with("[[apps]]"))
    {
        if let Some(name) = line.strip_prefix('[') {
            section = format!("{}.", name.trim_end_matches(']'));
        } else if let Some((key, rest)) = line.trim_start_matches("# ").split_once('=') {
            let key = key.trim();
            if key
                .bytes()
                .all(|b| b.is_ascii_lowercase() || b == b'_' || b.is_ascii_digit())
            {
                keys.push((format!("{section}{key}"), rest.contains("# live: ")));
            }
        }
    }
    keys
}

#[test]
fn the_example_has_every_setting_and_says_which_are_live() {
    let kinds = settings::KEYS
        .iter()
        .map(|(key, kind)| ((*key).to_owned(), *kind == "live"));
    let known: BTreeSet<_> = kinds.collect();
    let mut said: BTreeSet<_> = example().into_iter().collect();
    // What `tls` is made of.
    for part in ["store.ca_file", "store.tls_name"] {
        assert!(said.remove(&(part.to_owned(), false)));
    }
    assert_eq!(said, known);
}

#[test]
fn operations_names_every_live_setting() {
    let page = include_str!("../../../../docs/operations.md");
    let start = page.find("## Change the configuration").unwrap();
    let section = &page[start..];
    let section = &section[..section[2..].find("\n## ").unwrap()];
    for (key, kind) in settings::KEYS {
        let is_named = section.contains(&format!("`{key}`"));
        assert_eq!(is_named, *kind == "live", "{key}");
    }
}

#[test]
fn no_secret_is_ever_shown() {
    let (live, _) = changes(&[
        ("0123456789abcdef\"", "another-secret-0\""),
        ("sha256 = \"00", "sha256 = \"11"),
    ]);
    let text = live.join("\n");
    assert!(
        !text.contains("secret-0") && !text.contains("1100"),
        "{text}"
    );
}
