//! Bodies in chunks.

use super::*;

#[test]
fn chunks_of_nodes_may_be_padded() {
    for text in ["3 \r\nabc\r\n0\r\n\r\n", "3\nabc\n0\n\n", "0003\r\nabc\r\n0  \r\nX: y\r\n\r\n"] {
        let (mut body, mut input) = (BodyReader::lenient(Framing::Chunked), BytesMut::from(text));
        assert_eq!(body.take(&mut input), Ok(BodyPart::Data(Bytes::from_static(b"abc"))), "{text:?}");
        assert!(matches!(body.take(&mut input), Ok(BodyPart::End | BodyPart::Trailers(_))), "{text:?}");
        assert!(body.is_done() && input.is_empty());
    }
}

#[test]
fn chunk_sizes() {
    for (size, wanted) in
        [(0, "0"), (9, "9"), (10, "a"), (255, "ff"), (4096, "1000"), (usize::MAX, "ffffffffffffffff")]
    {
        let mut out = Vec::new();
        begin_chunk(&mut out, size);
        assert_eq!(out, format!("{wanted}\r\n").as_bytes());
    }
}
