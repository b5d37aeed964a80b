//! Why a request is refused before it is one.

use std::fmt;

/// Why the bytes of a client are not read as a request: two implementations could read them in two ways, or
/// they are too many.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Malformed {
    /// More empty lines before a request than any client sends.
    EmptyLines,
    /// The request line is not three parts between single spaces.
    BadRequestLine,
    /// A target that is neither a path nor a URL, or `*` for another method than OPTIONS.
    BadTarget,
    /// The request line names another version than HTTP/1.0 or HTTP/1.1.
    BadVersion,
    /// A line feed that no carriage return precedes.
    BareLf,
    /// A carriage return that no line feed follows.
    BareCr,
    /// A header line that begins with white space.
    ObsFold,
    /// White space between a header's name and its colon.
    SpaceBeforeColon,
    /// A header name that is no token, or a line without a colon.
    BadName,
    /// A zero byte in a line.
    Nul,
    /// Content-Length more than once, or with a list of values.
    ConflictingLength,
    /// Content-Length beside Transfer-Encoding.
    LengthAndChunked,
    /// A Content-Length that is no decimal number, or too large.
    BadLength,
    /// A Transfer-Encoding that is not just "chunked", or comes with HTTP/1.0.
    BadTransferEncoding,
    /// CONNECT with a body: some read one there, some do not.
    ConnectWithBody,
    /// A chunk whose size or end is malformed.
    BadChunk,
    /// A chunk extension without end.
    ExtensionTooLong,
    /// A trailer line that would change framing or routing.
    ForbiddenTrailer,
    /// More than one Host.
    DuplicateHost,
    /// No Host.
    MissingHost,
    /// A byte in a header's value that may not stand there.
    BadValue,
    /// More header lines than `max-headers`.
    TooManyLines,
    /// A head of more bytes than `max-header-size`, or trailers without end.
    TooLarge,
    /// A target of more bytes than any server takes.
    TargetTooLong,
    /// The client closed the connection within a head.
    CutShort,
    /// The rest of a head did not come within `header-timeout`.
    Late,
}

impl Malformed {
    /// The status it is answered with.
    pub fn status(self) -> u16 {
        match self {
            Self::TooManyLines | Self::TooLarge => 431,
            Self::TargetTooLong => 414,
            Self::Late => 408,
            _ => 400,
        }
    }

    /// A sentence for the log.
    pub fn reason(self) -> &'static str {
        match self {
            Self::EmptyLines => "too many empty lines before the request",
            Self::BadRequestLine => "malformed request line",
            Self::BadTarget => "malformed target",
            Self::BadVersion => "unknown HTTP version in the request line",
            Self::BareLf => "line feed without carriage return",
            Self::BareCr => "carriage return without line feed",
            Self::ObsFold => "folded header line",
            Self::SpaceBeforeColon => "white space before a header's colon",
            Self::BadName => "malformed header name",
            Self::Nul => "zero byte in the header",
            Self::ConflictingLength => "more than one Content-Length",
            Self::LengthAndChunked => "Content-Length together with Transfer-Encoding",
            Self::BadLength => "malformed Content-Length",
            Self::BadTransferEncoding => "Transfer-Encoding other than a single \"chunked\"",
            Self::ConnectWithBody => "CONNECT with a body",
            Self::BadChunk => "malformed chunk",
            Self::ExtensionTooLong => "chunk extension too long",
            Self::ForbiddenTrailer => "framing or routing header among the trailers",
            Self::DuplicateHost => "more than one Host",
            Self::MissingHost => "no Host",
            Self::BadValue => "malformed header value",
            Self::TooManyLines => "too many header lines",
            Self::TooLarge => "header too large",
            Self::TargetTooLong => "target too long",
            Self::CutShort => "the connection was closed within the header",
            Self::Late => "the rest of the header did not come in time",
        }
    }
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.reason())
    }
}

impl std::error::Error for Malformed {}
