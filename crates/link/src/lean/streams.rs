//! The streams that are open, found by their id (RFC 9113, section 5.1.1).
//!
//! Ids are given in order, so those of late are in a ring that says for each where its stream is, or that it is over.
//! A stream that outlives the ring's length becomes a straggler, of which there are never more than streams.

use std::collections::VecDeque;

use super::stream::Stream;

/// The last stream id there is.
const ID_MAX: u32 = (1 << 31) - 1;

/// In the ring: no stream.
const NONE: u32 = u32::MAX;

pub(super) struct Streams<T> {
    slots: Vec<Option<Stream<T>>>,
    free: Vec<u32>,
    /// The id that the next stream gets.
    next: u32,
    /// At `id / 2` modulo its length, a power of two: the slot of that id's stream.
    ring: Box<[u32]>,
    /// Ids and slots of open streams older than the ring.
    stragglers: Vec<(u32, u32)>,
    /// Streams that either side has reset of late. Of ours the peer may have sent frames before it knew; what it sends
    /// after its own costs no more than the stream (section 5.1).
    resets: VecDeque<u32>,
    resets_max: usize,
}

/// What an id stands for.
pub(super) enum Found<'a, T> {
    Open(&'a mut Stream<T>),
    /// One of the two sides has reset it not long ago.
    Reset,
    /// It has ended otherwise, or was reset long ago.
    Closed,
    /// Nobody has opened it.
    Idle,
}

impl<T> Streams<T> {
    /// For so many streams at once, more or less.
    pub(super) fn new(most: u32) -> Self {
        let most = usize::try_from(most)
            .unwrap_or(usize::MAX)
            .clamp(64, 1 << 15);
        Streams {
            slots: Vec::new(),
            free: Vec::new(),
            next: 1,
            ring: vec![NONE; (most * 2).next_power_of_two()].into(),
            stragglers: Vec::new(),
            resets: VecDeque::new(),
            // While a reset is on its way to the peer, each stream may be opened and reset once more.
            resets_max: most * 2,
        }
    }

    /// One whose ids are nearly used up.
    #[cfg(test)]
    pub(super) fn starting_at(next: u32) -> Self {
        Streams {
            next,
            ..Streams::new(64)
        }
    }

    pub(super) fn open(&self) -> usize {
        self.slots.len() - self.free.len()
    }

    /// Whether another stream may be opened, as far as ids go.
    pub(super) fn has_ids(&self) -> bool {
        self.next <= ID_MAX
    }

    /// The id that the next stream gets.
    pub(super) fn next(&self) -> u32 {
        self.next
    }

    /// Takes a stream in, under the id that was [`Streams::next`].
    pub(super) fn insert(&mut self, stream: Stream<T>) -> u32 {
        let id = self.next;
        self.next += 2;
        let slot = match self.free.pop() {
            Some(slot) => {
                self.slots[slot as usize] = Some(stream);
                slot
            }
            None => {
                self.slots.push(Some(stream));
                u32::try_from(self.slots.len() - 1).unwrap_or(NONE)
            }
        };
        let place = self.place(id);
        let before = std::mem::replace(&mut self.ring[place], slot);
        if before != NONE {
            let length = u32::try_from(self.ring.len()).unwrap_or(u32::MAX);
            self.stragglers.push((id - 2 * length, before));
        }
        id
    }

    pub(super) fn find(&mut self, id: u32) -> Found<'_, T> {
        if id.is_multiple_of(2) || id >= self.next {
            return Found::Idle;
        }
        match self.slot(id) {
            Some(slot) => match &mut self.slots[slot as usize] {
                Some(stream) => Found::Open(stream),
                None => Found::Closed,
            },
            None if self.resets.contains(&id) => Found::Reset,
            None => Found::Closed,
        }
    }

    pub(super) fn get(&mut self, id: u32) -> Option<&mut Stream<T>> {
        match self.find(id) {
            Found::Open(stream) => Some(stream),
            _ => None,
        }
    }

    /// The stream is over.
    pub(super) fn remove(&mut self, id: u32) -> Option<Stream<T>> {
        let slot = self.slot(id)?;
        if self.is_in_ring(id) {
            let place = self.place(id);
            self.ring[place] = NONE;
        } else {
            self.stragglers.retain(|(straggler, _)| *straggler != id);
        }
        self.free.push(slot);
        self.slots[slot as usize].take()
    }

    /// Frames of this stream may still come, and are ignored.
    pub(super) fn remember_reset(&mut self, id: u32) {
        if self.resets.len() == self.resets_max {
            self.resets.pop_front();
        }
        self.resets.push_back(id);
    }

    /// How many places [`Streams::at`] knows.
    pub(super) fn places(&self) -> usize {
        self.slots.len()
    }

    /// The stream in one of the places, whatever its id.
    pub(super) fn at(&mut self, place: usize) -> Option<&mut Stream<T>> {
        self.slots.get_mut(place)?.as_mut()
    }

    fn slot(&self, id: u32) -> Option<u32> {
        if id.is_multiple_of(2) || id >= self.next {
            return None;
        }
        if self.is_in_ring(id) {
            let slot = self.ring[self.place(id)];
            return (slot != NONE).then_some(slot);
        }
        let same = |(straggler, _): &&(u32, u32)| *straggler == id;
        self.stragglers.iter().find(same).map(|(_, slot)| *slot)
    }

    fn is_in_ring(&self, id: u32) -> bool {
        ((self.next - id) / 2) as usize <= self.ring.len()
    }

    fn place(&self, id: u32) -> usize {
        (id / 2) as usize & (self.ring.len() - 1)
    }
}
