//! A set-up made on the spot for `dev` and `demo`: keys, certificates and a configuration file, in one directory.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use anyhow::Context;
use fanfare_simulator::{Addresses, Material};
use fanfare_types::{AppId, Secret};

use crate::material;

/// The app of every sandbox.
pub const APP: &str = "demo";

/// What was written, and the secrets that go with it.
#[derive(Debug)]
pub struct Sandbox {
    pub config: PathBuf,
    pub api_key: Secret<String>,
    pub jwt_secret: Secret<String>,
}

/// Reads the keys and certificates in `directory`, or makes new ones there.
pub fn material(directory: &Path) -> anyhow::Result<Material> {
    std::fs::create_dir_all(directory)
        .with_context(|| format!("making {}", directory.display()))?;
    let path = directory.join("material.json");
    if path.exists() {
        let json = std::fs::read(&path).with_context(|| format!("reading {}", path.display()))?;
        return serde_json::from_slice(&json).with_context(|| {
            format!(
                "{} is damaged; remove it to have new keys made",
                path.display()
            )
        });
    }
    let material = Material::generate()?;
    write_private(&path, &serde_json::to_string(&material)?)?;
    Ok(material)
}

/// Writes the credentials a gateway needs to reach the simulators: `ca.pem`, the `.p8` key, the service account.
pub fn write_credentials(
    directory: &Path,
    material: &Material,
    at: &Addresses,
) -> anyhow::Result<()> {
    write_private(&directory.join("ca.pem"), &material.ca_pem)?;
    write_private(&directory.join(p8_name(material)), &material.apns_key.p8)?;
    write_private(
        &directory.join("service-account.json"),
        &material.service_account_json(&at.token_uri()),
    )?;
    write_private(
        &directory.join("apns-client.pem"),
        &material.apns_client.certificate_pem,
    )?;
    write_private(
        &directory.join("apns-client.key"),
        &material.apns_client.key_pem,
    )
}

fn p8_name(material: &Material) -> String {
    format!("AuthKey_{}.p8", material.apns_key.key_id)
}

/// The provider tables of an app that sends to the simulators.
pub fn provider_tables(material: &Material, at: &Addresses) -> String {
    let (key_id, team_id, topic) = (
        &material.apns_key.key_id,
        &material.apns_key.team_id,
        &material.topic,
    );
    let (p8, apns, fcm) = (p8_name(material), at.apns_url(), at.fcm_url());
    format!(
        r#"[apps.apns]
key_file = "{p8}"
key_id = "{key_id}"
team_id = "{team_id}"
topic = "{topic}"
endpoint_production = "{apns}"
endpoint_sandbox = "{apns}"
ca_file = "ca.pem"

[apps.fcm]
service_account_file = "service-account.json"
endpoint = "{fcm}"
ca_file = "ca.pem"
rate_max = 1000000
"#
    )
}

/// Writes credentials, secrets and `fanfare.toml`. An API key and a JWT secret that are there are kept.
pub fn write(
    directory: &Path,
    material: &Material,
    at: &Addresses,
    listen: SocketAddr,
) -> anyhow::Result<Sandbox> {
    write_credentials(directory, material, at)?;
    let app = AppId::new(APP).context("the sandbox's app id")?;
    let api_key = keep_or_make(&directory.join("api.key"), || material::api_key(&app))?;
    let jwt_secret = keep_or_make(&directory.join("jwt.secret"), || material::api_key(&app))?;
    let sha256 = material::sha256_hex(api_key.expose().as_bytes());
    let providers = provider_tables(material, at);
    let text = format!(
        r#"# Written by `fanfare dev` or `fanfare demo`; see fanfare.example.toml for every key.
listen = "{listen}"
data_dir = "data"

[[apps]]
id = "{APP}"

[[apps.api_keys]]
name = "sandbox"
sha256 = "{sha256}"
kind = "service"

[apps.jwt]
algorithms = ["HS256"]
hs256_secret_file = "jwt.secret"
cookie = "session"

{providers}"#
    );
    let config = directory.join("fanfare.toml");
    write_private(&config, &text)?;
    Ok(Sandbox {
        config,
        api_key,
        jwt_secret,
    })
}

fn keep_or_make(
    path: &Path,
    make: impl FnOnce() -> anyhow::Result<Secret<String>>,
) -> anyhow::Result<Secret<String>> {
    if path.exists() {
        let text =
            std::fs::read_to_string(path).with_context(|| format!("reading {}", path.display()))?;
        return Ok(Secret::new(text.trim_end().to_owned()));
    }
    let made = make()?;
    write_private(path, made.expose())?;
    Ok(made)
}

/// Writes a file that only its owner may read.
fn write_private(path: &Path, text: &str) -> anyhow::Result<()> {
    use std::io::Write;
    use std::os::unix::fs::OpenOptionsExt;
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create(true).truncate(true).mode(0o600);
    let write = || options.open(path)?.write_all(text.as_bytes());
    write().with_context(|| format!("writing {}", path.display()))
}
