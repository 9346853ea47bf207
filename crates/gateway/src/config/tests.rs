use std::time::Duration;

use fanfare_ingress::auth::{JwksLimits, JwtKeys};

use super::*;

/// Parses a text that must be faulty, and gives its faults as lines.
fn faults(text: &str, variables: &[(&str, &str)]) -> Vec<String> {
    let variables = variables
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    let faults = parse(text, Path::new("/nowhere"), variables).expect_err("must be refused");
    faults.0.iter().map(ToString::to_string).collect()
}

fn accepted(text: &str, variables: &[(&str, &str)]) -> Config {
    let variables = variables
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    parse(text, Path::new("/nowhere"), variables).expect("must be accepted")
}

proptest::proptest! {
    /// Whatever is written over the example's lines is a configuration or a list of faults.
    #[test]
    fn no_file_makes_it_panic(
        at: proptest::sample::Index,
        length in 0..40_usize,
        written in "[\\[\\]{}=\"'.,#a-z0-9_ \n-]{0,24}|\\PC{0,12}",
        variable in "FANFARE_[A-Z_0-9]{0,24}",
    ) {
        let mut text = include_str!("../../../../fanfare.example.toml").to_owned();
        let start = text.floor_char_boundary(at.index(text.len()));
        let end = text.floor_char_boundary((start + length).min(text.len()));
        text.replace_range(start..end, &written);
        let parsed = parse(&text, Path::new("/nowhere"), [(variable, written)]);
        if let Err(faults) = parsed {
            proptest::prop_assert!(!faults.is_empty());
        }
    }
}

const MINIMAL: &str = "[[apps]]\nid = \"shop\"\n";

#[test]
fn a_minimal_file_means_the_defaults() {
    let config = accepted(MINIMAL, &[]);
    let expected = Settings {
        data_dir: PathBuf::from("/nowhere/fanfare-data"),
        ..Settings::default()
    };
    assert_eq!(config.settings, expected);
    assert_eq!(config.apps[0].0.id.as_str(), "shop");
}

#[test]
fn the_example_file_says_the_defaults() {
    let text = include_str!("../../../../fanfare.example.toml");
    let defaults_only: String = text
        .lines()
        .take_while(|line| !line.starts_with("[[apps]]"))
        .collect::<Vec<_>>()
        .join("\n");
    let config = accepted(&format!("{defaults_only}\n{MINIMAL}"), &[]);
    // The example shows `admin`, which is off by default.
    let settings = Settings {
        admin: None,
        ..config.settings
    };
    let expected = Settings {
        data_dir: PathBuf::from("/nowhere/./fanfare-data"),
        ..Settings::default()
    };
    assert_eq!(settings, expected);
}

#[test]
fn the_example_file_says_the_defaults_of_an_app() {
    let text = include_str!("../../../../fanfare.example.toml");
    let app = text.split_once("[[apps]]\n").map(|(_, app)| app).unwrap();
    let (plain, rest) = app.split_once("[[apps.api_keys]]").unwrap();
    let ring = rest
        .split_once("[apps.ring]")
        .map(|(_, ring)| ring)
        .unwrap();
    let ring = ring
        .split_once("[apps.apns]")
        .map(|(ring, _)| ring)
        .unwrap();
    let shown = accepted(&format!("[[apps]]\n{plain}\n[apps.ring]{ring}"), &[]);
    let minimal = accepted("[[apps]]\nid = \"shop\"\n", &[]);
    assert_eq!(format!("{:?}", shown.apps), format!("{:?}", minimal.apps));
    let (door, app) = &minimal.apps[0];
    assert_eq!(app.registration.deactivate_after, 5);
    assert_eq!(
        (
            door.ring.per_window,
            door.ring.keys_max,
            door.contracts.len()
        ),
        (10, 10_000, 4)
    );
}

#[test]
fn the_links_defaults_are_its_own() {
    let (link, own) = (Settings::default().link, fanfare_link::Config::default());
    assert_eq!(link.codec, own.engine);
    assert_eq!(link.connect_timeout, own.connect_timeout);
    assert_eq!(link.request_timeout, own.request_timeout);
    assert_eq!(link.streams_max, own.streams_max as usize);
    assert_eq!(link.queue_max, own.queue_max);
    assert_eq!(link.ping_timeout, own.ping_timeout);
    assert_eq!(link.answer_bytes_max, own.answer_bytes_max);
    assert_eq!(link.write_buffer_bytes, own.write_buffer_bytes);
}

#[test]
fn the_guards_defaults_are_its_own() {
    let own = fanfare_core::cleanup::Limits::default();
    let expected = settings::Cleanup {
        suspect_share_max: own.suspect_share_max,
        suspect_window: own.window,
        suspect_hold: own.suspect_hold,
    };
    assert_eq!(Settings::default().cleanup, expected);
}

