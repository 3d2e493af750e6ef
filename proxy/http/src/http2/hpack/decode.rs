//! Decoding of field blocks.

use super::{
    TABLE_BYTES, huffman, integer,
    table::{Dynamic, Entry},
};
use thiserror::Error;

/// Why a block cannot be decoded. What came before it is known, what comes after it never will be: the connection ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum HpackError {
    /// It ends within a field.
    #[error("a field block ends within a field")]
    Truncated,
    /// An integer does not fit.
    #[error("an integer of a field block is too large")]
    Integer,
    /// A text is no code of Huffman's, or is not padded as it must be.
    #[error("a text of a field block is no code of Huffman's")]
    Huffman,
    /// An index names no entry.
    #[error("an index of a field block names nothing")]
    Index,
    /// The table is made larger than allowed, or its size is changed behind a field (RFC 7541 §4.2).
    #[error("a field block changes the table's size where or as it must not")]
    TableSize,
    /// The sink takes no more.
    #[error("a field block lists more than is ever taken")]
    TooMuch,
}

/// What takes fields one by one.
pub trait Sink {
    /// A field. `listed` says that its name is of the static table: a token in lower case or a pseudo-header field. False ends
    /// the decoding.
    fn field(&mut self, name: &[u8], value: &[u8], listed: bool) -> bool;
}

/// The decoder of one connection.
pub struct Decoder {
    table: Dynamic,
    /// Where Huffman's code is undone: a name and a value.
    scratch: Vec<u8>,
}

impl Default for Decoder {
    fn default() -> Self {
        Self::new()
    }
}

/// Capacity of the scratch that is kept.
const KEPT_BYTES: usize = 4096;

/// A text: of the block as it stands, or of the scratch.
enum Text {
    Block(usize, usize),
    Scratch(usize, usize),
}

impl Text {
    fn of<'a>(&self, block: &'a [u8], scratch: &'a [u8]) -> &'a [u8] {
        match *self {
            Text::Block(start, end) => block.get(start..end),
            Text::Scratch(start, end) => scratch.get(start..end),
        }
        .unwrap_or_default()
    }
}

impl Decoder {
    /// With an empty table.
    pub fn new() -> Self {
        Self {
            table: Dynamic::new(),
            scratch: Vec::new(),
        }
    }

    /// Decodes a whole block.
    ///
    /// # Errors
    /// The block is invalid, or the sink has had enough: the decoder is of no use any more.
    pub fn decode(&mut self, block: &[u8], sink: &mut impl Sink) -> Result<(), HpackError> {
        let mut at = 0;
        let mut begun = false;
        while let Some(&first) = block.get(at) {
            let goes_on = match first {
                // RFC 7541 §6.1: an indexed field.
                0x80.. => {
                    let index = integer::read(block, &mut at, 7)?;
                    let (name, value) = self.table.get(index).ok_or(HpackError::Index)?;
                    sink.field(name, value, Dynamic::is_static(index))
                }
                // §6.2.1: a literal that enters the table.
                0x40.. => self.literal(block, &mut at, 6, true, sink)?,
                // §6.3: a new size of the table, before all fields.
                0x20.. => {
                    let size = integer::read(block, &mut at, 5)?;
                    if begun || size > TABLE_BYTES {
                        return Err(HpackError::TableSize);
                    }
                    self.table.resize(size);
                    continue;
                }
                // §6.2.2, §6.2.3: a literal that does not, or never may.
                _ => self.literal(block, &mut at, 4, false, sink)?,
            };
            if !goes_on {
                return Err(HpackError::TooMuch);
            }
            begun = true;
        }
        if self.scratch.capacity() > KEPT_BYTES {
            self.scratch = Vec::new();
        }
        Ok(())
    }

    fn literal(
        &mut self,
        block: &[u8],
        at: &mut usize,
        bits: u32,
        enters: bool,
        sink: &mut impl Sink,
    ) -> Result<bool, HpackError> {
        let Self { table, scratch } = self;
        scratch.clear();
        let index = integer::read(block, at, bits)?;
        let name = match index {
            0 => Some(text(block, at, scratch)?),
            _ => None,
        };
        let value = text(block, at, scratch)?;
        let (name, listed) = match &name {
            Some(name) => (name.of(block, scratch), false),
            None => {
                let (name, _) = table.get(index).ok_or(HpackError::Index)?;
                (name, Dynamic::is_static(index))
            }
        };
        let value = value.of(block, scratch);
        let goes_on = sink.field(name, value, listed);
        if enters {
            let entry = Entry::new(name, value);
            table.insert(entry);
        }
        Ok(goes_on)
    }
}

