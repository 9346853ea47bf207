//! A store that is shared: who is there, who holds what, and what they tell each other. Every step that two race for has
//! one winner.

use std::sync::Arc;

use fanfare_types::ids::Id96;
use fanfare_types::{DeviceId, Epoch, NodeId, NotificationId, Slot, Timestamp};
use futures_util::future::join_all;

use super::fixtures::{NOW, app};
use crate::fleet::{Census, Lease, Node, Notice, NoticeId};
use crate::{Fleet, Store};

/// Of a store without one there are no such cases.
fn fleet(store: Arc<dyn Store>) -> Arc<dyn Fleet> {
    store.fleet().expect("a store that is shared")
}

fn id(number: u64) -> NodeId {
    NodeId(Id96::new(NOW, number))
}

fn node(number: u64, beat: u64) -> Node {
    Node {
        id: id(number),
        name: format!("node-{number}"),
        beat,
        is_draining: false,
        inbox: 0,
        doing: r#"{"permits":7}"#.to_owned(),
    }
}

async fn joined(fleet: &Arc<dyn Fleet>, numbers: impl IntoIterator<Item = u64>) {
    for number in numbers {
        fleet
            .join(id(number), &format!("node-{number}"))
            .await
            .expect("the store answers");
    }
}

async fn census(fleet: &Arc<dyn Fleet>) -> Census {
    let mut census = fleet.census().await.expect("the store answers");
    census.nodes.sort_by_key(|node| node.id);
    census
}

async fn lease(fleet: &Arc<dyn Fleet>, slot: u8) -> Lease {
    census(fleet).await.slots[usize::from(slot)]
}

fn free(slot: u8) -> Lease {
    Lease {
        slot: Slot::new(slot).expect("a slot"),
        epoch: Epoch(0),
        holder: None,
    }
}

fn held(slot: u8, epoch: u64, by: u64) -> Lease {
    Lease {
        epoch: Epoch(epoch),
        holder: Some(id(by)),
        ..free(slot)
    }
}

pub async fn a_census_has_every_slot_and_who_joined(store: Arc<dyn Store>) {
    let fleet = fleet(store);
    let empty = census(&fleet).await;
    let slots: Vec<_> = (0..Slot::COUNT).map(free).collect();
    assert_eq!((empty.nodes, empty.slots), (Vec::new(), slots));
    joined(&fleet, [1, 2]).await;
    // Tried again after its answer was lost.
    joined(&fleet, [1]).await;
    let beaten = Node {
        is_draining: true,
        inbox: 3,
        ..node(2, 1)
    };
    assert_eq!(fleet.beat(&beaten).await, Ok(true));
    let new = Node {
        doing: String::new(),
        ..node(1, 0)
    };
    assert_eq!(census(&fleet).await.nodes, [new, beaten]);
    fleet.leave(id(1)).await.expect("the store answers");
    fleet.leave(id(1)).await.expect("the store answers");
    assert_eq!(census(&fleet).await.nodes.len(), 1);
}

pub async fn a_beat_follows_the_one_before_and_may_be_said_twice(store: Arc<dyn Store>) {
    let fleet = fleet(store);
    joined(&fleet, [1]).await;
    for beat in [1, 1, 2, 3, 3] {
        assert_eq!(fleet.beat(&node(1, beat)).await, Ok(true), "beat {beat}");
    }
    assert_eq!(fleet.beat(&node(1, 2)).await, Ok(false), "of the past");
    assert_eq!(fleet.beat(&node(1, 5)).await, Ok(false), "one is left out");
    assert_eq!(fleet.beat(&node(9, 1)).await, Ok(false), "it never joined");
    assert_eq!(census(&fleet).await.nodes[0].beat, 3);
}