#[test]
fn the_campaigns_defaults_are_its_own() {
    let (campaigns, own) = (
        Settings::default().campaigns,
        fanfare_actors::campaigns::Limits::default(),
    );
    let door = fanfare_ingress::config::Campaigns::default();
    assert_eq!(campaigns.unfinished_max as u64, own.unfinished_max);
    assert_eq!(campaigns.window, own.window);
    assert_eq!(campaigns.upload_rows_max as u64, own.upload_rows_max);
    assert_eq!(campaigns.facts, own.facts);
    assert_eq!(campaigns.watchers_max, door.watchers_max);
    assert_eq!(campaigns.upload_idle, door.upload_idle);
    assert_eq!(door.upload_rows_max, own.upload_rows_max);
    assert_eq!(campaigns.upload_row_bytes_max, door.upload_row_bytes_max);
}

#[test]
fn every_fault_of_campaigns_is_named() {
    let text = format!(
        "[campaigns]\nunfinished_max = 0\nwindow = 100\nupload_rows_max = \"many\"\nupload_idle = 60\nwatchers_max = 0\nfacts = 1\nshards = 4\n{MINIMAL}"
    );
    let found = faults(&text, &[]);
    let expect = [
        "line 2: campaigns.unfinished_max: must be between 1 and",
        "line 3: campaigns.window: must be between 1024 and",
        "line 4: campaigns.upload_rows_max: expected an integer",
        "line 5: campaigns.upload_idle: expected a string",
        "line 6: campaigns.watchers_max: must be between",
        "line 7: campaigns.facts: expected true or false",
        "line 8: campaigns.shards: is not known here",
    ];
    assert_eq!(found.len(), expect.len(), "{found:#?}");
    for (found, expected) in found.iter().zip(expect) {
        assert!(found.starts_with(expected), "{found} / {expected}");
    }
}

#[test]
fn limits_that_contradict_each_other_are_faults() {
    let text = format!(
        "[limits]\nbodies_max = \"1MiB\"\nttl_max = \"1d\"\n[link]\nqueue_max = 63\nreconnect_max = \"10ms\"\n{MINIMAL}"
    );
    let found = faults(&text, &[]);
    let expect = [
        "line 1: limits.ttl_default: must not be longer than ttl_max",
        "line 2: limits.bodies_max: must not be less than body_max",
        "line 4: link.reconnect_min: must not be longer than reconnect_max",
        "line 5: link.queue_max: must be between 64 and",
    ];
    assert_eq!(found.len(), expect.len(), "{found:#?}");
    for (found, expected) in found.iter().zip(expect) {
        assert!(found.starts_with(expected), "{found} / {expected}");
    }
}

#[test]
fn every_fault_is_named_at_once_with_its_line() {
    let text = "listen = 80\nliston = \"x\"\n[limits]\nttl_max = \"forever\"\ntargets_max = 0\n\n[[apps]]\nid = \"Shop\"\non_dead_token = \"keep\"\n[apps.fcm]\nrate_max = 5\n";
    let found = faults(text, &[]);
    let expect = [
        "line 1: listen: expected a string",
        "line 2: liston: is not known here",
        "line 4: limits.ttl_max: is not a duration",
        "line 5: limits.targets_max: must be between",
        "line 8: apps[0].id: must be",
        "line 9: apps[0].on_dead_token: is not",
        "line 10: apps[0].fcm.service_account_file: is required",
    ];
    assert_eq!(found.len(), expect.len(), "{found:#?}");
    for (found, expected) in found.iter().zip(expect) {
        assert!(found.starts_with(expected), "{found} / {expected}");
    }
}

#[test]
fn syntax_errors_have_lines_too() {
    let found = faults("listen = \n[limits\n", &[]);
    assert!(
        found.iter().any(|fault| fault.starts_with("line 1: ")),
        "{found:?}"
    );
}

#[test]
fn the_environment_wins_and_is_named() {
    let variables = [
        ("FANFARE_LISTEN", "127.0.0.1:1"),
        ("FANFARE_LIMITS__TARGETS_MAX", "7"),
    ];
    let config = accepted(MINIMAL, &variables);
    assert_eq!(config.settings.listen.port(), 1);
    assert_eq!(config.settings.limits.targets_max, 7);
    let app = accepted("", &[("FANFARE_APPS__0__ID", "shop")]);
    assert_eq!(app.apps.len(), 1);
    let found = faults(
        MINIMAL,
        &[("FANFARE_LISTEN", "nowhere"), ("FANFARE_LISTEN__PORT", "1")],
    );
    assert!(
        found
            .iter()
            .any(|fault| fault.starts_with("FANFARE_LISTEN: listen: ")),
        "{found:?}"
    );
    assert!(
        found
            .iter()
            .any(|fault| fault.starts_with("FANFARE_LISTEN__PORT: ")),
        "{found:?}"
    );
}

#[test]
fn missing_files_and_keys_are_faults() {
    let text = format!(
        "{MINIMAL}[apps.apns]\nkey_file = \"gone.p8\"\nkey_id = \"ABC123DEFG\"\n[apps.jwt]\nalgorithms = [\"none\"]\n"
    );
    let found = faults(&text, &[]).join("\n");
    for expected in [
        "apps[0].apns.key_file: cannot read /nowhere/gone.p8",
        "apps[0].apns.topic: is required",
        "apps[0].apns.team_id: is required",
        "apps[0].jwt.algorithms: may hold",
    ] {
        assert!(found.contains(expected), "{found}");
    }
}

