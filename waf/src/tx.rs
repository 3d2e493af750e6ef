//! The collection TX of one transaction: what rules remember for one another.

use std::borrow::Cow;

use crate::program::Program;

#[derive(Debug, Default)]
struct Slot {
    set: bool,
    text: Vec<u8>,
}

/// Members in the slots that the program gave their names, and those whose names were computed.
#[derive(Debug, Default)]
pub(crate) struct Tx {
    slots: Vec<Slot>,
    computed: Vec<(Vec<u8>, Vec<u8>)>,
    bytes: usize,
}

impl Tx {
    /// As it is before the first rule.
    pub(crate) fn reset(&mut self, program: &Program) {
        self.slots
            .resize_with(program.tx_names.len(), Slot::default);
        self.slots.iter_mut().for_each(|s| s.set = false);
        self.computed.clear();
        self.bytes = 0;
        for (slot, text) in &program.tx_initial {
            self.set(*slot, text, usize::MAX);
        }
    }

    /// A member.
    pub(crate) fn get(&self, slot: usize) -> Option<&[u8]> {
        self.slots
            .get(slot)
            .filter(|s| s.set)
            .map(|s| s.text.as_slice())
    }

    /// Takes the members without a slot, names and texts, to be [given back](Self::give_computed).
    pub(crate) fn take_computed(&mut self) -> Vec<(Vec<u8>, Vec<u8>)> {
        std::mem::take(&mut self.computed)
    }

    /// Gives back what was taken.
    pub(crate) fn give_computed(&mut self, computed: Vec<(Vec<u8>, Vec<u8>)>) {
        self.computed = computed;
    }

    /// Sets a member, unless all that was ever set is more than `bytes_max`.
    pub(crate) fn set(&mut self, slot: usize, text: &[u8], bytes_max: usize) {
        self.bytes = self.bytes.saturating_add(text.len());
        if let Some(slot) = self.slots.get_mut(slot).filter(|_| self.bytes <= bytes_max) {
            slot.set = true;
            slot.text.clear();
            slot.text.extend_from_slice(text);
        }
    }

    /// Removes a member.
    pub(crate) fn unset(&mut self, slot: usize) {
        if let Some(slot) = self.slots.get_mut(slot) {
            slot.set = false;
        }
    }

    /// A member by its name in lower case.
    pub(crate) fn get_named<'a>(&'a self, program: &Program, name: &[u8]) -> Option<&'a [u8]> {
        match slot_of(program, name) {
            Some(slot) => self.get(slot),
            None => self
                .computed
                .iter()
                .find(|(n, _)| n == name)
                .map(|(_, text)| text.as_slice()),
        }
    }

    /// Sets a member by its name in lower case, or removes it.
    pub(crate) fn set_named(
        &mut self,
        program: &Program,
        name: &[u8],
        text: Option<&[u8]>,
        bytes_max: usize,
    ) {
        match (slot_of(program, name), text) {
            (Some(slot), Some(text)) => self.set(slot, text, bytes_max),
            (Some(slot), None) => self.unset(slot),
            (None, text) => {
                self.computed.retain(|(n, _)| n != name);
                self.bytes = self
                    .bytes
                    .saturating_add(name.len() + text.map_or(0, <[u8]>::len));
                if let Some(text) = text.filter(|_| self.bytes <= bytes_max) {
                    self.computed.push((name.to_vec(), text.to_vec()));
                }
            }
        }
    }
}

fn slot_of(program: &Program, name: &[u8]) -> Option<usize> {
    std::str::from_utf8(name)
        .ok()
        .and_then(|name| program.tx_slots.get(name))
        .copied()
}

/// The number a text begins with, as C's atoi reads it; 0 if none.
pub(crate) fn number(text: &[u8]) -> i64 {
    let text = text.trim_ascii_start();
    let (negative, digits) = match text.split_first() {
        Some((b'-', rest)) => (true, rest),
        Some((b'+', rest)) => (false, rest),
        _ => (false, text),
    };
    let value = digits
        .iter()
        .take_while(|b| b.is_ascii_digit())
        .fold(0i64, |value, b| {
            value.saturating_mul(10).saturating_add(i64::from(b - b'0'))
        });
    if negative { -value } else { value }
}

/// A text for people: what is no UTF-8 is replaced.
pub(crate) fn lossy(text: &[u8]) -> Cow<'_, str> {
    String::from_utf8_lossy(text)
}

#[cfg(test)]
mod tests {
    use super::number;

    #[test]
    fn numbers_are_read_as_far_as_they_go() {
        assert_eq!(
            [
                number(b" 12x"),
                number(b"-3"),
                number(b"+4"),
                number(b"x"),
                number(b"")
            ],
            [12, -3, 4, 0, 0]
        );
        assert_eq!(number(b"99999999999999999999"), i64::MAX);
    }
}
