//! Where a database comes from, and what is said when there is none.

use std::process::{Command, Output, Stdio};

use fanfare_testbed::shared;

fn testbed(set: impl FnOnce(&mut Command)) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_fanfare-testbed"));
    command.stdin(Stdio::null()).env_remove("SCYLLA_NODES");
    set(&mut command);
    command.output().expect("a process")
}

fn complaint(output: &Output) -> String {
    assert!(!output.status.success(), "it fails, and skips nothing");
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn without_any_it_fails_and_says_how_to_get_one() {
    let output = testbed(|command| {
        command.env("PATH", "");
    });
    let said = complaint(&output);
    for word in [
        "SCYLLA_NODES",
        "docker:",
        "podman:",
        "no java, no mvn",
        "apt-get install",
    ] {
        assert!(said.contains(word), "{word}: {said}");
    }
}

#[test]
fn given_nodes_are_used_as_they_are() {
    let given = shared().addresses()[0].to_string();
    let output = testbed(|command| {
        command.env("PATH", "").env("SCYLLA_NODES", &given);
    });
    assert!(output.status.success(), "{output:?}");
    assert_eq!(String::from_utf8_lossy(&output.stdout).trim(), given);

    let too_few = testbed(|command| {
        command.arg("3").env("SCYLLA_NODES", &given);
    });
    assert!(complaint(&too_few).contains("needs 3 nodes"));
}

#[test]
fn given_nodes_that_do_not_answer_are_no_reason_to_look_elsewhere() {
    for wrong in ["127.0.0.1:1", "nowhere", ","] {
        let output = testbed(|command| {
            command.env("SCYLLA_NODES", wrong);
        });
        let said = complaint(&output);
        assert!(
            said.starts_with(&format!("SCYLLA_NODES={wrong}: ")),
            "{said}"
        );
    }
}
