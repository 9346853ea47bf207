//! Seeded mutations of a corpus, for runs without a fuzzer: the same seed makes the same inputs.

/// Longest input made.
const INPUT_BYTES_MAX: usize = 8 << 10;

/// Pieces that readers of text and JSON trip over.
const PIECES: &[&[u8]] = &[
    b"\0",
    b"\xff",
    b"\xc3\x28",
    b"\xed\xa0\x80",
    b"\r\n",
    b"\n\n",
    b"\"",
    b"\\",
    b"\\u0000",
    b"\\ud800",
    b"{",
    b"}",
    b"[",
    b"]",
    b"[[[[[[[[",
    b"{\"a\":",
    b":",
    b",",
    b"null",
    b"true",
    b"-0",
    b"1e999",
    b"NaN",
    b"18446744073709551616",
    b"-1",
    b"0.1",
    b"{{",
    b"}}",
    b"{{name}}",
    b"=",
    b";",
    b".",
    b"..",
    b"%00",
    "\u{202e}".as_bytes(),
    "\u{feff}".as_bytes(),
    "\u{ff41}".as_bytes(),
    "\u{1f9d1}\u{200d}".as_bytes(),
];

/// A source of mutated inputs.
#[derive(Clone, Debug)]
pub struct Mutator {
    state: u64,
}

impl Mutator {
    pub fn new(seed: u64) -> Self {
        Mutator { state: seed }
    }

    /// An input made from one or two of the corpus.
    pub fn input(&mut self, corpus: &[Vec<u8>]) -> Vec<u8> {
        let mut input = self.one_of(corpus).clone();
        for _ in 0..=self.below(4) {
            self.change(&mut input, corpus);
        }
        input.truncate(INPUT_BYTES_MAX);
        input
    }

    fn change(&mut self, input: &mut Vec<u8>, corpus: &[Vec<u8>]) {
        let at = self.below(input.len() + 1);
        match self.below(6) {
            0 if at < input.len() => input[at] ^= 1 << self.below(8),
            1 => self.insert(input, at),
            2 => drop(self.cut(input, at)),
            3 => {
                let piece = self.cut(&mut input.clone(), at);
                let times = 1 + self.below(8);
                input.splice(at..at, piece.repeat(times));
            }
            4 => {
                let other = self.one_of(corpus);
                let from = self.below(other.len() + 1);
                input.truncate(at);
                input.extend_from_slice(&other[from..]);
            }
            _ => {
                drop(self.cut(input, at));
                self.insert(input, at.min(input.len()));
            }
        }
    }

    fn insert(&mut self, input: &mut Vec<u8>, at: usize) {
        let piece = PIECES[self.below(PIECES.len())];
        input.splice(at..at, piece.iter().copied());
    }

    /// Takes up to 16 bytes out.
    fn cut(&mut self, input: &mut Vec<u8>, at: usize) -> Vec<u8> {
        let end = (at + 1 + self.below(16)).min(input.len());
        input.drain(at.min(end)..end).collect()
    }

    fn one_of<'c>(&mut self, corpus: &'c [Vec<u8>]) -> &'c Vec<u8> {
        &corpus[self.below(corpus.len())]
    }

    fn below(&mut self, end: usize) -> usize {
        (self.next() % end as u64) as usize
    }

    /// SplitMix64 (Steele, Lea, Flood 2014).
    fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }
}