/// A text (RFC 7541 §5.2).
fn text(block: &[u8], at: &mut usize, scratch: &mut Vec<u8>) -> Result<Text, HpackError> {
    let coded = block.get(*at).is_some_and(|first| first & 0x80 != 0);
    let length = integer::read(block, at, 7)?;
    let start = *at;
    let end = start.checked_add(length).ok_or(HpackError::Truncated)?;
    let raw = block.get(start..end).ok_or(HpackError::Truncated)?;
    *at = end;
    if !coded {
        return Ok(Text::Block(start, end));
    }
    let before = scratch.len();
    huffman::decode(raw, scratch)?;
    Ok(Text::Scratch(before, scratch.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Default)]
    struct List(String);

    impl Sink for List {
        fn field(&mut self, name: &[u8], value: &[u8], _: bool) -> bool {
            let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
            self.0 += &format!("{}={}\n", text(name), text(value));
            true
        }
    }

    fn hex(text: &str) -> Vec<u8> {
        let digits: Vec<u8> = text.bytes().filter(|b| !b.is_ascii_whitespace()).collect();
        let digit = |d: u8| (d as char).to_digit(16).unwrap() as u8;
        digits
            .chunks(2)
            .map(|two| digit(two[0]) << 4 | digit(two[1]))
            .collect()
    }

    /// Blocks of one connection, what they say, and the size of the table behind each.
    fn says(blocks: &[(&str, &str, usize)]) {
        let mut decoder = Decoder::new();
        for (block, fields, size) in blocks {
            let mut list = List::default();
            decoder.decode(&hex(block), &mut list).unwrap();
            assert_eq!(&list.0, fields);
            assert_eq!(decoder.table.size(), *size);
        }
    }

    const FIRST: &str = ":method=GET\n:scheme=http\n:path=/\n:authority=www.example.com\n";
    const SECOND: &str =
        ":method=GET\n:scheme=http\n:path=/\n:authority=www.example.com\ncache-control=no-cache\n";
    const THIRD: &str = ":method=GET\n:scheme=https\n:path=/index.html\n:authority=www.example.com\ncustom-key=custom-value\n";

    #[test]
    fn literals_of_the_rfc_are_read() {
        // RFC 7541 appendix C.2.
        let custom = "400a 6375 7374 6f6d 2d6b 6579 0d63 7573 746f 6d2d 6865 6164 6572";
        says(&[(custom, "custom-key=custom-header\n", 55)]);
        says(&[(
            "040c 2f73 616d 706c 652f 7061 7468",
            ":path=/sample/path\n",
            0,
        )]);
        says(&[(
            "1008 7061 7373 776f 7264 0673 6563 7265 74",
            "password=secret\n",
            0,
        )]);
        says(&[("82", ":method=GET\n", 0)]);
    }

    #[test]
    fn requests_of_the_rfc_are_read_plain_and_coded() {
        // RFC 7541 appendix C.3, C.4.
        says(&[
            (
                "8286 8441 0f77 7777 2e65 7861 6d70 6c65 2e63 6f6d",
                FIRST,
                57,
            ),
            ("8286 84be 5808 6e6f 2d63 6163 6865", SECOND, 110),
            (
                "8287 85bf 400a 6375 7374 6f6d 2d6b 6579 0c63 7573 746f 6d2d 7661 6c75 65",
                THIRD,
                164,
            ),
        ]);
        says(&[
            ("8286 8441 8cf1 e3c2 e5f2 3a6b a0ab 90f4 ff", FIRST, 57),
            ("8286 84be 5886 a8eb 1064 9cbf", SECOND, 110),
            (
                "8287 85bf 4088 25a8 49e9 5ba9 7d7f 8925 a849 e95b b8e8 b4bf",
                THIRD,
                164,
            ),
        ]);
    }

    #[test]
    fn a_table_forgets_its_oldest_entries() {
        // RFC 7541 appendix C.6, whose table holds 256 bytes: said by a change of the size before the first field.
        let first = ":status=302\ncache-control=private\ndate=Mon, 21 Oct 2013 20:13:21 GMT\nlocation=https://www.example.com\n";
        let second = ":status=307\ncache-control=private\ndate=Mon, 21 Oct 2013 20:13:21 GMT\nlocation=https://www.example.com\n";
        let third = ":status=200\ncache-control=private\ndate=Mon, 21 Oct 2013 20:13:22 GMT\nlocation=https://www.example.com\ncontent-encoding=gzip\nset-cookie=foo=ASDJKHQKBZXOQWEOPIUAXQWEOIU; max-age=3600; version=1\n";
        says(&[
            (
                "3fe1 01 4882 6402 5885 aec3 771a 4b61 96d0 7abe 9410 54d4 44a8 2005 9504 0b81 66e0 82a6 2d1b ff6e 919d 29ad 1718 63c7 8f0b 97c8 e9ae 82ae 43d3",
                first,
                222,
            ),
            ("4883 640e ffc1 c0bf", second, 222),
            (
                "88c1 6196 d07a be94 1054 d444 a820 0595 040b 8166 e084 a62d 1bff c05a 839b d9ab 77ad 94e7 821d d7f2 e6c7 b335 dfdf cd5b 3960 d5af 2708 7f36 72c1 ab27 0fb5 291f 9587 3160 65c0 03ed 4ee5 b106 3d50 07",
                third,
                215,
            ),
        ]);
    }

    #[test]
    fn a_bomb_ends_when_the_sink_says_so() {
        struct Three(u32);
        impl Sink for Three {
            fn field(&mut self, _: &[u8], _: &[u8], _: bool) -> bool {
                self.0 += 1;
                self.0 < 3
            }
        }
        let mut three = Three(0);
        let ended = Decoder::new().decode(&[0x82; 100], &mut three);
        assert_eq!((ended, three.0), (Err(HpackError::TooMuch), 3));
    }

    #[test]
    fn what_no_encoder_may_send_is_refused() {
        let decoded = |bytes: &[u8]| Decoder::new().decode(bytes, &mut List::default());
        assert_eq!(decoded(&[0x80]), Err(HpackError::Index));
        assert_eq!(decoded(&[0xbe]), Err(HpackError::Index));
        assert_eq!(decoded(&[0x7e, 1, b'x']), Err(HpackError::Index));
        assert_eq!(decoded(&[0x82, 0x20]), Err(HpackError::TableSize));
        assert_eq!(decoded(&[0x3f, 0xe2, 0x1f]), Err(HpackError::TableSize));
        assert_eq!(decoded(&[0x3f, 0xe1, 0x1f]), Ok(()));
        assert_eq!(decoded(&[0, 1, b'x', 9, b'y']), Err(HpackError::Truncated));
        assert_eq!(decoded(&[0, 1, b'x']), Err(HpackError::Truncated));
    }
}
