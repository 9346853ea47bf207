//! Two gateways on one ScyllaDB.

use serde_json::Value;

use fanfare_gateway::config::Settings;
use fanfare_gateway::config::store::Kind;

use crate::yaml::{at, documents, items, text, texts};
use crate::{BEYOND_DRAIN, CONFIG, assert_understood, read, settings};

const GATEWAYS: [&str; 2] = ["gateway-1", "gateway-2"];

fn services() -> Value {
    let documents = documents(&read("compose.yaml"));
    assert_eq!(documents.len(), 1);
    at(&documents[0], "services").clone()
}

fn configured(service: &Value) -> Settings {
    let environment = at(service, "environment").as_object();
    let variables: Vec<(String, String)> = environment
        .into_iter()
        .flatten()
        .map(|(name, value)| (name.clone(), value.as_str().expect("a text").to_owned()))
        .collect();
    settings(&read("compose.toml"), &[], &variables)
}

#[test]
fn both_have_the_one_configuration_and_names_of_their_own() {
    let services = services();
    let names = GATEWAYS.map(|name| {
        let service = at(&services, name);
        let settings = configured(service);
        assert_eq!(settings.store.kind, Kind::Scylla);
        let host = settings.store.scylla.nodes[0].clone();
        let (host, _) = host.split_once(':').expect("a port");
        assert!(services.get(host).is_some(), "{host} is a service");
        let mounted = &texts(service, "volumes")[0];
        assert_eq!(mounted, &format!("./compose.toml:{CONFIG}:ro"));
        let published = &texts(service, "ports")[0];
        let inside = published.rsplit(':').next().expect("a port");
        assert_eq!(inside, settings.listen.port().to_string());
        let grace = text(service, "stop_grace_period").trim_end_matches('s');
        let grace: u64 = grace.parse().expect("seconds");
        assert!(grace >= (settings.drain_timeout + BEYOND_DRAIN).as_secs());
        settings.fleet.name
    });
    assert_eq!(names, GATEWAYS.map(|name| Some(name.to_owned())));
}

#[test]
fn the_schema_is_made_before_they_start_and_their_health_is_asked_by_the_program() {
    let services = services();
    let schema = at(&services, "schema");
    assert_understood(&texts(schema, "command"));
    assert_eq!(texts(schema, "command")[..2], ["schema", "apply"]);
    assert_eq!(
        text(schema, "depends_on/scylla/condition"),
        "service_healthy"
    );
    assert!(at(&services, "scylla/healthcheck/test").is_array());
    for name in GATEWAYS {
        let service = at(&services, name);
        let after = text(service, "depends_on/schema/condition");
        assert_eq!(after, "service_completed_successfully");
        let check = texts(service, "healthcheck/test");
        assert_eq!(check[..2], ["CMD", "fanfare"]);
        assert_understood(&check[2..]);
        assert_eq!(text(service, "image"), text(schema, "image"));
    }
}

#[test]
fn what_is_mounted_and_built_from_is_there() {
    let services = services();
    let build = at(&services, "schema/build");
    let root = crate::deploy().join(text(build, "context"));
    assert!(root.join(text(build, "dockerfile")).is_file());
    let root_volumes = documents(&read("compose.yaml"));
    for volume in items(at(&services, "scylla"), "volumes") {
        let (name, _) = volume
            .as_str()
            .and_then(|volume| volume.split_once(':'))
            .expect("a volume");
        assert!(at(&root_volumes[0], "volumes").get(name).is_some());
    }
}
