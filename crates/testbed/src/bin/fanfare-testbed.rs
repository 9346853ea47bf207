//! A database to try things on by hand, as tests have it: `cargo run -p fanfare-testbed -- 3` starts three nodes, prints
//! their addresses, and ends them when its input ends or it is killed.

use std::io::{self, Write};
use std::process::ExitCode;

use fanfare_testbed::{Cluster, Error};

fn main() -> ExitCode {
    let nodes = std::env::args().nth(1);
    let Ok(nodes) = nodes.map_or(Ok(1), |nodes| nodes.parse()) else {
        return failed("usage: fanfare-testbed [NODES]");
    };
    match Cluster::start(nodes).and_then(|cluster| hold(&cluster)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => failed(&error.to_string()),
    }
}

/// Says where the nodes are, and waits for the end of the input.
fn hold(cluster: &Cluster) -> Result<(), Error> {
    let addresses = cluster.addresses();
    let addresses: Vec<_> = addresses.iter().map(ToString::to_string).collect();
    let said = writeln!(io::stdout(), "{}", addresses.join(","));
    let held = said.and_then(|()| io::copy(&mut io::stdin(), &mut io::sink()));
    held.map(drop).map_err(|source| Error::System {
        what: "standard input and output".to_owned(),
        source,
    })
}

fn failed(why: &str) -> ExitCode {
    let _said = writeln!(io::stderr(), "{why}");
    ExitCode::FAILURE
}
