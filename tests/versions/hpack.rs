//! HPACK (RFC 7541) for tests: fields go out literally, so that nothing is hidden or mended; what comes in is
//! read in every form.

use std::collections::VecDeque;

/// A header field as bytes.
pub type Field = (Vec<u8>, Vec<u8>);

/// The static table (appendix A).
const STATIC: [(&str, &str); 61] = [
    (":authority", ""),
    (":method", "GET"),
    (":method", "POST"),
    (":path", "/"),
    (":path", "/index.html"),
    (":scheme", "http"),
    (":scheme", "https"),
    (":status", "200"),
    (":status", "204"),
    (":status", "206"),
    (":status", "304"),
    (":status", "400"),
    (":status", "404"),
    (":status", "500"),
    ("accept-charset", ""),
    ("accept-encoding", "gzip, deflate"),
    ("accept-language", ""),
    ("accept-ranges", ""),
    ("accept", ""),
    ("access-control-allow-origin", ""),
    ("age", ""),
    ("allow", ""),
    ("authorization", ""),
    ("cache-control", ""),
    ("content-disposition", ""),
    ("content-encoding", ""),
    ("content-language", ""),
    ("content-length", ""),
    ("content-location", ""),
    ("content-range", ""),
    ("content-type", ""),
    ("cookie", ""),
    ("date", ""),
    ("etag", ""),
    ("expect", ""),
    ("expires", ""),
    ("from", ""),
    ("host", ""),
    ("if-match", ""),
    ("if-modified-since", ""),
    ("if-none-match", ""),
    ("if-range", ""),
    ("if-unmodified-since", ""),
    ("last-modified", ""),
    ("link", ""),
    ("location", ""),
    ("max-forwards", ""),
    ("proxy-authenticate", ""),
    ("proxy-authorization", ""),
    ("range", ""),
    ("referer", ""),
    ("refresh", ""),
    ("retry-after", ""),
    ("server", ""),
    ("set-cookie", ""),
    ("strict-transport-security", ""),
    ("transfer-encoding", ""),
    ("user-agent", ""),
    ("vary", ""),
    ("via", ""),
    ("www-authenticate", ""),
];

/// The length of each byte's Huffman code (appendix B); the code is canonical, so that its lengths are all of
/// it.
const BITS: [u8; 256] = [
    13, 23, 28, 28, 28, 28, 28, 28, 28, 24, 30, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 30, 28, 28, 28,
    28, 28, 28, 28, 28, 28, 6, 10, 10, 12, 13, 6, 8, 11, 10, 10, 8, 11, 8, 6, 6, 6, 5, 5, 5, 6, 6, 6, 6, 6,
    6, 6, 7, 8, 15, 6, 12, 10, 13, 6, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 8, 7,
    8, 13, 19, 13, 14, 6, 15, 5, 6, 5, 6, 5, 6, 6, 6, 5, 7, 7, 6, 6, 6, 5, 6, 7, 6, 5, 5, 6, 7, 7, 7, 7, 7,
    15, 11, 14, 13, 28, 20, 22, 20, 20, 22, 22, 22, 23, 22, 23, 23, 23, 23, 23, 24, 23, 24, 24, 22, 23, 24,
    23, 23, 23, 23, 21, 22, 23, 22, 23, 23, 24, 22, 21, 20, 22, 22, 23, 23, 21, 23, 22, 22, 24, 21, 22, 23,
    23, 21, 21, 22, 21, 23, 22, 23, 23, 20, 22, 22, 22, 23, 22, 22, 23, 26, 26, 20, 19, 22, 23, 22, 25, 26,
    26, 26, 27, 27, 26, 24, 25, 19, 21, 26, 27, 27, 26, 27, 24, 21, 21, 26, 26, 28, 27, 27, 27, 20, 24, 20,
    21, 22, 21, 21, 23, 22, 22, 25, 25, 24, 24, 26, 23, 26, 27, 26, 26, 27, 27, 27, 27, 27, 28, 27, 27, 27,
    27, 27, 26,
];

/// Fields as literals that nobody is to keep.
pub fn encode(fields: &[Field]) -> Vec<u8> {
    let mut out = Vec::new();
    for (name, value) in fields {
        out.push(0);
        for text in [name, value] {
            number(&mut out, text.len());
            out.extend_from_slice(text);
        }
    }
    out
}

/// A length, in seven bits or more.
fn number(out: &mut Vec<u8>, mut n: usize) {
    if n < 127 {
        return out.push(n as u8);
    }
    out.push(127);
    n -= 127;
    while n >= 128 {
        out.push((n & 127) as u8 | 128);
        n >>= 7;
    }
    out.push(n as u8);
}

