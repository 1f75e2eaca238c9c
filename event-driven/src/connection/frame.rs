//! Mends one AMQP frame in place.
//!
//! - A short string that is no UTF-8 gets `?` for each wrong byte: AMQP allows any bytes, lapin gives up the connection.
//! - A table or array that nests too deep becomes an array of bytes, which has the same form but for its type: lapin
//!   parses recursively and without limit, and 500 levels overflow its stack, which ends the process.
//!
//! What is broken otherwise is left as it is.

/// Frame types of AMQP 0-9-1.
pub(super) const METHOD: u8 = 1;
pub(super) const HEADER: u8 = 2;
pub(super) const BODY: u8 = 3;
pub(super) const HEARTBEAT: u8 = 8;

/// Deepest nesting of tables and arrays that passes. More than any producer needs, and far from what hurts.
const MAX_DEPTH: usize = 32;

/// Mends the payload of a frame of type `kind`; whether there was anything to mend.
pub(super) fn mend(kind: u8, payload: &mut [u8]) -> bool {
    let mut frame = Cursor { bytes: payload, mended: false };
    // `None`: the frame ends too early or holds something unknown. What was mended until then stays.
    let _ = if kind == HEADER { header(&mut frame) } else { method(&mut frame) };
    frame.mended
}

/// The methods that repeat what a publisher said, or what RabbitMQ cut to 255 bytes.
fn method(frame: &mut Cursor<'_>) -> Option<()> {
    match (frame.number::<2>()?, frame.number::<2>()?) {
        // channel.close, connection.close
        (20, 40) | (10, 50) => {
            frame.skip(2)?;
            frame.short_string()
        }
        // basic.return
        (60, 50) => {
            frame.skip(2)?;
            (0..3).try_for_each(|_| frame.short_string())
        }
        // basic.deliver
        (60, 60) => {
            frame.short_string()?;
            frame.skip(9)?;
            (0..2).try_for_each(|_| frame.short_string())
        }
        // basic.get-ok
        (60, 71) => {
            frame.skip(9)?;
            (0..2).try_for_each(|_| frame.short_string())
        }
        _ => Some(()),
    }
}

/// The properties of a message, in the order of their flags.
fn header(frame: &mut Cursor<'_>) -> Option<()> {
    // Class, weight and the size of the body.
    frame.skip(12)?;
    let flags = frame.number::<2>()?;
    for property in 0..14_u32 {
        if flags & (1 << (15 - property)) == 0 {
            continue;
        }
        match property {
            2 => frame.table(MAX_DEPTH)?,
            // delivery_mode, priority
            3 | 4 => frame.skip(1)?,
            // timestamp
            9 => frame.skip(8)?,
            _ => frame.short_string()?,
        }
    }
    Some(())
}

/// The rest of a frame.
struct Cursor<'a> {
    bytes: &'a mut [u8],
    mended: bool,
}

impl<'a> Cursor<'a> {
    fn take(&mut self, length: usize) -> Option<&'a mut [u8]> {
        self.bytes.split_off_mut(..length)
    }

    fn skip(&mut self, length: usize) -> Option<()> {
        self.take(length).map(drop)
    }

    /// A number of up to four bytes.
    fn number<const BYTES: usize>(&mut self) -> Option<u32> {
        Some(self.take(BYTES)?.iter().fold(0, |number, byte| number << 8 | u32::from(*byte)))
    }

    fn length(&mut self) -> Option<usize> {
        usize::try_from(self.number::<4>()?).ok()
    }

    fn short_string(&mut self) -> Option<()> {
        let length = usize::try_from(self.number::<1>()?).ok()?;
        let text = self.take(length)?;
        self.mended |= mend_text(text);
        Some(())
    }

    fn table(&mut self, depth: usize) -> Option<()> {
        let length = self.length()?;
        let mut fields = Cursor { bytes: self.take(length)?, mended: false };
        let mut read = || {
            while !fields.bytes.is_empty() {
                fields.short_string()?;
                fields.value(depth)?;
            }
            Some(())
        };
        let read = read();
        self.mended |= fields.mended;
        read
    }

    fn array(&mut self, depth: usize) -> Option<()> {
        let length = self.length()?;
        let mut values = Cursor { bytes: self.take(length)?, mended: false };
        let mut read = || {
            while !values.bytes.is_empty() {
                values.value(depth)?;
            }
            Some(())
        };
        let read = read();
        self.mended |= values.mended;
        read
    }

    fn value(&mut self, depth: usize) -> Option<()> {
        let kind = self.take(1)?.first_mut()?;
        match *kind {
            b'A' | b'F' if depth == 0 => {
                *kind = b'x';
                self.mended = true;
                self.bytes()
            }
            b'A' => self.array(depth - 1),
            b'F' => self.table(depth - 1),
            b'S' | b'x' => self.bytes(),
            b't' | b'b' | b'B' => self.skip(1),
            b's' | b'U' | b'u' => self.skip(2),
            b'I' | b'i' | b'f' => self.skip(4),
            b'D' => self.skip(5),
            b'L' | b'l' | b'd' | b'T' => self.skip(8),
            b'V' => Some(()),
            _ => None,
        }
    }

    fn bytes(&mut self) -> Option<()> {
        let length = self.length()?;
        self.skip(length)
    }
}

