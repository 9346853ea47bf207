//! Every target over its corpus, and over seeded mutations of it. `TEST_FUZZ_INPUTS` says how many (3,000 a target
//! otherwise), `TEST_FUZZ_SEED` where they start.

use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use fanfare_fuzz::mutation::Mutator;
use fanfare_fuzz::{TARGETS, bodies, hpack, jwt, session, uploads};

const INPUTS: u64 = 3_000;

fn corpus(name: &str) -> Vec<(String, Vec<u8>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("corpus")
        .join(name);
    let entries = std::fs::read_dir(&folder).expect("a corpus");
    let mut files: Vec<_> = entries.map(|entry| entry.expect("a file").path()).collect();
    files.sort();
    let read = |path: &std::path::PathBuf| {
        let name = path
            .file_name()
            .expect("a name")
            .to_string_lossy()
            .into_owned();
        (name, std::fs::read(path).expect("its bytes"))
    };
    files.iter().map(read).collect()
}

fn number(variable: &str, default: u64) -> u64 {
    match std::env::var(variable) {
        Ok(text) => text
            .parse()
            .unwrap_or_else(|_| panic!("{variable} is no number: {text}")),
        Err(_) => default,
    }
}

fn run(name: &str) {
    let (_, target) = TARGETS
        .iter()
        .find(|(known, _)| *known == name)
        .expect("a target");
    let corpus = corpus(name);
    assert!(corpus.len() >= 8, "a corpus that shows every shape");
    let check = |label: &str, input: &[u8]| {
        if catch_unwind(AssertUnwindSafe(|| target(input))).is_err() {
            panic!("{name}, {label}: {:?}", String::from_utf8_lossy(input));
        }
    };
    for (file, input) in &corpus {
        check(file, input);
    }
    let inputs: Vec<Vec<u8>> = corpus.into_iter().map(|(_, input)| input).collect();
    let start = number("TEST_FUZZ_SEED", 0);
    for seed in start..start + number("TEST_FUZZ_INPUTS", INPUTS) {
        check(
            &format!("TEST_FUZZ_SEED={seed}"),
            &Mutator::new(seed).input(&inputs),
        );
    }
}

#[test]
fn answers() {
    run("answers");
}

#[test]
fn bodies() {
    run("bodies");
}

#[test]
fn headers() {
    run("headers");
}

#[test]
fn hpack() {
    run("hpack");
}

#[test]
fn jwt() {
    run("jwt");
}

#[test]
fn session() {
    run("session");
}

#[test]
fn uploads() {
    run("uploads");
}

/// A corpus that never gets past the door tests the door only.
#[test]
fn the_corpora_reach_what_they_are_for() {
    let found: BTreeSet<u16> = corpus("bodies")
        .iter()
        .filter_map(|(_, input)| bodies::status(input))
        .map(|status| status.as_u16())
        .collect();
    for wanted in [200, 201, 202, 400, 404, 422] {
        assert!(found.contains(&wanted), "no {wanted} in {found:?}");
    }
    for refused in [401, 403] {
        assert!(!found.contains(&refused), "{refused}: not past the door");
    }
    let found: BTreeSet<u16> = corpus("uploads")
        .iter()
        .filter_map(|(_, input)| uploads::status(input))
        .map(|status| status.as_u16())
        .collect();
    assert_eq!(found, BTreeSet::from([200, 415, 422]));
    let good = corpus("jwt")
        .iter()
        .filter(|(_, input)| jwt::is_good(input))
        .count();
    assert!(good >= 4, "{good} tokens are good");
    let read: usize = corpus("hpack")
        .iter()
        .map(|(_, input)| hpack::lists(input))
        .sum();
    assert!(read >= 20, "{read} header lists are read");
    let ends: Vec<_> = corpus("session")
        .iter()
        .map(|(_, input)| session::outcome(input))
        .collect();
    let faults: BTreeSet<_> = ends.iter().filter_map(|end| end.fault).collect();
    // PROTOCOL_ERROR, FLOW_CONTROL_ERROR, STREAM_CLOSED, FRAME_SIZE_ERROR, COMPRESSION_ERROR, ENHANCE_YOUR_CALM.
    assert_eq!(faults, BTreeSet::from([1, 3, 5, 6, 9, 11]));
    let sum = |of: fn(&session::Outcome) -> usize| ends.iter().map(of).sum::<usize>();
    assert!(sum(|end| end.answered) >= 20, "{ends:?}");
    assert!(sum(|end| end.lost) >= 8, "{ends:?}");
}
