//! Serialising, by the algorithms of RFC 9651 §4.1.

use super::{
    Bare, Item, Member, SfError,
    parse::{is_key_byte, is_token_byte},
};

/// The largest integer: fifteen digits.
const INTEGER: i64 = 999_999_999_999_999;

/// Appends an item to `out`.
///
/// # Errors
/// When a number, string, token or key of it does not fit its type; `out` may then end with a part of it.
pub fn write_item(item: &Item, out: &mut Vec<u8>) -> Result<(), SfError> {
    bare(&item.bare, out)?;
    parameters(&item.parameters, out)
}

/// Appends a list to `out`; errors as [`write_item`].
pub fn write_list(list: &[Member], out: &mut Vec<u8>) -> Result<(), SfError> {
    for (index, item) in list.iter().enumerate() {
        separate(index, out);
        member(item, out)?;
    }
    Ok(())
}

/// Appends a dictionary to `out`; errors as [`write_item`].
pub fn write_dictionary(dictionary: &[(String, Member)], out: &mut Vec<u8>) -> Result<(), SfError> {
    for (index, (name, value)) in dictionary.iter().enumerate() {
        separate(index, out);
        key(name, out)?;
        match value {
            Member::Item(item) if item.bare == Bare::Boolean(true) => {
                parameters(&item.parameters, out)?;
            }
            value => {
                out.push(b'=');
                member(value, out)?;
            }
        }
    }
    Ok(())
}

fn separate(index: usize, out: &mut Vec<u8>) {
    if index > 0 {
        out.extend_from_slice(b", ");
    }
}

fn member(value: &Member, out: &mut Vec<u8>) -> Result<(), SfError> {
    let (items, after) = match value {
        Member::Item(item) => return write_item(item, out),
        Member::InnerList(items, after) => (items, after),
    };
    out.push(b'(');
    for (index, item) in items.iter().enumerate() {
        if index > 0 {
            out.push(b' ');
        }
        write_item(item, out)?;
    }
    out.push(b')');
    parameters(after, out)
}

fn parameters(pairs: &[(String, Bare)], out: &mut Vec<u8>) -> Result<(), SfError> {
    for (name, value) in pairs {
        out.push(b';');
        key(name, out)?;
        if *value != Bare::Boolean(true) {
            out.push(b'=');
            bare(value, out)?;
        }
    }
    Ok(())
}

fn key(name: &str, out: &mut Vec<u8>) -> Result<(), SfError> {
    let starts = name.starts_with(|first: char| first.is_ascii_lowercase() || first == '*');
    if !starts || !name.bytes().all(is_key_byte) {
        return Err(SfError::NotRepresentable);
    }
    out.extend_from_slice(name.as_bytes());
    Ok(())
}

fn bare(value: &Bare, out: &mut Vec<u8>) -> Result<(), SfError> {
    match value {
        Bare::Integer(number) => integer(*number, out),
        Bare::Decimal(thousandths) => decimal(*thousandths, out),
        Bare::String(text) => string(text, out),
        Bare::Token(text) => token(text, out),
        Bare::Bytes(bytes) => {
            base64(bytes, out);
            Ok(())
        }
        Bare::Boolean(value) => {
            out.extend_from_slice(if *value { b"?1" } else { b"?0" });
            Ok(())
        }
        Bare::Date(seconds) => {
            out.push(b'@');
            integer(*seconds, out)
        }
        Bare::Display(text) => {
            display(text, out);
            Ok(())
        }
    }
}

fn integer(number: i64, out: &mut Vec<u8>) -> Result<(), SfError> {
    if !(-INTEGER..=INTEGER).contains(&number) {
        return Err(SfError::Range);
    }
    out.extend_from_slice(itoa::Buffer::new().format(number).as_bytes());
    Ok(())
}

fn decimal(thousandths: i64, out: &mut Vec<u8>) -> Result<(), SfError> {
    if !(-INTEGER..=INTEGER).contains(&thousandths) {
        return Err(SfError::Range);
    }
    let sign = if thousandths < 0 { "-" } else { "" };
    let (whole, rest) = (thousandths.abs() / 1000, thousandths.abs() % 1000);
    let fraction = format!("{rest:03}");
    let fraction = match fraction.trim_end_matches('0') {
        "" => "0",
        fraction => fraction,
    };
    out.extend_from_slice(format!("{sign}{whole}.{fraction}").as_bytes());
    Ok(())
}

fn string(text: &str, out: &mut Vec<u8>) -> Result<(), SfError> {
    out.push(b'"');
    for byte in text.bytes() {
        match byte {
            b'"' | b'\\' => out.extend_from_slice(&[b'\\', byte]),
            0x20..=0x7e => out.push(byte),
            _ => return Err(SfError::NotRepresentable),
        }
    }
    out.push(b'"');
    Ok(())
}

fn token(text: &str, out: &mut Vec<u8>) -> Result<(), SfError> {
    let starts = text.starts_with(|first: char| first.is_ascii_alphabetic() || first == '*');
    if !starts || !text.bytes().all(is_token_byte) {
        return Err(SfError::NotRepresentable);
    }
    out.extend_from_slice(text.as_bytes());
    Ok(())
}

fn base64(bytes: &[u8], out: &mut Vec<u8>) {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    out.push(b':');
    for three in bytes.chunks(3) {
        let byte = |at: usize| u32::from(three.get(at).copied().unwrap_or(0));
        let bits = byte(0) << 16 | byte(1) << 8 | byte(2);
        for place in 0..4 {
            if place > three.len() {
                out.push(b'=');
                continue;
            }
            let sextet = (bits >> (18 - 6 * place)) & 63;
            out.push(ALPHABET[sextet as usize]);
        }
    }
    out.push(b':');
}

fn display(text: &str, out: &mut Vec<u8>) {
    out.extend_from_slice(b"%\"");
    for byte in text.bytes() {
        match byte {
            b'%' | b'"' | 0..=0x1f | 0x7f.. => {
                out.extend_from_slice(format!("%{byte:02x}").as_bytes());
            }
            _ => out.push(byte),
        }
    }
    out.push(b'"');
}
