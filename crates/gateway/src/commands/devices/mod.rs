//! `fanfare devices`: list a user's, and carry a whole registry in and out.

mod bad;
mod batch;
mod export;
mod import;
mod into_store;
mod list;
mod over_api;
mod resume;
mod row;
mod rows;

use clap::Subcommand;

/// List, import and export devices.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    List(list::Args),
    Import(Box<import::Args>),
    Export(export::Args),
}

pub fn run(args: &Args) -> anyhow::Result<()> {
    match &args.command {
        Command::List(args) => super::runtime()?.block_on(list::run(args)),
        Command::Import(args) => super::runtime()?.block_on(import::run(args)),
        Command::Export(args) => export::run(args),
    }
}

/// `/v1/users/{user_id}/devices`; `None` for the two names that no path can have (RFC 3986 section 5.2.4).
fn path_of(user: &str) -> Option<String> {
    if matches!(user, "." | "..") {
        return None;
    }
    let mut path = "/v1/users/".to_owned();
    for byte in user.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                path.push(char::from(byte));
            }
            byte => path.push_str(&format!("%{byte:02X}")),
        }
    }
    path.push_str("/devices");
    Some(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_user_has_a_path() {
        let path = |user| path_of(user).unwrap();
        assert_eq!(path("ada"), "/v1/users/ada/devices");
        assert_eq!(path("a/b c?ä"), "/v1/users/a%2Fb%20c%3F%C3%A4/devices");
        assert_eq!(path_of(".."), None);
    }
}
