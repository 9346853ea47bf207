//! A decision comes back as it was, and a damaged one is refused.

use super::*;
use crate::contract::fixtures::full_device;
use crate::scylla::registry::row;

fn decision(state: State) -> Decision {
    Decision {
        change: -7,
        previous: Some(i64::MIN),
        ts: 1_700_000_000_000_000,
        holder: full_device().as_ref(),
        state,
    }
}

fn all() -> [Decision; 3] {
    let device = full_device();
    let key = device.address.key(None);
    let gone = |owner: &str, tenant: Option<&str>| Gone {
        name: crate::contract::fixtures::device(3, owner, "t").as_ref(),
        key: tenant.map(|_| key),
        tenant: tenant.map(str::to_owned),
    };
    let held = Held {
        at: 5,
        body: row::pack(&device, &key),
        is_new: true,
        listed: device.tenant.clone(),
        unlisted: None,
        gone: vec![gone("bob", None), gone("cy", Some("south"))],
    };
    let next = Next {
        key: crate::contract::fixtures::address("next").key(None),
        seen: Some(3),
        decision: Box::new(decision(State::Held(held.clone()))),
    };
    [
        decision(State::Held(held.clone())),
        decision(State::Leaving(held, next)),
        decision(State::Freed(gone("ada", Some("north")))),
    ]
}

fn unpack(decision: &Decision, blob: &[u8]) -> Option<Decision> {
    Decision::unpack(decision.change, decision.ts, blob)
}

#[test]
fn a_decision_comes_back_as_it_was() {
    for decision in all() {
        assert!(unpack(&decision, &decision.pack()) == Some(decision));
    }
}

#[test]
fn a_damaged_decision_is_refused() {
    for decision in all() {
        let packed = decision.pack();
        for cut in 0..packed.len() {
            assert!(unpack(&decision, &packed[..cut]).is_none(), "cut at {cut}");
        }
        assert!(unpack(&decision, &[&packed[..], &[0]].concat()).is_none());
    }
}
