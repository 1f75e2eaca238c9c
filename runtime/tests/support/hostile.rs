//! Components that are made to hurt what compiles them, encoded byte by byte: in any size, and in no time.

#![allow(dead_code, reason = "each suite uses a part of it")]

/// A component that holds these parts: `(section id, content)`.
pub fn component(parts: &[(u8, Vec<u8>)]) -> Vec<u8> {
    with_sections(b"\0asm\x0d\0\x01\0", parts)
}

/// A component around one core module.
pub fn around(module: Vec<u8>) -> Vec<u8> {
    component(&[(1, module)])
}

/// A core module with so many functions, each with this body.
pub fn functions(count: u32, body: &[u8]) -> Vec<u8> {
    module(count, body, &[])
}

/// A core module with a memory of so many pages, and data of so many bytes in it.
pub fn data(pages: u32, bytes: usize) -> Vec<u8> {
    let mut segment = vec![1, 0, 0x41, 0, 0x0b];
    segment.extend(leb(u32::try_from(bytes).unwrap()));
    segment.resize(segment.len() + bytes, 7);
    with_sections(MODULE, &[(5, [vec![1, 0], leb(pages)].concat()), (11, segment)])
}

/// A custom section, which is read by nobody.
pub fn custom(bytes: usize) -> (u8, Vec<u8>) {
    (0, [vec![1, b'x'], vec![b'z'; bytes]].concat())
}

/// The body of a function with so many additions, none of which is ever needed by itself.
pub fn additions(count: usize) -> Vec<u8> {
    // local.get 0, i32.const 1, i32.add, local.set 0
    [0x20, 0, 0x41, 1, 0x6a, 0x21, 0].repeat(count)
}

const MODULE: &[u8] = b"\0asm\x01\0\0\0";

fn module(count: u32, body: &[u8], more: &[(u8, Vec<u8>)]) -> Vec<u8> {
    // No locals of its own, the body, the end.
    let code = [vec![0], body.to_vec(), vec![0x0b]].concat();
    let code = [leb(u32::try_from(code.len()).unwrap()), code].concat();
    // One type: (param i32).
    let mut sections = vec![
        (1, vec![1, 0x60, 1, 0x7f, 0]),
        (3, [leb(count), vec![0; count as usize]].concat()),
        (10, [leb(count), code.repeat(count as usize)].concat()),
    ];
    sections.extend_from_slice(more);
    with_sections(MODULE, &sections)
}

fn with_sections(start: &[u8], sections: &[(u8, Vec<u8>)]) -> Vec<u8> {
    let mut bytes = start.to_vec();
    for (id, content) in sections {
        bytes.push(*id);
        bytes.extend(leb(u32::try_from(content.len()).unwrap()));
        bytes.extend_from_slice(content);
    }
    bytes
}

/// The number as WebAssembly writes it.
fn leb(mut number: u32) -> Vec<u8> {
    let mut bytes = Vec::new();
    loop {
        let low = u8::try_from(number & 0x7f).unwrap();
        number >>= 7;
        if number == 0 {
            bytes.push(low);
            return bytes;
        }
        bytes.push(low | 0x80);
    }
}
