//! The nodes' addresses in what they say, replaced by the proxy's.

use std::net::Ipv4Addr;

/// An address in a row or an event: its length, and it. In a row the length has three more bytes, before this one.
type Pattern = [u8; 5];

/// Which addresses become which.
pub(super) struct Replaced(Vec<(Pattern, [u8; 4])>);

impl Replaced {
    pub(super) fn new(addresses: impl Iterator<Item = (Ipv4Addr, Ipv4Addr)>) -> Replaced {
        let pattern = |(node, own): (Ipv4Addr, Ipv4Addr)| {
            let [a, b, c, d] = node.octets();
            ([4, a, b, c, d], own.octets())
        };
        Replaced(addresses.map(pattern).collect())
    }

    /// Replaces them in the body of a message. That other data have these five bytes is as good as impossible: the address
    /// of a cluster is drawn for it.
    pub(super) fn replace(&self, body: &mut [u8]) {
        let mut at = 0;
        while let Some(found) = body[at..].iter().position(|byte| *byte == 4) {
            at += found + 1;
            let here = &mut body[at - 1..];
            let fits = |(pattern, _): &&(Pattern, [u8; 4])| here.starts_with(pattern);
            if let Some((_, own)) = self.0.iter().find(fits) {
                here[1..5].copy_from_slice(own);
                at += own.len();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Replaced;

    #[test]
    fn nodes_become_the_proxy_and_nothing_else_changes() {
        let pairs = [
            ([127, 70, 4, 1], [127, 99, 4, 1]),
            ([127, 70, 4, 2], [127, 99, 4, 2]),
        ];
        let replaced = Replaced::new(
            pairs
                .map(|(node, own)| (node.into(), own.into()))
                .into_iter(),
        );
        let mut body = [
            0, 0, 0, 4, 127, 70, 4, 1, // a row's column
            4, 4, 127, 70, 4, 2, 0, 0, 35, 82, // an event
            4, 127, 70, 4, 3, // another node
            127, 70, 4, 1, 4, 127, 70, 4, // no length before it; cut short
        ];
        let mut expected = body;
        expected[5] = 99;
        expected[11] = 99;
        replaced.replace(&mut body);
        assert_eq!(body, expected);
    }
}