#[test]
fn two_apps_with_one_id_or_nothing_to_tell_their_jwts_apart() {
    let app = "[[apps]]\nid = \"shop\"\n[apps.jwt]\nhs256_secret = \"0123456789abcdef0123456789abcdef\"\n";
    let found = faults(&format!("{app}{app}"), &[]).join("\n");
    assert!(
        found.contains("used twice") && found.contains("told apart"),
        "{found}"
    );
}

/// The faults of an app whose `[apps.jwt]` is this, beside a file of this content.
fn jwt_faults(table: &str, jwks: &str) -> String {
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("jwks.json"), jwks).unwrap();
    let text = format!("{MINIMAL}[apps.jwt]\n{table}\n");
    match parse(&text, directory.path(), []) {
        Ok(_) => String::new(),
        Err(faults) => faults.0.iter().map(ToString::to_string).collect(),
    }
}

#[test]
fn a_key_set_is_looked_at_before_the_start() {
    // A key of RFC 8037, appendix A.2.
    let ed25519 = r#"{"keys": [{"kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}"#;
    let of = |algorithm: &str, jwks: &str| {
        let table = format!("algorithms = [\"{algorithm}\"]\njwks_file = \"jwks.json\"");
        jwt_faults(&table, jwks)
    };
    assert_eq!(of("EdDSA", ed25519), "");
    for (algorithm, jwks, expected) in [
        ("ES256", ed25519, "holds no key for the algorithms named"),
        ("EdDSA", r#"{"keys": []}"#, "holds no JWK set"),
        ("EdDSA", "keys", "holds no JWK set"),
    ] {
        let found = of(algorithm, jwks);
        let expected = format!("line 5: apps[0].jwt.jwks_file: {expected}");
        assert!(found.starts_with(&expected), "{found} / {expected}");
    }
    for url in ["http://id.example/keys", "http://127.0.0.1.example/keys"] {
        let found = jwt_faults(
            &format!("algorithms = [\"ES256\"]\njwks_url = \"{url}\""),
            "",
        );
        assert!(found.contains("jwks_url: must be an https URL"), "{found}");
    }
}

#[test]
fn fetching_keys_has_the_bounds_the_example_says() {
    let bounds = |more: &str| {
        let text = format!(
            "{MINIMAL}[apps.jwt]\nalgorithms = [\"ES256\"]\njwks_url = \"https://id.example/keys\"\n{more}"
        );
        let config = accepted(&text, &[]);
        match config.apps[0].0.jwt.clone().map(|jwt| jwt.keys) {
            Some(JwtKeys::Url(_, limits)) => limits,
            _ => panic!("keys from the URL"),
        }
    };
    assert_eq!(bounds(""), JwksLimits::default());
    let example: Vec<_> = include_str!("../../../../fanfare.example.toml")
        .lines()
        .filter_map(|line| line.strip_prefix("# "))
        .filter(|line| line.starts_with("jwks_") && !line.starts_with("jwks_url"))
        .collect();
    assert_eq!(example.len(), 4);
    assert_eq!(bounds(&example.join("\n")), JwksLimits::default());
    let given = bounds(
        "jwks_refresh = \"2h\"\njwks_retry = \"3s\"\njwks_timeout = \"4s\"\njwks_max = \"5B\"",
    );
    let expected = JwksLimits {
        refresh: Duration::from_secs(7200),
        retry: Duration::from_secs(3),
        timeout: Duration::from_secs(4),
        bytes_max: 5,
    };
    assert_eq!(given, expected);
    let found = jwt_faults(
        "algorithms = [\"ES256\"]\njwks_url = \"https://id.example\"\njwks_refresh = \"30s\"",
        "",
    );
    assert!(found.contains("jwks_retry: must not be longer"), "{found}");
}

#[test]
fn secrets_that_can_be_guessed_are_faults() {
    for (secret, says) in [("", "must not be empty"), ("short", "at least 8 bytes")] {
        let text = format!("{MINIMAL}[apps.jwt]\nhs256_secret = \"{secret}\"\n");
        let found = faults(&text, &[]).join("\n");
        assert!(
            found.contains("apps[0].jwt.hs256_secret: ") && found.contains(says),
            "{found}"
        );
    }
}

#[test]
fn two_apps_of_one_issuer_need_an_audience() {
    let app = |id: &str, audience: &str| {
        format!(
            "[[apps]]\nid = \"{id}\"\n[apps.jwt]\nhs256_secret = \"0123456789abcdef0123456789abcdef\"\nissuer = \"https://id.example\"\n{audience}"
        )
    };
    let same = format!("{}{}", app("shop", ""), app("news", ""));
    assert!(faults(&same, &[]).join("\n").contains("told apart"));
    let told_apart = format!(
        "{}{}",
        app("shop", "audience = \"shop\"\n"),
        app("news", "audience = \"news\"\n")
    );
    assert_eq!(accepted(&told_apart, &[]).apps.len(), 2);
}