/// Whether there was anything to mend.
fn mend_text(mut text: &mut [u8]) -> bool {
    let mut mended = false;
    while let Err(error) = std::str::from_utf8(text) {
        let wrong = error.error_len().unwrap_or(usize::MAX);
        let Some((_, rest)) = text.split_at_mut_checked(error.valid_up_to()) else { break };
        let (wrong, rest) = rest.split_at_mut(wrong.min(rest.len()));
        wrong.fill(b'?');
        mended = true;
        text = rest;
    }
    mended
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Class, weight, size, flags, then properties.
    fn header_frame(flags: u16, properties: &[u8]) -> Vec<u8> {
        [&[0, 60, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1][..], &flags.to_be_bytes(), properties].concat()
    }

    fn nested_arrays(depth: usize) -> Vec<u8> {
        (0..depth).fold(vec![b'V'], |inner, _| {
            let length = u32::try_from(inner.len()).unwrap().to_be_bytes();
            [&b"A"[..], &length, &inner].concat()
        })
    }

    fn with_header(value: &[u8]) -> Vec<u8> {
        let field = [&b"\x01h"[..], value].concat();
        let length = u32::try_from(field.len()).unwrap().to_be_bytes();
        header_frame(1 << 13, &[&length[..], &field].concat())
    }

    #[test]
    fn texts_that_are_no_utf8_are_mended() {
        // content_type "a\xffb", message_id "\xc3"
        let mut frame = header_frame(1 << 15 | 1 << 7, b"\x03a\xffb\x01\xc3");
        assert!(mend(HEADER, &mut frame));
        assert_eq!(frame, header_frame(1 << 15 | 1 << 7, b"\x03a?b\x01?"));
        let mut deliver = b"\0\x3c\0\x3c\x01t\0\0\0\0\0\0\0\x01\0\x01e\x02\xff\xfe".to_vec();
        assert!(mend(METHOD, &mut deliver));
        assert!(deliver.ends_with(b"\x02??"));
    }

    #[test]
    fn what_nests_too_deep_becomes_bytes() {
        let mut sound = with_header(&nested_arrays(MAX_DEPTH));
        let before = sound.clone();
        assert!(!mend(HEADER, &mut sound));
        assert_eq!(sound, before);
        for depth in [MAX_DEPTH + 1, 20_000] {
            let mut deep = with_header(&nested_arrays(depth));
            assert!(mend(HEADER, &mut deep));
            assert_eq!(deep.iter().position(|byte| *byte == b'x'), Some(14 + 4 + 2 + 5 * MAX_DEPTH));
        }
    }

    #[test]
    fn a_broken_frame_is_left_alone() {
        for broken in [&b""[..], b"\0\x3c", &header_frame(u16::MAX, b"\xff"), &with_header(b"Z")] {
            let mut frame = broken.to_vec();
            mend(HEADER, &mut frame);
            mend(METHOD, &mut frame);
            assert_eq!(frame.len(), broken.len());
        }
    }
}
