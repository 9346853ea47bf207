//! Reading server-sent events (WHATWG HTML, "Server-sent events", interpretation of an event stream).

/// One event of a stream.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Event {
    /// `message` when the stream gives no name.
    pub(super) name: String,
    pub(super) data: String,
    /// The newest `id` of the stream when this event came.
    pub(super) id: String,
}

/// Longest line, and longest data of one event; a stream that exceeds it is not ours.
const BYTES_MAX: usize = 1 << 20;

/// A stream that cannot be events.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the gateway's events are larger than {BYTES_MAX} bytes")]
pub(super) struct TooLarge;

/// What has come of a stream and is not yet an event.
#[derive(Debug, Default)]
pub(super) struct Reader {
    line: Vec<u8>,
    /// The last byte was a carriage return, which a line feed may follow.
    after_return: bool,
    name: String,
    data: String,
    id: String,
}

impl Reader {
    /// Takes what came, and gives the events that are complete by it.
    pub(super) fn push(&mut self, bytes: &[u8]) -> Result<Vec<Event>, TooLarge> {
        let mut events = Vec::new();
        for byte in bytes {
            let is_end_before = std::mem::take(&mut self.after_return);
            match byte {
                b'\n' if is_end_before => {}
                b'\n' | b'\r' => {
                    self.after_return = *byte == b'\r';
                    let line = std::mem::take(&mut self.line);
                    events.extend(self.line(&String::from_utf8_lossy(&line)));
                }
                byte => self.line.push(*byte),
            }
            if self.line.len() + self.data.len() > BYTES_MAX {
                return Err(TooLarge);
            }
        }
        Ok(events)
    }

    fn line(&mut self, line: &str) -> Option<Event> {
        if line.is_empty() {
            return self.dispatch();
        }
        let (field, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "event" => value.clone_into(&mut self.name),
            "data" => {
                self.data.push_str(value);
                self.data.push('\n');
            }
            "id" if !value.contains('\0') => value.clone_into(&mut self.id),
            // Comments (no name before the colon) keep a stream alive; the rest is of no use here.
            _ => {}
        }
        None
    }

    fn dispatch(&mut self) -> Option<Event> {
        let (name, mut data) = (
            std::mem::take(&mut self.name),
            std::mem::take(&mut self.data),
        );
        // Without data it is no event.
        data.pop()?;
        Some(Event {
            name: if name.is_empty() {
                "message".to_owned()
            } else {
                name
            },
            data,
            id: self.id.clone(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(name: &str, data: &str, id: &str) -> Event {
        Event {
            name: name.to_owned(),
            data: data.to_owned(),
            id: id.to_owned(),
        }
    }

    #[test]
    fn events_come_whole_however_they_are_cut() {
        let stream = ": hello\n\nevent: state\nid: 3\ndata: {\"a\": 1}\n\nevent:progress\r\ndata:x\r\ndata: y\r\n\r\ndata: z\rid: 4\r\rdata: last";
        let expected = [
            event("state", "{\"a\": 1}", "3"),
            event("progress", "x\ny", "3"),
            event("message", "z", "4"),
        ];
        for size in 1..stream.len() {
            let mut reader = Reader::default();
            let mut events = Vec::new();
            for part in stream.as_bytes().chunks(size) {
                events.extend(reader.push(part).unwrap());
            }
            assert_eq!(events, expected, "in parts of {size}");
        }
    }

    #[test]
    fn an_endless_line_is_given_up() {
        let mut reader = Reader::default();
        assert_eq!(reader.push(&vec![b'x'; BYTES_MAX + 1]), Err(TooLarge));
        let mut reader = Reader::default();
        let line = [b"data: ".as_slice(), &[b'x'; 1000], b"\n"].concat();
        let pushed = (0..2000).try_for_each(|_| reader.push(&line).map(drop));
        assert_eq!(pushed, Err(TooLarge));
    }
}
