//! Forms: a message rendered once for many recipients, with blanks where each has values of its own.
//!
//! A form comes from the same renderer as any payload: it is given marks for texts, and what comes out is cut at them.
//! So a filled form is byte for byte what rendering anew would make of it.

use std::fmt;
use std::ops::Range;

use fanfare_types::Message;

use crate::content::Unsendable;
use crate::template::{FILLED_BYTES_MAX, Part, Template, Unfilled, Values};

/// Begins every mark: a character that is for private use, so that few messages hold it.
const MARK: char = '\u{10fffd}';

/// Marks for the texts of one message, in the order in which they are filled.
pub(crate) struct Marks {
    /// In no text of the message.
    prefix: String,
    texts: Vec<Template>,
    /// Whether the click action will be an address, should it not be known yet.
    pub(crate) is_link: bool,
}

/// What has to be known of a recipient.
#[derive(Default)]
pub(crate) struct Form {
    marks: Option<Marks>,
    names: Vec<Box<str>>,
    /// The pieces of each text, for its bounds.
    texts: Vec<Vec<Piece>>,
}

#[derive(Clone, Copy)]
enum Piece {
    Fixed(usize),
    Variable(usize),
}

/// A rendered text, cut at its blanks.
pub(crate) struct Cut {
    fixed: String,
    parts: Vec<(Range<usize>, Option<usize>)>,
    /// Whether values stand in JSON strings.
    is_json: bool,
}

/// The values of one recipient; kept only for its allocations.
#[derive(Default)]
pub(crate) struct Looked {
    escaped: Vec<u8>,
    /// By variable: its length, and where it is as JSON has it.
    values: Vec<Option<(usize, Range<usize>)>>,
}

impl fmt::Debug for Looked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Looked({})", self.values.len())
    }
}

impl Marks {
    pub(crate) fn new(message: &Message, is_link: bool) -> Result<Self, Unsendable> {
        let json = serde_json::to_string(message).map_err(|_| Unsendable::Unwritable("message"))?;
        // More of them than any rendering of the message has in a row: no text is in one more than four times. Begun
        // by another character, so that a mark is not found too early after one of them.
        let others = json.matches(MARK).count();
        let mut prefix = MARK.to_string().repeat(4 * others + 1);
        prefix.insert(0, '{');
        Ok(Marks {
            prefix,
            texts: Vec::new(),
            is_link,
        })
    }

    /// What stands for this text.
    pub(crate) fn add(&mut self, text: Template) -> String {
        self.texts.push(text);
        format!("{}{}}}", self.prefix, self.texts.len() - 1)
    }

    pub(crate) fn is_in(&self, text: &str) -> bool {
        text.contains(&self.prefix)
    }
}

impl Form {
    /// Of a renderer's marks; without any, nothing is left to fill.
    pub(crate) fn new(marks: Option<Marks>) -> Self {
        let mut form = Form::default();
        for text in marks.iter().flat_map(|marks| &marks.texts) {
            let pieces = text.parts().iter().map(|part| match part {
                Part::Text(text) => Piece::Fixed(text.len()),
                Part::Variable(name) => Piece::Variable(place(&mut form.names, name)),
            });
            let pieces = pieces.collect();
            form.texts.push(pieces);
        }
        form.marks = marks;
        form
    }

    /// A rendered JSON text (or, without `is_json`, one whose length alone counts), cut at its marks.
    pub(crate) fn cut(&mut self, text: &str, is_json: bool) -> Cut {
        let mut cut = Cut {
            fixed: String::with_capacity(text.len()),
            parts: Vec::new(),
            is_json,
        };
        let Some(marks) = &self.marks else {
            cut.fixed.push_str(text);
            cut.end_part(0, None);
            return cut;
        };
        let (mut rest, mut from) = (text, 0);
        while let Some((before, after)) = rest.split_once(&marks.prefix) {
            cut.fixed.push_str(before);
            let (index, after) = after.split_once('}').unwrap_or_default();
            let text = index.parse().ok().and_then(|at: usize| marks.texts.get(at));
            for part in text.iter().flat_map(|text| text.parts()) {
                match part {
                    Part::Text(text) => cut.push_text(text),
                    Part::Variable(name) => {
                        from = cut.end_part(from, Some(place(&mut self.names, name)));
                    }
                }
            }
            rest = after;
        }
        cut.fixed.push_str(rest);
        cut.end_part(from, None);
        cut
    }

    /// Looks the values up, within the same bounds as [`crate::template::Filler`] keeps.
    pub(crate) fn look_up(&self, values: Values<'_>, looked: &mut Looked) -> Result<(), Unfilled> {
        looked.escaped.clear();
        looked.values.clear();
        for name in &self.names {
            let value = values.get(name);
            looked.values.push(value.map(|value| {
                let from = looked.escaped.len();
                escape(value, &mut looked.escaped);
                (value.len(), from..looked.escaped.len())
            }));
        }
        let mut left = FILLED_BYTES_MAX;
        for text in &self.texts {
            let mut filled = 0;
            for piece in text {
                filled += match *piece {
                    Piece::Fixed(bytes) => bytes,
                    Piece::Variable(at) => match &looked.values[at] {
                        Some((bytes, _)) => *bytes,
                        None => return Err(Unfilled::Missing(self.names[at].to_string())),
                    },
                };
                if filled > FILLED_BYTES_MAX {
                    return Err(Unfilled::TooLong);
                }
            }
            left = left.checked_sub(filled).ok_or(Unfilled::TooLong)?;
        }
        Ok(())
    }
}

impl Cut {
    /// Its length with these values.
    pub(crate) fn len(&self, looked: &Looked) -> usize {
        let blanks = self.parts.iter().filter_map(|(_, blank)| *blank);
        let bytes = |blank: usize| match &looked.values[blank] {
            Some((_, escaped)) if self.is_json => escaped.len(),
            Some((bytes, _)) => *bytes,
            None => 0,
        };
        self.fixed.len() + blanks.map(bytes).sum::<usize>()
    }

    /// Appends it with these values filled in.
    pub(crate) fn write(&self, looked: &Looked, body: &mut Vec<u8>) {
        for (fixed, blank) in &self.parts {
            body.extend_from_slice(&self.fixed.as_bytes()[fixed.clone()]);
            if let Some(blank) = blank
                && let Some((_, escaped)) = &looked.values[*blank]
            {
                body.extend_from_slice(&looked.escaped[escaped.clone()]);
            }
        }
    }

    fn push_text(&mut self, text: &str) {
        if !self.is_json {
            return self.fixed.push_str(text);
        }
        let mut escaped = Vec::with_capacity(text.len());
        escape(text, &mut escaped);
        self.fixed.push_str(&String::from_utf8_lossy(&escaped));
    }

    /// What was pushed since `from` is a part; returns where the next one begins.
    fn end_part(&mut self, from: usize, blank: Option<usize>) -> usize {
        let end = self.fixed.len();
        self.parts.push((from..end, blank));
        end
    }
}

/// As a JSON string has it, without its quotes.
fn escape(text: &str, into: &mut Vec<u8>) {
    let is_plain = |b: u8| b >= b' ' && b != b'"' && b != b'\\';
    if text.bytes().all(is_plain) {
        return into.extend_from_slice(text.as_bytes());
    }
    let quoted = serde_json::Value::from(text).to_string();
    into.extend_from_slice(&quoted.as_bytes()[1..quoted.len() - 1]);
}

fn place(names: &mut Vec<Box<str>>, name: &str) -> usize {
    match names.iter().position(|known| **known == *name) {
        Some(at) => at,
        None => {
            names.push(name.into());
            names.len() - 1
        }
    }
}
