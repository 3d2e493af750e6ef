//! SETTINGS (RFC 9113 §6.5).

use super::{Code, FrameHead, MOST_WINDOW, flag, kind};

/// Identifiers of settings.
#[allow(missing_docs)]
pub mod setting {
    pub const HEADER_TABLE_SIZE: u16 = 1;
    pub const ENABLE_PUSH: u16 = 2;
    pub const MAX_CONCURRENT_STREAMS: u16 = 3;
    pub const INITIAL_WINDOW_SIZE: u16 = 4;
    pub const MAX_FRAME_SIZE: u16 = 5;
    pub const MAX_HEADER_LIST_SIZE: u16 = 6;
    pub const ENABLE_CONNECT_PROTOCOL: u16 = 8;
}

/// What a client's SETTINGS change for a server that pushes nothing and sends frames of the smallest maximum.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Changes {
    /// The window of every stream, open ones included.
    pub initial_window: Option<u32>,
    /// The most that our compression may keep.
    pub table_size: Option<u32>,
}

impl Changes {
    /// Reads the payload of SETTINGS that acknowledge nothing. Of a setting given twice the last counts, unknown ones are
    /// passed over.
    ///
    /// # Errors
    /// The code of the connection's error (RFC 9113 §6.5.2).
    pub fn parse(payload: &[u8]) -> Result<Changes, Code> {
        let mut changes = Changes::default();
        let (settings, rest) = payload.as_chunks::<6>();
        if !rest.is_empty() {
            return Err(Code::FRAME_SIZE_ERROR);
        }
        for &[a, b, w, x, y, z] in settings {
            let value = u32::from_be_bytes([w, x, y, z]);
            match u16::from_be_bytes([a, b]) {
                setting::HEADER_TABLE_SIZE => changes.table_size = Some(value),
                setting::ENABLE_PUSH | setting::ENABLE_CONNECT_PROTOCOL if value > 1 => {
                    return Err(Code::PROTOCOL_ERROR);
                }
                setting::INITIAL_WINDOW_SIZE if i64::from(value) > MOST_WINDOW => {
                    return Err(Code::FLOW_CONTROL_ERROR);
                }
                setting::INITIAL_WINDOW_SIZE => changes.initial_window = Some(value),
                setting::MAX_FRAME_SIZE if !(1 << 14..1 << 24).contains(&value) => {
                    return Err(Code::PROTOCOL_ERROR);
                }
                _ => {}
            }
        }
        Ok(changes)
    }
}

/// Appends SETTINGS.
pub fn announce(settings: &[(u16, u32)], out: &mut Vec<u8>) {
    let head = FrameHead {
        len: settings.len() * 6,
        kind: kind::SETTINGS,
        flags: 0,
        stream: 0,
    };
    head.write(out);
    for (id, value) in settings {
        out.extend_from_slice(&id.to_be_bytes());
        out.extend_from_slice(&value.to_be_bytes());
    }
}

/// Appends the acknowledgement of SETTINGS.
pub fn acknowledge(out: &mut Vec<u8>) {
    let head = FrameHead {
        len: 0,
        kind: kind::SETTINGS,
        flags: flag::ACK,
        stream: 0,
    };
    head.write(out);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(settings: &[(u16, u32)]) -> Result<Changes, Code> {
        let mut frame = Vec::new();
        announce(settings, &mut frame);
        Changes::parse(&frame[super::super::HEAD_BYTES..])
    }

    #[test]
    fn the_last_of_a_setting_counts_and_unknown_ones_do_not() {
        let changes = parsed(&[(4, 0), (0xff, 7), (4, 100), (1, 5)]).unwrap();
        assert_eq!(changes.initial_window, Some(100));
        assert_eq!(changes.table_size, Some(5));
        assert_eq!(parsed(&[]), Ok(Changes::default()));
    }

    #[test]
    fn values_out_of_range_have_their_codes() {
        assert_eq!(parsed(&[(2, 2)]), Err(Code::PROTOCOL_ERROR));
        assert_eq!(parsed(&[(4, 1 << 31)]), Err(Code::FLOW_CONTROL_ERROR));
        assert_eq!(parsed(&[(5, 16_383)]), Err(Code::PROTOCOL_ERROR));
        assert_eq!(parsed(&[(5, 1 << 24)]), Err(Code::PROTOCOL_ERROR));
        assert_eq!(parsed(&[(8, 2)]), Err(Code::PROTOCOL_ERROR));
        assert_eq!(Changes::parse(&[0; 5]), Err(Code::FRAME_SIZE_ERROR));
    }
}
