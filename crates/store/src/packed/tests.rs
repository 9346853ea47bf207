//! Packed columns come back as they were, and damaged ones are refused.

use fanfare_types::{Outcome, Reason, Timestamp};
use proptest::prelude::*;

use super::*;

fn any_variables() -> impl Strategy<Value = Option<Variables>> {
    let pairs = proptest::collection::btree_map("\\PC{0,12}", "\\PC{0,40}", 0..4);
    proptest::option::of(pairs.prop_map(|pairs| {
        let mut variables = Variables::new();
        variables.extend(pairs);
        variables
    }))
}

fn any_recipients() -> impl Strategy<Value = Vec<Recipient>> {
    let user = proptest::option::of("[^\\p{Cc}]{1,32}");
    let device = proptest::option::of(any::<[u8; 12]>());
    let channel = proptest::option::of(proptest::sample::select(Channel::ALL));
    let row = (user, device, channel, any_variables(), 1..3_usize);
    proptest::collection::vec(row, 0..20).prop_map(|rows| {
        let many = |(user, device, channel, variables, devices): (Option<String>, _, _, _, _)| {
            let to = Recipient {
                user: user.map(|user| UserId::new(&user).expect("a user id")),
                device: Option::map(device, |id| DeviceId(Id96(id))),
                channel,
                variables: Option::map(variables, Arc::new),
            };
            vec![to; devices]
        };
        rows.into_iter().flat_map(many).collect()
    })
}

fn any_rows() -> impl Strategy<Value = Vec<UploadRow>> {
    let to = prop_oneof![
        "[^\\p{Cc}]{1,32}".prop_map(|user| Named::User(UserId::new(&user).expect("a user id"))),
        any::<[u8; 12]>().prop_map(|id| Named::Device(DeviceId(Id96(id)))),
    ];
    let row = (to, any_variables()).prop_map(|(to, variables)| UploadRow {
        to,
        variables: variables.map(Arc::new),
    });
    proptest::collection::vec(row, 0..20)
}

fn rows_from(blob: &[u8], start: u32) -> Option<Vec<UploadRow>> {
    let mut rows = Vec::new();
    visit_rows(blob, start, |raw| {
        rows.push(raw.row()?);
        Some(ControlFlow::Continue(()))
    })?;
    Some(rows)
}

fn ended(ordinal: u32) -> Ended {
    Ended {
        ordinal,
        outcome: Outcome::Dead,
        reason: Reason::of("Unregistered"),
        attempts: 1,
        at: Timestamp(5),
    }
}

proptest! {
    #[test]
    fn any_recipients_come_back(recipients in any_recipients()) {
        let blob = pack_recipients(recipients.iter());
        let back = unpack_recipients(&blob);
        prop_assert_eq!(back.as_ref(), Some(&recipients));
        let odd: Vec<u32> = (0..recipients.len() as u32).filter(|at| at % 2 == 1).collect();
        let expected: Vec<_> = odd.iter().map(|at| Recipient {
            variables: None,
            ..recipients[*at as usize].clone()
        }).collect();
        prop_assert_eq!(recipients_at(&blob, &odd), Some(expected));
        prop_assert_eq!(recipients_at(&blob, &[recipients.len() as u32]), None);
    }

    #[test]
    fn any_rows_come_back(rows in any_rows(), start in 0..25_u32) {
        let blob = pack_rows(&rows);
        let from = rows.get(start as usize..).unwrap_or_default().to_vec();
        prop_assert_eq!(rows_from(&blob, start), Some(from));
    }

    #[test]
    fn any_exceptions_come_back(recipients in any_recipients()) {
        let ended: Vec<_> = (0..recipients.len() as u32).map(|at| ended(at * 3)).collect();
        let blob = pack_exceptions(&ended.iter().collect::<Vec<_>>(), &recipients);
        let expected: Vec<_> = recipients.into_iter().zip(ended).collect();
        prop_assert_eq!(unpack_exceptions(&blob), Some(expected));
    }

    #[test]
    fn no_blob_makes_it_panic(blob in proptest::collection::vec(any::<u8>(), 0..200), start: u32) {
        let _ = unpack_exceptions(&blob);
        let _ = recipients_at(&blob, &[0, 3, 7]);
        let _ = rows_from(&blob, start);
        if let Some(recipients) = unpack_recipients(&blob) {
            prop_assert!(recipients.len() <= blob.len(), "no more than bytes");
        }
    }
}

#[test]
fn a_rows_devices_share_its_variables() {
    let mut to = Recipient {
        user: Some(UserId::new("ada").unwrap()),
        device: None,
        channel: None,
        variables: Some(Arc::new(Variables::new())),
    };
    let one = to.clone();
    to.device = Some(DeviceId::new(Timestamp(1), 1));
    let recipients = [one, to];
    let back = unpack_recipients(&pack_recipients(recipients.iter())).unwrap();
    let [Some(left), Some(right)] = [0, 1].map(|at: usize| back[at].variables.clone()) else {
        panic!("both have variables");
    };
    assert!(Arc::ptr_eq(&left, &right));
}

#[test]
fn what_is_cut_short_is_refused() {
    let to = Recipient {
        user: Some(UserId::new("ada").unwrap()),
        device: Some(DeviceId::new(Timestamp(1), 1)),
        channel: Some(Channel::Fcm),
        variables: Some(Arc::new([("k".to_owned(), "v".to_owned())].into())),
    };
    let row = UploadRow {
        to: Named::Device(DeviceId::new(Timestamp(1), 1)),
        variables: to.variables.clone(),
    };
    let (recipients, rows) = (pack_recipients([to.clone()].iter()), pack_rows(&[row]));
    let exceptions = pack_exceptions(&[&ended(3)], &[to]);
    for cut in 0..recipients.len() {
        assert!(unpack_recipients(&recipients[..cut]).is_none());
    }
    for cut in 0..rows.len() {
        assert!(rows_from(&rows[..cut], 0).is_none());
    }
    for cut in 0..exceptions.len() {
        assert!(unpack_exceptions(&exceptions[..cut]).is_none());
    }
}
