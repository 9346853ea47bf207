//! Another configuration for a gateway that serves.

mod apps;
mod credentials;
mod keys;
mod load;
mod signal;

use fanfare_gateway::reload::Changes;

use crate::harness::World;

impl World {
    /// Writes another configuration, as an editor would: a new file in the old one's place.
    pub(crate) fn configure(&self, text: &str) {
        let new = self.directory.path().join("fanfare.toml.new");
        std::fs::write(&new, text).expect("a file");
        std::fs::rename(&new, &self.sandbox.config).expect("a file in its place");
    }

    pub(crate) fn configuration(&self) -> String {
        std::fs::read_to_string(&self.sandbox.config).expect("the configuration")
    }

    /// Replaces a text that must be there.
    pub(crate) fn edit(&self, from: &str, to: &str) {
        let text = self.configuration();
        assert!(text.contains(from), "no {from} in\n{text}");
        self.configure(&text.replacen(from, to, 1));
    }

    pub(crate) async fn try_reload(&self) -> anyhow::Result<Changes> {
        let app = self.app.as_ref().expect("a running gateway");
        app.reload_file(&self.sandbox.config).await
    }

    /// Reads the configuration again; gives what changed at once and what waits, in the words of the log.
    pub(crate) async fn reload(&self) -> (Vec<String>, Vec<String>) {
        let changes = self.try_reload().await.expect("a usable configuration");
        let words = |changes: Vec<_>| changes.iter().map(ToString::to_string).collect();
        (words(changes.live), words(changes.waiting))
    }
}

/// Devices `user-0` …, every other one on each provider.
pub(crate) async fn crowd(world: &World, count: u32) {
    for n in 0..count {
        let (channel, token) = match n % 2 {
            0 => ("ios_push", crate::harness::apns_token(n)),
            _ => ("fcm", crate::harness::fcm_token(n)),
        };
        world.register(&format!("user-{n}"), channel, &token).await;
    }
}

/// A notification to that whole crowd.
pub(crate) fn to_crowd(count: u32) -> serde_json::Value {
    let users: Vec<_> = (0..count).map(|n| format!("user-{n}")).collect();
    serde_json::json!({ "to": { "users": users }, "message": { "title": "Hello" } })
}
