//! A row comes back as it was, and a damaged one is refused.

use super::*;
use crate::contract::fixtures::{device, full_device};

fn columns(body: Vec<u8>) -> Columns {
    Columns {
        id: full_device().id.0.0.to_vec(),
        body: Some(body),
        facts: None,
        times: (Some(7), None),
    }
}

#[test]
fn a_row_comes_back_as_it_was() {
    for device in [full_device(), device(1, "bob", "")] {
        let key = device.address.key(None);
        let mut columns = columns(pack(&device, &key));
        columns.id = device.id.0.0.to_vec();
        let row = Row::read(&device.app, &device.user, columns).expect("it is sound");
        let expected = Row {
            device,
            key,
            at: 7,
            facts_at: 7,
        };
        assert_eq!(row, Some(expected));
    }
}

#[test]
fn a_row_without_a_body_is_none() {
    let device = full_device();
    let mut ghost = columns(Vec::new());
    ghost.body = None;
    ghost.facts = Some(vec![1, 2, 3]);
    let row = Row::read(&device.app, &device.user, ghost).expect("it is passed over");
    assert_eq!(row, None);
}

#[test]
fn a_damaged_row_is_refused() {
    let device = full_device();
    let body = pack(&device, &device.address.key(None));
    let read = |body: &[u8]| Row::read(&device.app, &device.user, columns(body.to_vec()));
    for cut in 0..body.len() {
        assert!(read(&body[..cut]).is_err(), "cut at {cut}");
    }
    assert!(
        read(&[&body[..], &[0]].concat()).is_err(),
        "more than a row"
    );
    assert!(read(&[&[VERSION + 1], &body[1..]].concat()).is_err());
}

#[test]
fn of_two_rows_with_one_key_the_later_registered_counts() {
    let keyed = |number, registered_at, key: &str| {
        let device = Device {
            device_key: Some(key.to_owned()),
            registered_at: Timestamp(registered_at),
            ..device(number, "ada", "t")
        };
        Row {
            key: device.address.key(None),
            device,
            at: 0,
            facts_at: 0,
        }
    };
    let own = [
        keyed(1, 9, "one"),
        keyed(2, 5, "one"),
        keyed(3, 5, "two"),
        keyed(4, 5, "two"),
        keyed(5, 1, "three"),
    ];
    let counting: Vec<bool> = own.iter().map(|row| counts(&row.device, &own)).collect();
    assert_eq!(counting, [true, false, false, true, true]);
}
