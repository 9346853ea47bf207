use super::*;

fn bytes(hex: &str) -> Vec<u8> {
    let hex: String = hex.split_whitespace().collect();
    (0..hex.len() / 2)
        .map(|n| u8::from_str_radix(&hex[2 * n..2 * n + 2], 16).unwrap())
        .collect()
}

fn paths(decoder: &mut Decoder, blocks: &[&str]) -> Vec<String> {
    let mut head = Head::default();
    let one = |block: &&str| {
        decoder.decode(&bytes(block), &mut head)?;
        String::from_utf8(head.path.clone()).ok()
    };
    blocks
        .iter()
        .map(one)
        .collect::<Option<Vec<String>>>()
        .unwrap()
}

/// RFC 7541, C.3 and C.4: the same requests, plain and in Huffman's code; both fill the dynamic table alike.
#[test]
fn the_rfcs_requests_are_read() {
    for blocks in [
        [
            "8286 8441 0f77 7777 2e65 7861 6d70 6c65 2e63 6f6d",
            "8286 84be 5808 6e6f 2d63 6163 6865",
            "8287 85bf 400a 6375 7374 6f6d 2d6b 6579 0c63 7573 746f 6d2d 7661 6c75 65",
        ],
        [
            "8286 8441 8cf1 e3c2 e5f2 3a6b a0ab 90f4 ff",
            "8286 84be 5886 a8eb 1064 9cbf",
            "8287 85bf 4088 25a8 49e9 5ba9 7d7f 8925 a849 e95b b8e8 b4bf",
        ],
    ] {
        let mut decoder = Decoder::default();
        assert_eq!(paths(&mut decoder, &blocks), ["/", "/", "/index.html"]);
        assert_eq!((decoder.table.len(), decoder.size), (3, 164));
    }
}

#[test]
fn an_entry_is_used_again_until_it_is_evicted() {
    let mut decoder = Decoder::default();
    let mut head = Head::default();
    // apns-id: abc, kept, then by its index.
    let kept = [&[0x40, 7], b"apns-id".as_slice(), &[3], b"abc"].concat();
    decoder.decode(&kept, &mut head).unwrap();
    decoder.decode(&[0xBE], &mut head).unwrap();
    assert_eq!(head.apns_id, b"abc");
    // The table is shut and opened again.
    decoder
        .decode(&[0x20, 0x3F, 0xE1, 0x1F, 0x84], &mut head)
        .unwrap();
    assert_eq!(
        (decoder.table.len(), decoder.size, head.apns_id.len()),
        (0, 0, 0)
    );
    assert_eq!(decoder.decode(&[0xBE], &mut head), None);
}

#[test]
fn what_is_no_block_is_refused() {
    let blocks: [&[u8]; 7] = [
        &[0x80],                                     // index 0
        &[0xBE],                                     // no such entry
        &[0x84, 0x3F, 0xE1, 0x1F],                   // a new size behind a field
        &[0x3F, 0xE2, 0x1F],                         // larger than announced
        &[0x00, 0x05, b'a'],                         // shorter than it says
        &[0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0x01], // an integer without end
        &[0x00, 0x81, 0x00, 0x00],                   // wrong padding
    ];
    for block in blocks {
        assert_eq!(
            Decoder::default().decode(block, &mut Head::default()),
            None,
            "{block:?}"
        );
    }
}

#[test]
fn any_bytes_end_well() {
    let mut state = 1_u64;
    for _ in 0..20_000 {
        let mut decoder = Decoder::default();
        let mut head = Head::default();
        let block: Vec<u8> = (0..64)
            .map(|_| {
                state = crate::rules::lot(state, 1);
                state.to_be_bytes()[0]
            })
            .collect();
        let _read = decoder.decode(&block, &mut head);
        assert!(decoder.size <= TABLE_MAX);
    }
}
