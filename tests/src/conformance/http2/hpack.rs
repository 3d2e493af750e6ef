//! HPACK (RFC 7541).

use super::{COMPRESSION, Case, PASSED, REQUEST, case};
use crate::http2::{
    Connection,
    frame::get,
    hpack::{block, indexed_field, integer},
};

/// A request whose block ends with these bytes.
fn with(connection: &mut Connection, bytes: &[u8]) {
    let mut fields = block(REQUEST);
    fields.extend_from_slice(bytes);
    connection.send(get(1, &fields));
}

pub(super) const CASES: &[Case] = &[
    case("the index 0", "RFC 7541 6.1", COMPRESSION, |c| {
        with(c, &[0x80])
    }),
    case(
        "an index past both tables",
        "RFC 7541 2.3.3",
        COMPRESSION,
        |c| with(c, &[0xbe]),
    ),
    case(
        "an index far past both tables",
        "RFC 7541 2.3.3",
        COMPRESSION,
        |c| with(c, &integer(0x80, 7, 100_000)),
    ),
    case(
        "a name's index past both tables",
        "RFC 7541 2.3.3",
        COMPRESSION,
        |c| with(c, &[0x7e, 1, b'x']),
    ),
    case("an integer without end", "RFC 7541 5.1", COMPRESSION, |c| {
        let mut endless = vec![0xff];
        endless.extend([0xff; 20]);
        endless.push(0);
        with(c, &endless);
    }),
    case(
        "a text that is longer than the block",
        "RFC 7541 5.2",
        COMPRESSION,
        |c| with(c, &[0, 1, b'x', 100, b'y']),
    ),
    case(
        "a block that ends within a field",
        "RFC 7541 6.2",
        COMPRESSION,
        |c| with(c, &[0, 1, b'x']),
    ),
    case(
        "a block that ends within an integer",
        "RFC 7541 5.1",
        COMPRESSION,
        |c| with(c, &[0xff]),
    ),
    case(
        "Huffman's padding of more than 7 bits",
        "RFC 7541 5.2",
        COMPRESSION,
        |c| {
            with(c, &[0, 1, b'x', 0x86, 0xf2, 0xb2, 0x4a, 0x84, 0xff, 0xff]);
        },
    ),
    case(
        "Huffman's padding of zeros",
        "RFC 7541 5.2",
        COMPRESSION,
        |c| {
            with(c, &[0, 1, b'x', 0x81, 0x18]);
        },
    ),
    case(
        "Huffman's end of string",
        "RFC 7541 5.2",
        COMPRESSION,
        |c| {
            with(c, &[0, 1, b'x', 0x84, 0xff, 0xff, 0xff, 0xff]);
        },
    ),
    case(
        "a change of the table's size behind a field",
        "RFC 7541 4.2",
        COMPRESSION,
        |c| with(c, &[0x20]),
    ),
    case(
        "a table larger than allowed",
        "RFC 7541 6.3",
        COMPRESSION,
        |c| {
            let mut fields = integer(0x20, 5, 4097);
            fields.extend(block(REQUEST));
            c.send(get(1, &fields));
        },
    ),
    case(
        "a change of the table's size before all fields",
        "RFC 7541 4.2",
        PASSED,
        |c| {
            let mut fields = integer(0x20, 5, 0);
            fields.extend(block(REQUEST));
            c.send(get(1, &fields));
        },
    ),
    case(
        "a field larger than the table empties it",
        "RFC 7541 4.4",
        PASSED,
        |c| {
            with(c, &indexed_field("x", [b'y'; 5000]));
        },
    ),
    case(
        "an entry that is not there any more",
        "RFC 7541 4.4",
        COMPRESSION,
        |c| {
            let mut fields = indexed_field("x", [b'y'; 5000]);
            fields.push(0xbe);
            with(c, &fields);
        },
    ),
    case(
        "a field that is never indexed",
        "RFC 7541 6.2.3",
        PASSED,
        |c| with(c, &[0x10, 1, b'x', 1, b'y']),
    ),
    case(
        "an indexed field that is used again",
        "RFC 7541 6.1",
        PASSED,
        |c| {
            let mut fields = indexed_field("x", "y");
            fields.push(0xbe);
            with(c, &fields);
        },
    ),
];