pub async fn who_is_buried_hears_so_and_who_beats_is_not_buried(store: Arc<dyn Store>) {
    let fleet = fleet(store);
    joined(&fleet, [1]).await;
    assert_eq!(fleet.beat(&node(1, 1)).await, Ok(true));
    assert_eq!(fleet.bury(id(1), 0).await, Ok(false), "it has beaten since");
    assert_eq!(fleet.bury(id(1), 1).await, Ok(true));
    assert_eq!(fleet.bury(id(1), 1).await, Ok(false), "it is gone");
    assert_eq!(fleet.beat(&node(1, 2)).await, Ok(false));
    assert_eq!(census(&fleet).await.nodes, []);
}

pub async fn of_a_burial_and_a_beat_one_comes_first(store: Arc<dyn Store>) {
    let fleet = fleet(store);
    for number in 0..10 {
        joined(&fleet, [number]).await;
        let burials = (0..3).map(|_| fleet.bury(id(number), 0));
        let next = node(number, 1);
        let (buried, beaten) = tokio::join!(join_all(burials), fleet.beat(&next));
        let buried = buried.iter().filter(|b| **b == Ok(true)).count();
        let is_there = census(&fleet).await.node(id(number)).is_some();
        // Somebody's outcome may be unknown when many race; what is there is one or the other.
        assert!(
            buried <= 1 && !(buried == 1 && beaten == Ok(true)),
            "{buried}, {beaten:?}"
        );
        assert_eq!(is_there, beaten == Ok(true) || buried == 0 && is_there);
    }
}

pub async fn slots_are_claimed_together_and_each_at_its_next_epoch(store: Arc<dyn Store>) {
    let fleet = fleet(store);
    assert_eq!(fleet.claim(id(1), vec![free(3), free(4)]).await, Ok(true));
    assert_eq!(lease(&fleet, 3).await, held(3, 1, 1));
    // One of them is another's: none is taken.
    let seen = vec![free(4), free(5)];
    assert_eq!(fleet.claim(id(2), seen).await, Ok(false));
    assert_eq!(lease(&fleet, 5).await, free(5));
    // From one that is gone, and from nobody.
    let seen = vec![held(3, 1, 1), free(5)];
    assert_eq!(fleet.claim(id(2), seen).await, Ok(true));
    assert_eq!(lease(&fleet, 3).await, held(3, 2, 2));
    assert_eq!(lease(&fleet, 5).await, held(5, 1, 2));
    let all: Vec<_> = (6..Slot::COUNT).map(free).collect();
    assert_eq!(fleet.claim(id(2), all).await, Ok(true));
    let slots = census(&fleet).await.slots;
    let its = slots.iter().filter(|lease| lease.holder == Some(id(2)));
    assert_eq!(its.count(), 60);
}

pub async fn a_released_slot_is_free_at_its_epoch(store: Arc<dyn Store>) {
    let fleet = fleet(store);
    let slot = free(7).slot;
    assert_eq!(fleet.claim(id(1), vec![free(7)]).await, Ok(true));
    fleet
        .release(slot, Epoch(1))
        .await
        .expect("the store answers");
    fleet
        .release(slot, Epoch(1))
        .await
        .expect("the store answers");
    let released = Lease {
        epoch: Epoch(1),
        ..free(7)
    };
    assert_eq!(lease(&fleet, 7).await, released);
    assert_eq!(fleet.claim(id(2), vec![free(7)]).await, Ok(false));
    assert_eq!(fleet.claim(id(2), vec![released]).await, Ok(true));
    // A former holder's release comes late.
    fleet
        .release(slot, Epoch(1))
        .await
        .expect("the store answers");
    assert_eq!(lease(&fleet, 7).await, held(7, 2, 2));
}

