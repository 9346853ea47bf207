//! Configuration: one TOML file, `FANFARE_…` variables over it, every fault found at once.
//!
//! The file is read into a tree that knows its lines (`tree`), a section reader takes what it knows and
//! collects faults (`section`), and what comes out is checked: durations are durations, keys are loaded,
//! credentials are usable. Nothing half-valid leaves this module.

mod apps;
pub mod campaigns;
mod faults;
pub mod fleet;
mod jwt;
pub mod limits;
mod providers;
mod section;
pub mod settings;
pub mod store;
mod tree;
mod units;

pub(crate) use units::duration as units_duration;

use std::path::{Path, PathBuf};

use fanfare_actors::App;
use fanfare_ingress::AppDoor;

pub use faults::{Fault, Faults};
pub use settings::Settings;

use section::{Reading, Section};

/// A checked configuration with usable credentials.
#[derive(Clone, Debug)]
pub struct Config {
    pub settings: Settings,
    /// Each app as the door and as the sending side see it.
    pub apps: Vec<(AppDoor, App)>,
}

/// Why there is no configuration.
#[derive(Debug)]
pub enum Unusable {
    /// The file cannot be read.
    File(PathBuf, std::io::Error),
    Faults(Faults),
}

impl std::fmt::Display for Unusable {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Unusable::File(path, error) => write!(f, "cannot read {}: {error}", path.display()),
            Unusable::Faults(faults) => faults.fmt(f),
        }
    }
}

impl std::error::Error for Unusable {}

/// Variables of other commands, which are no part of the configuration.
const OTHER_VARIABLES: [&str; 3] = ["FANFARE_KEY", "FANFARE_KEY_FILE", "FANFARE_URL"];

/// Reads a file and the process's environment.
pub fn load(path: &Path) -> Result<Config, Unusable> {
    let text =
        std::fs::read_to_string(path).map_err(|error| Unusable::File(path.to_owned(), error))?;
    let directory = path.parent().unwrap_or_else(|| Path::new(""));
    let ours = |name: &str| name.starts_with("FANFARE_") && !OTHER_VARIABLES.contains(&name);
    let variables =
        std::env::vars_os().filter_map(|(name, value)| Some((name.into_string().ok()?, value)));
    let variables = variables.filter(|(name, _)| ours(name));
    let variables = variables.map(|(name, value)| (name, value.to_string_lossy().into_owned()));
    parse(&text, directory, variables).map_err(Unusable::Faults)
}

/// Reads a text; relative paths in it are relative to `directory`.
pub fn parse(
    text: &str,
    directory: &Path,
    variables: impl IntoIterator<Item = (String, String)>,
) -> Result<Config, Faults> {
    let mut faults = Faults::default();
    let mut root = tree::parse(text, &mut faults);
    if !faults.is_empty() {
        return Err(faults);
    }
    tree::overlay(&mut root, variables, &mut faults);
    let reading = Reading::new(faults, directory);
    let section = Section::root(&reading, &root);
    let settings = settings::read(&section);
    let apps = read_apps(&section, &settings);
    section.finish();
    let faults = reading.into_faults();
    if faults.is_empty() {
        Ok(Config { settings, apps })
    } else {
        Err(faults)
    }
}

fn read_apps(root: &Section<'_>, settings: &Settings) -> Vec<(AppDoor, App)> {
    let sections = root.sections("apps");
    if sections.is_empty() && !root.has("apps") {
        root.fault("apps", "at least one [[apps]] is required");
    }
    let per_user = settings.registry.devices_per_user_max;
    let mut apps: Vec<(AppDoor, App)> = Vec::new();
    for section in sections {
        let Some(app) = apps::read(section, per_user) else {
            continue;
        };
        if apps.iter().any(|(other, _)| other.id == app.0.id) {
            root.fault("apps", format!("id \"{}\" is used twice", app.0.id));
        }
        apps.push(app);
    }
    tell_apart(root, &apps);
    apps
}

/// A user's JWT must belong to one app: by its issuer, its audience, or both.
fn tell_apart(root: &Section<'_>, apps: &[(AppDoor, App)]) {
    let claims = |door: &AppDoor| {
        let jwt = door.jwt.as_ref()?;
        Some((jwt.issuer.clone(), jwt.audience.clone()))
    };
    let all: Vec<_> = apps.iter().filter_map(|(door, _)| claims(door)).collect();
    let unnamed = all.contains(&(None, None));
    let twice = (1..all.len()).any(|index| all[..index].contains(&all[index]));
    if all.len() > 1 && (unnamed || twice) {
        root.fault(
            "apps",
            "several apps take JWTs: each needs a jwt.issuer or jwt.audience of its own to be told apart",
        );
    }
}

#[cfg(test)]
mod tests;
