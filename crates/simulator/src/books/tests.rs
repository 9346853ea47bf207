use super::*;

fn push<'a>(address: &'a str, id: u128, status: u16, reason: &'a str) -> Record<'a> {
    Record {
        address,
        apns_id: Some(id),
        status,
        reason,
        ..Record::default()
    }
}

#[test]
fn totals_add_up_and_duplicates_are_accepted_twice() {
    let books = Books::new(100);
    for record in [
        push("a", 1, 200, ""),
        push("a", 2, 410, "Unregistered"),
        push("b", 1, 200, ""),
        push("b", 2, 200, ""),
    ] {
        books.record(Provider::Apns, &record);
    }
    let totals = books.totals();
    let apns = totals.of(Provider::Apns);
    assert_eq!(
        (
            apns.requests,
            apns.accepted,
            apns.duplicates,
            apns.accepted_addresses
        ),
        (4, 3, 1, 2)
    );
    assert_eq!(apns.answered(200, None), 3);
    assert_eq!(apns.answered(410, Some("Unregistered")), 1);
    let addresses = books.addresses(0, 10);
    assert_eq!(addresses.len(), 2);
    assert_eq!((addresses[0].requests, addresses[0].last_status), (2, 410));
    let second = Query {
        apns_id: Some(format_uuid(1)),
        after: Some(0),
        ..Query::default()
    };
    let found = books.requests(&second);
    assert_eq!(found.len(), 1);
    assert_eq!(
        (
            found[0].seq,
            found[0].duplicate_of_accepted,
            found[0].address.as_str()
        ),
        (2, 1, "b")
    );
    assert!(
        books
            .requests(&Query {
                apns_id: Some("nonsense".into()),
                ..Query::default()
            })
            .is_empty()
    );
}

#[test]
fn a_full_log_says_so_and_totals_go_on() {
    let books = Books::new(2);
    for id in 0..5 {
        books.record(Provider::Apns, &push("a", id, 200, ""));
    }
    let totals = books.totals();
    assert_eq!(
        (totals.logged, totals.log_full, totals.apns.accepted),
        (2, true, 5)
    );
    books.connections(Provider::Apns, |connections| connections.open = 3);
    books.reset();
    let fresh = books.totals();
    assert_eq!(
        (fresh.logged, fresh.log_full, fresh.apns.requests),
        (0, false, 0)
    );
    assert_eq!(fresh.apns.connections.open, 3);
}

#[test]
fn made_up_reasons_do_not_grow_without_end() {
    let books = Books::new(0);
    for number in 0..2000 {
        books.record(
            Provider::Fcm,
            &push("a", 1, 418, &format!("reason {number}")),
        );
    }
    let fcm = books.totals().fcm;
    assert_eq!(fcm.answered(418, None), 2000);
    assert!(fcm.answers.len() <= 513);
}

#[test]
fn uuids_round_trip() {
    let text = "123e4567-e89b-12d3-a456-42665544000a";
    assert_eq!(parse_uuid(text).map(format_uuid).as_deref(), Some(text));
    for wrong in [
        "",
        "123e4567e89b12d3a45642665544000a",
        "123e4567-e89b-12d3-a456-42665544000g",
    ] {
        assert_eq!(parse_uuid(wrong), None);
    }
}
