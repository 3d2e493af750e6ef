//! What a request holds, as rules see it: members of sources, as ranges over one buffer.

mod body;
mod calendar;
mod form;
mod head;
mod json;
mod multipart;
mod xml;

use std::ops::Range;

use crate::variable::{Part, Source};

pub use body::ResponseLine;
pub(crate) use body::{Body, BodyKind};
pub(crate) use calendar::calendar;
pub use head::{RequestLine, Surroundings};

/// A range of the buffer. 32 bits: all of a request that is kept is far below 4 GiB (see [`Limits`](crate::Limits)).
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Place {
    start: u32,
    end: u32,
}

/// A member of a source: a header field, an argument, or a single value (whose name is empty).
#[derive(Clone, Copy, Debug)]
pub(crate) struct Member {
    pub(crate) source: Source,
    pub(crate) name: Place,
    pub(crate) value: Place,
}

/// Everything that is known of a request so far.
#[derive(Debug)]
pub(crate) struct Store {
    buffer: Vec<u8>,
    members: Vec<Member>,
    /// The members of each source stand together.
    sources: [Range<usize>; Source::COUNT],
    args: usize,
    args_bytes: usize,
}

/// More arguments than the limit: those that follow were not kept.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct TooManyArgs;

impl Default for Store {
    fn default() -> Self {
        let sources = std::array::from_fn(|_| 0..0);
        Self {
            buffer: Vec::new(),
            members: Vec::new(),
            sources,
            args: 0,
            args_bytes: 0,
        }
    }
}

impl Store {
    /// Forgets the request, keeps the memory.
    pub(crate) fn clear(&mut self) {
        self.buffer.clear();
        self.members.clear();
        self.sources = std::array::from_fn(|_| 0..0);
        self.args = 0;
        self.args_bytes = 0;
    }

    /// The text of a place.
    pub(crate) fn text(&self, place: Place) -> &[u8] {
        self.buffer
            .get(place.start as usize..place.end as usize)
            .unwrap_or_default()
    }

    /// The text of a part of a member.
    pub(crate) fn part(&self, member: &Member, part: Part) -> &[u8] {
        self.text(match part {
            Part::Value => member.value,
            Part::Name => member.name,
        })
    }

    /// The members of a source, as indexes.
    pub(crate) fn of(&self, source: Source) -> Range<usize> {
        self.sources
            .get(source as usize)
            .cloned()
            .unwrap_or_default()
    }

    /// A member.
    pub(crate) fn member(&self, index: usize) -> Option<&Member> {
        self.members.get(index)
    }

    /// How many members there are.
    pub(crate) fn len(&self) -> usize {
        self.members.len()
    }

    /// The first value of a source, with this name if one is given.
    pub(crate) fn first(&self, source: Source, name: Option<&[u8]>) -> Option<&[u8]> {
        self.first_part(source, Part::Value, name)
    }

    /// A part of the first member of a source, with this name if one is given.
    pub(crate) fn first_part(
        &self,
        source: Source,
        part: Part,
        name: Option<&[u8]>,
    ) -> Option<&[u8]> {
        let members = self.members.get(self.of(source))?;
        let member = members
            .iter()
            .find(|m| name.is_none_or(|n| self.text(m.name).eq_ignore_ascii_case(n)))?;
        Some(self.part(member, part))
    }

    fn place(&mut self, text: &[u8]) -> Place {
        let start = self.buffer.len();
        self.buffer.extend_from_slice(text);
        self.since(start)
    }

    /// What was written to the buffer from `start` on.
    fn since(&self, start: usize) -> Place {
        let clamp = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        Place {
            start: clamp(start),
            end: clamp(self.buffer.len()),
        }
    }

    /// Adds a member. The members of a source are added one after the other.
    fn push(&mut self, source: Source, name: Place, value: Place) {
        let index = self.members.len();
        self.members.push(Member {
            source,
            name,
            value,
        });
        if let Some(range) = self.sources.get_mut(source as usize) {
            if range.start == range.end {
                *range = index..index;
            }
            range.end = index + 1;
        }
    }

    fn push_text(&mut self, source: Source, text: &[u8]) {
        let value = self.place(text);
        self.push(source, Place::default(), value);
    }

    fn push_arg(
        &mut self,
        source: Source,
        name: Place,
        value: Place,
        args_max: usize,
    ) -> Result<(), TooManyArgs> {
        if self.args >= args_max {
            return Err(TooManyArgs);
        }
        self.args += 1;
        self.args_bytes += (name.end - name.start) as usize + (value.end - value.start) as usize;
        self.push(source, name, value);
        Ok(())
    }

    /// The combined size is a single value; the body's arguments make it a new one.
    fn load_args_size(&mut self) {
        if let Some(range) = self.sources.get_mut(Source::ArgsSize as usize) {
            *range = 0..0;
        }
        self.push_text(Source::ArgsSize, self.args_bytes.to_string().as_bytes());
    }
}
