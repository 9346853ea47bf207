//! What all commands may be told of the gateway and its providers.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde_json::{Value, json};

use crate::fleet::Spec;
use crate::progress::Progress;

/// To whom pushes go.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Provider {
    Apns,
    Fcm,
    /// Half of the devices each.
    Both,
}

/// How the gateway speaks HTTP/2 to providers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Codec {
    H2,
    Lean,
}

impl Codec {
    /// Of the configuration.
    const fn word(self) -> &'static str {
        match self {
            Codec::H2 => "h2",
            Codec::Lean => "lean",
        }
    }
}

/// The same for every command.
#[derive(Clone, Debug, clap::Args)]
#[command(next_help_heading = "Gateway and providers")]
pub(crate) struct Setup {
    /// To whom pushes go.
    #[arg(long, global = true, value_enum, default_value = "apns")]
    pub(crate) provider: Provider,
    /// Bytes of a payload: of `{"aps": …}` to APNs, about as many to FCM; 100 to 4000.
    #[arg(long, global = true, default_value_t = 200, value_parser = clap::value_parser!(u16).range(100..=4000))]
    pub(crate) payload: u16,
    /// How long the providers take to answer: `50ms`, or `lognormal:40ms,p99=300ms`. Default: no longer than they need;
    /// `mix` has its own.
    #[arg(long, global = true)]
    pub(crate) latency: Option<String>,
    /// Processors the gateway may use, as `taskset -c` takes them: `0`, `0,1`, `2-5`.
    #[arg(long, global = true)]
    pub(crate) gateway_cores: Option<String>,
    /// Processors the simulators may use.
    #[arg(long, global = true)]
    pub(crate) simulator_cores: Option<String>,
    /// Threads of the gateway that send.
    #[arg(long, global = true, default_value_t = 1)]
    pub(crate) sender_threads: usize,
    /// The gateway's HTTP/2: `link.codec` of its configuration. Default: the gateway's own.
    #[arg(long, global = true, value_enum)]
    pub(crate) codec: Option<Codec>,
    /// Simulators that cost next to nothing, so that it is not they that are measured: every push is accepted, nothing
    /// is scripted, no single push is listed.
    #[arg(long, global = true, conflicts_with = "latency")]
    pub(crate) fast: bool,
}

impl Setup {
    /// As a report shows it.
    pub(crate) fn list(&self) -> Vec<(&'static str, String)> {
        let or = |text: &Option<String>, other: &str| text.as_deref().unwrap_or(other).to_owned();
        let codec = self
            .codec
            .map(Codec::word)
            .unwrap_or("the gateway's default");
        vec![
            ("provider", format!("{:?}", self.provider).to_lowercase()),
            ("payload", format!("{} bytes", self.payload)),
            ("provider's latency", or(&self.latency, "none")),
            (
                "simulators",
                if self.fast { "fast" } else { "ordinary" }.to_owned(),
            ),
            ("sender threads", self.sender_threads.to_string()),
            ("codec", codec.to_owned()),
            ("gateway's processors", or(&self.gateway_cores, "any")),
            ("simulators' processors", or(&self.simulator_cores, "any")),
        ]
    }

    /// The message whose payload to APNs has the wanted size.
    pub(crate) fn message(&self) -> Value {
        let title = "Hello";
        let around = json!({ "aps": { "alert": { "title": title, "body": "" } } });
        let room = usize::from(self.payload).saturating_sub(around.to_string().len());
        json!({ "title": title, "body": text(room) })
    }

    /// The payload of that message.
    pub(crate) fn payload(&self) -> String {
        json!({ "aps": { "alert": self.message() } }).to_string()
    }

    /// A crowd for these providers.
    pub(crate) fn spec(&self, devices: usize) -> Spec {
        let ios = match self.provider {
            Provider::Apns => 1.0,
            Provider::Fcm => 0.0,
            Provider::Both => 0.5,
        };
        Spec::new(devices, ios)
    }

    /// The settings of the gateway that follow from it.
    pub(crate) fn settings(&self) -> Settings {
        let mut settings = Settings::default();
        settings.set("", &format!("sender_threads = {}", self.sender_threads));
        if let Some(codec) = self.codec {
            settings.set("link", &format!("codec = \"{}\"", codec.word()));
        }
        settings
    }
}

/// Words, so many bytes of them.
fn text(bytes: usize) -> String {
    let words = "The spring collection is here: twenty new things that you will like. ";
    let mut text = words.repeat(bytes / words.len() + 1);
    text.truncate(bytes);
    text
}

/// Lines of a configuration by their table; those of no table have the name "".
#[derive(Clone, Debug, Default)]
pub(crate) struct Settings(BTreeMap<&'static str, Vec<String>>);

impl Settings {
    pub(crate) fn set(&mut self, table: &'static str, line: &str) {
        self.0.entry(table).or_default().push(line.to_owned());
    }

    pub(crate) fn text(&self) -> String {
        let mut text = String::new();
        for (table, lines) in &self.0 {
            if !table.is_empty() {
                text.push_str(&format!("[{table}]\n"));
            }
            text.push_str(&lines.join("\n"));
            text.push('\n');
        }
        text
    }
}

/// What a command runs with.
#[derive(Clone)]
pub(crate) struct Bench {
    /// The gateway's.
    pub(crate) program: PathBuf,
    pub(crate) setup: Setup,
    pub(crate) progress: Progress,
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Cli {
        #[command(flatten)]
        setup: Setup,
    }

    fn setup(arguments: &[&str]) -> Setup {
        let all = ["x"].iter().chain(arguments);
        Cli::try_parse_from(all).unwrap().setup
    }

    #[test]
    fn a_payload_has_the_wanted_size() {
        for bytes in ["100", "200", "3000", "4000"] {
            let payload = setup(&["--payload", bytes]).payload();
            assert_eq!(payload.len().to_string(), bytes);
        }
    }

    #[test]
    fn settings_stand_in_their_tables_behind_those_of_none() {
        let mut settings = setup(&["--codec", "lean"]).settings();
        settings.set("limits", "deliveries_max = 5");
        let text = settings.text();
        assert_eq!(
            text,
            "sender_threads = 1\n[limits]\ndeliveries_max = 5\n[link]\ncodec = \"lean\"\n"
        );
        let plain = setup(&[]).settings().text();
        assert_eq!(plain, "sender_threads = 1\n");
    }
}