/// Reads the blocks of one connection.
#[derive(Default)]
pub struct Decoder {
    table: VecDeque<Field>,
}

impl Decoder {
    /// The fields of a block.
    pub fn decode(&mut self, block: &[u8]) -> Vec<Field> {
        let mut rest = block;
        let mut fields = Vec::new();
        while let Some(first) = rest.first().copied() {
            match first {
                128.. => {
                    let at = read_number(&mut rest, 7);
                    fields.push(self.at(at));
                }
                32..64 => {
                    if read_number(&mut rest, 5) == 0 {
                        self.table.clear();
                    }
                }
                _ => {
                    let keep = first & 64 != 0;
                    let at = read_number(&mut rest, if keep { 6 } else { 4 });
                    let name = if at == 0 { read_text(&mut rest) } else { self.at(at).0 };
                    let field = (name, read_text(&mut rest));
                    if keep {
                        self.table.push_front(field.clone());
                        self.evict();
                    }
                    fields.push(field);
                }
            }
        }
        fields
    }

    fn at(&self, index: usize) -> Field {
        match STATIC.get(index - 1) {
            Some((name, value)) => (name.as_bytes().to_vec(), value.as_bytes().to_vec()),
            None => self.table[index - 1 - STATIC.len()].clone(),
        }
    }

    fn evict(&mut self) {
        while self.table.iter().map(|(name, value)| name.len() + value.len() + 32).sum::<usize>() > 4096 {
            self.table.pop_back();
        }
    }
}

fn read_number(rest: &mut &[u8], prefix: u8) -> usize {
    let most = (1usize << prefix) - 1;
    let mut n = usize::from(rest[0]) & most;
    *rest = &rest[1..];
    if n == most {
        let mut shift = 0;
        loop {
            let byte = usize::from(rest[0]);
            *rest = &rest[1..];
            n += (byte & 127) << shift;
            shift += 7;
            if byte < 128 {
                break;
            }
        }
    }
    n
}

fn read_text(rest: &mut &[u8]) -> Vec<u8> {
    let huffman = rest[0] & 128 != 0;
    let length = read_number(rest, 7);
    let (text, more) = rest.split_at(length);
    *rest = more;
    if huffman { unpack(text) } else { text.to_vec() }
}

fn unpack(packed: &[u8]) -> Vec<u8> {
    let mut order: Vec<u8> = (0..=255).collect();
    order.sort_by_key(|byte| BITS[usize::from(*byte)]);
    let mut out = Vec::new();
    let (mut code, mut bits) = (0u32, 0u8);
    for at in 0..packed.len() * 8 {
        code = code << 1 | u32::from(packed[at / 8] >> (7 - at % 8) & 1);
        bits += 1;
        if let Some(place) = place(code, bits) {
            out.push(order[place as usize]);
            (code, bits) = (0, 0);
        }
    }
    out
}

/// Which of the bytes, in the order of their codes, a code of so many bits is: the codes of one length follow
/// each other, and those of the next length follow them.
fn place(code: u32, bits: u8) -> Option<u32> {
    let (mut first, mut before) = (0, 0);
    for length in 1..=bits {
        first <<= 1;
        let here = BITS.iter().filter(|known| **known == length).count() as u32;
        if length == bits {
            return (first..first + here).contains(&code).then(|| before + code - first);
        }
        first += here;
        before += here;
    }
    None
}

#[test]
fn the_examples_of_the_rfc_are_read() {
    // appendix C.4.1 and C.4.2: two blocks of one connection
    let mut decoder = Decoder::default();
    let first = [
        0x82, 0x86, 0x84, 0x41, 0x8c, 0xf1, 0xe3, 0xc2, 0xe5, 0xf2, 0x3a, 0x6b, 0xa0, 0xab, 0x90, 0xf4, 0xff,
    ];
    let second = [0x82, 0x86, 0x84, 0xbe, 0x58, 0x86, 0xa8, 0xeb, 0x10, 0x64, 0x9c, 0xbf];
    let text = |fields: Vec<Field>| -> Vec<String> {
        fields
            .iter()
            .map(|(n, v)| format!("{}: {}", String::from_utf8_lossy(n), String::from_utf8_lossy(v)))
            .collect()
    };
    let head = [":method: GET", ":scheme: http", ":path: /", ":authority: www.example.com"];
    assert_eq!(text(decoder.decode(&first)), head);
    assert_eq!(text(decoder.decode(&second)), [&head[..], &["cache-control: no-cache"]].concat());
    let long = (b"x".to_vec(), vec![b'y'; 1000]);
    assert_eq!(Decoder::default().decode(&encode(std::slice::from_ref(&long))), [long]);
}
