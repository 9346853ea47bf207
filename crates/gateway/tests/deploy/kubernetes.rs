//! Three gateways in Kubernetes.

use std::time::Duration;

use serde_json::Value;

use fanfare_gateway::config::Settings;
use fanfare_gateway::config::store::Kind;

use crate::yaml::{at, documents, items, text, texts};
use crate::{BEYOND_DRAIN, CONFIG, assert_is_path, assert_understood, docker, read, settings};

fn object(kind: &str) -> Value {
    let all = documents(&read("kubernetes/fanfare.yaml"));
    let mut found = all
        .into_iter()
        .filter(|object| text(object, "kind") == kind);
    let object = found.next().unwrap_or_else(|| panic!("no {kind}"));
    assert!(found.next().is_none(), "one {kind}");
    object
}

fn pod(kind: &str) -> Value {
    at(&object(kind), "spec/template/spec").clone()
}

/// The ConfigMap's file, with the Secret's beside it.
fn configured() -> Settings {
    let (map, secret) = (object("ConfigMap"), object("Secret"));
    let secrets = at(&secret, "stringData").as_object().expect("members");
    let secrets: Vec<(&str, &str)> = secrets
        .iter()
        .filter_map(|(name, value)| Some((name.as_str(), value.as_str()?)))
        .collect();
    let container = &pod("Deployment");
    let variables: Vec<(String, String)> = items(container, "containers/0/env")
        .iter()
        .map(|variable| (text(variable, "name").to_owned(), "fanfare-0".to_owned()))
        .collect();
    settings(text(&map, "data/fanfare.toml"), &secrets, &variables)
}

#[test]
fn its_configuration_and_secrets_are_what_the_program_reads() {
    let settings = configured();
    assert_eq!(settings.store.kind, Kind::Scylla);
    assert!(settings.store.scylla.password.is_some());
    assert_eq!(settings.fleet.name.as_deref(), Some("fanfare-0"));
    for kind in ["Job", "Deployment"] {
        let pod = pod(kind);
        let arguments = texts(&pod, "containers/0/args");
        assert_understood(&arguments);
        assert!(arguments.iter().any(|argument| argument == CONFIG));
        let mount = at(&pod, "containers/0/volumeMounts/0");
        assert!(CONFIG.starts_with(text(mount, "mountPath")));
        assert_eq!(text(mount, "name"), text(&pod, "volumes/0/name"));
        let sources = items(&pod, "volumes/0/projected/sources");
        for (source, kind) in sources.iter().zip(["ConfigMap", "Secret"]) {
            let member = format!("{}{}/name", kind[..1].to_lowercase(), &kind[1..]);
            let object = object(kind);
            assert_eq!(text(source, &member), text(&object, "metadata/name"));
        }
    }
}

#[test]
fn probes_ask_what_there_is_where_it_listens() {
    let (settings, pod, service) = (configured(), pod("Deployment"), object("Service"));
    let container = at(&pod, "containers/0");
    let port = |name: &str| {
        let ports = items(container, "ports").iter();
        let mut named = ports.filter(|port| text(port, "name") == name);
        at(named.next().expect("a port"), "containerPort").as_i64()
    };
    let admin = settings.admin.expect("an address for operations");
    assert_eq!(port("api"), Some(settings.listen.port().into()));
    assert_eq!(port("admin"), Some(admin.port().into()));
    for (probe, path) in [("livenessProbe", "/healthz"), ("readinessProbe", "/readyz")] {
        assert_eq!(text(container, &format!("{probe}/httpGet/path")), path);
        assert_eq!(text(container, &format!("{probe}/httpGet/port")), "admin");
        assert_is_path(path);
    }
    let target = text(&service, "spec/ports/0/targetPort");
    assert_eq!(target, "api", "operations are not for callers");
    assert_eq!(items(&service, "spec/ports").len(), 1);
}

#[test]
fn a_drain_has_its_time_and_nobody_is_root() {
    let settings = configured();
    let pod = pod("Deployment");
    let seconds =
        |node: &Value| Duration::from_secs(node.as_i64().expect("seconds").unsigned_abs());
    let grace = seconds(at(&pod, "terminationGracePeriodSeconds"));
    let before = seconds(at(&pod, "containers/0/lifecycle/preStop/sleep/seconds"));
    assert!(grace >= before + settings.drain_timeout + BEYOND_DRAIN);
    let user = docker::last("USER");
    for kind in ["Job", "Deployment"] {
        let pod = crate::kubernetes::pod(kind);
        assert_eq!(
            at(&pod, "securityContext/runAsNonRoot").as_bool(),
            Some(true)
        );
        let ids = ["runAsUser", "runAsGroup"].map(|name| {
            let id = at(&pod, &format!("securityContext/{name}")).as_i64();
            id.expect("a number").to_string()
        });
        assert_eq!(ids.join(":"), user);
        let context = at(&pod, "containers/0/securityContext");
        assert_eq!(
            at(context, "allowPrivilegeEscalation").as_bool(),
            Some(false)
        );
        assert_eq!(at(context, "readOnlyRootFilesystem").as_bool(), Some(true));
    }
}

#[test]
fn what_selects_pods_selects_the_gateways() {
    let deployment = object("Deployment");
    let labels = at(&deployment, "spec/template/metadata/labels");
    let job = object("Job");
    let others = at(&job, "spec/template/metadata/labels");
    for (kind, path) in [
        ("Deployment", "spec/selector/matchLabels"),
        ("PodDisruptionBudget", "spec/selector/matchLabels"),
        ("Service", "spec/selector"),
    ] {
        let object = object(kind);
        let wanted = at(&object, path).as_object().expect("labels").clone();
        let fits = |labels: &Value| {
            let mut wanted = wanted.iter();
            wanted.all(|(name, value)| labels.get(name) == Some(value))
        };
        assert!(fits(labels) && !fits(others), "{kind}");
    }
    let replicas = at(&deployment, "spec/replicas")
        .as_i64()
        .unwrap_or_default();
    let budget = object("PodDisruptionBudget");
    let gone = at(&budget, "spec/maxUnavailable")
        .as_i64()
        .unwrap_or(i64::MAX);
    assert!(gone < replicas);
    let images =
        ["Job", "Deployment"].map(|kind| text(&pod(kind), "containers/0/image").to_owned());
    let version = env!("CARGO_PKG_VERSION");
    assert_eq!(
        images,
        [format!("fanfare:{version}"), format!("fanfare:{version}")]
    );
}