pub async fn racing_claims_have_one_winner(store: Arc<dyn Store>) {
    let fleet = fleet(store);
    for round in 0..5_u8 {
        let seen: Vec<_> = (round * 8..round * 8 + 8).map(free).collect();
        let claims = (1..=4).map(|number| {
            let seen = seen.clone();
            let fleet = fleet.clone();
            async move { fleet.claim(id(number), seen).await }
        });
        let claimed = join_all(claims).await;
        let slots = census(&fleet).await.slots;
        let of_these = &slots[usize::from(round) * 8..][..8];
        let holders: Vec<_> = of_these.iter().map(|lease| lease.holder).collect();
        assert!(
            holders.iter().all(|holder| *holder == holders[0]),
            "{holders:?}"
        );
        for (number, claimed) in (1..).zip(&claimed) {
            if let Ok(claimed) = claimed {
                assert_eq!(*claimed, holders[0] == Some(id(number)), "{claimed:?}");
            }
        }
    }
}

pub async fn a_slot_is_not_taken_up_at_an_epoch_that_is_over(store: Arc<dyn Store>) {
    let fleet = fleet(store);
    let slot = free(11).slot;
    fleet
        .take_up(slot, Epoch(5))
        .await
        .expect("the store answers");
    fleet
        .take_up(slot, Epoch(5))
        .await
        .expect("the store answers");
    assert!(fleet.take_up(slot, Epoch(4)).await.is_err());
    fleet
        .take_up(slot, Epoch(6))
        .await
        .expect("the store answers");
}

fn notices() -> Vec<Notice> {
    vec![
        Notice::Revoked {
            app: app("shop"),
            devices: vec![DeviceId::new(NOW, 1), DeviceId::new(NOW, 2)],
        },
        Notice::Cancelled {
            app: app("shop"),
            id: NotificationId::new(Timestamp(5), 3),
        },
    ]
}

pub async fn what_is_told_is_heard_by_all_others_where_they_listen(store: Arc<dyn Store>) {
    let fleet = fleet(store);
    joined(&fleet, [1, 2, 3]).await;
    let moved_on = Node {
        inbox: 4,
        ..node(3, 1)
    };
    assert_eq!(fleet.beat(&moved_on).await, Ok(true));
    let notice = NoticeId {
        from: id(1),
        number: 1,
    };
    for _tried_again in 0..2 {
        let mut to = fleet
            .tell(id(1), notice, notices())
            .await
            .expect("the store answers");
        to.sort_unstable();
        assert_eq!(to, [id(2), id(3)]);
    }
    for (node, inbox, hears) in [
        (2, 0, 1),
        (2, 1, 1),
        (2, 2, 0),
        (3, 4, 1),
        (3, 5, 1),
        (1, 0, 0),
    ] {
        let told = fleet
            .hear(id(node), inbox)
            .await
            .expect("the store answers");
        assert_eq!(told.len(), hears, "node {node} in inbox {inbox}");
        for told in told {
            assert_eq!((told.id, told.notices), (notice, notices()));
        }
    }
}

pub async fn who_has_heard_is_known_to_the_teller(store: Arc<dyn Store>) {
    let fleet = fleet(store);
    joined(&fleet, [1, 2, 3]).await;
    let [first, second] = [1, 2].map(|number| NoticeId {
        from: id(1),
        number,
    });
    assert_eq!(fleet.heard(first).await, Ok(Vec::new()));
    fleet
        .acknowledge(id(2), vec![first, second])
        .await
        .expect("the store answers");
    fleet
        .acknowledge(id(3), vec![second])
        .await
        .expect("the store answers");
    assert_eq!(fleet.heard(first).await, Ok(vec![id(2)]));
    let mut heard = fleet.heard(second).await.expect("the store answers");
    heard.sort_unstable();
    assert_eq!(heard, [id(2), id(3)]);
}

pub async fn alone_there_is_nobody_to_tell(store: Arc<dyn Store>) {
    let fleet = fleet(store);
    joined(&fleet, [1]).await;
    let notice = NoticeId {
        from: id(1),
        number: 1,
    };
    assert_eq!(fleet.tell(id(1), notice, notices()).await, Ok(Vec::new()));
}
