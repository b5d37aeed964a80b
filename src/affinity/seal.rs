//! Sealed pins: what a cookie of ours says, encrypted and authenticated, so that a client can neither read
//! nor change it.

use super::dates;
use super::error::KeyRingError;
use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::digest::{self, Digest};
use base64::Engine;
use base64::engine::general_purpose::{URL_SAFE, URL_SAFE_NO_PAD};
use rand::RngCore;

const VERSION: u8 = 1;
const NONCE: usize = 12;
const HEAD: usize = 2 + NONCE;
const PLAIN: usize = 28;
const TAG: usize = 16;
const RAW: usize = HEAD + PLAIN + TAG;
/// Length of a sealed pin as text.
const TEXT: usize = (RAW * 4).div_ceil(3);

/// The keys pins are sealed with: the newest seals, all of them open.
pub struct KeyRing {
    keys: Vec<SealKey>,
}

struct SealKey {
    id: u8,
    secret: [u8; 32],
    cipher: LessSafeKey,
}

/// What a sealed pin says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Sealed {
    /// Hash of the node's name.
    pub node: u64,
    /// Hash of what the node calls its present run, if it does; 0 in a pin if not.
    pub boot: Option<u32>,
    /// The session's id.
    pub session: u64,
    /// When the session began, in stamp units.
    pub first: u32,
    /// When the pin was written, in stamp units.
    pub last: u32,
}

impl KeyRing {
    /// A ring with one fresh key.
    pub fn generate() -> Self {
        let mut secret = [0; 32];
        rand::rng().fill_bytes(&mut secret);
        Self { keys: SealKey::new(secret).into_iter().collect() }
    }

    /// Reads keys, newest first: 32 bytes as base64url a line; empty lines and what follows `#` are passed
    /// over.
    pub fn parse(text: &str) -> Result<Self, KeyRingError> {
        let mut keys = Vec::new();
        for (at, line) in text.lines().enumerate() {
            let line = line.split('#').next().unwrap_or_default().trim();
            if line.is_empty() {
                continue;
            }
            let bytes = URL_SAFE_NO_PAD.decode(line).or_else(|_| URL_SAFE.decode(line));
            let secret = bytes.ok().and_then(|bytes| <[u8; 32]>::try_from(bytes).ok());
            let key = secret.and_then(SealKey::new).ok_or(KeyRingError::Line(at + 1))?;
            keys.push(key);
        }
        if keys.is_empty() { Err(KeyRingError::Empty) } else { Ok(Self { keys }) }
    }

    /// The ring as `parse` reads it.
    pub fn to_text(&self) -> String {
        self.keys.iter().map(|key| URL_SAFE_NO_PAD.encode(key.secret) + "\n").collect()
    }

    /// What the newest key is called: proxies that have it open each other's pins. It tells nothing of the
    /// key.
    pub fn id(&self) -> Option<String> {
        let key = self.keys.first()?;
        Some(SealKey::digest(&key.secret).as_ref().iter().take(6).map(|byte| format!("{byte:02x}")).collect())
    }

    /// A number for this purpose that only who has the newest key can know.
    pub fn number_for(&self, purpose: &str) -> u64 {
        let Some(key) = self.keys.first() else { return rand::random() };
        let digest = digest(&[b"homing number", &key.secret, purpose.as_bytes()]);
        digest.as_ref().iter().take(8).fold(0, |number, byte| number << 8 | u64::from(*byte))
    }

    /// Seals with the newest key. None only if the cipher refuses, which it has no reason to.
    pub(super) fn seal(&self, pin: &Sealed, aad: &[u8]) -> Option<[u8; TEXT]> {
        let key = self.keys.first()?;
        let mut raw = [0; RAW];
        raw[0] = VERSION;
        raw[1] = key.id;
        let mut nonce = [0; NONCE];
        rand::rng().fill_bytes(&mut nonce);
        raw[2..HEAD].copy_from_slice(&nonce);
        raw[HEAD..HEAD + PLAIN].copy_from_slice(&pin.to_bytes());
        let plain = &mut raw[HEAD..HEAD + PLAIN];
        let tag = key
            .cipher
            .seal_in_place_separate_tag(Nonce::assume_unique_for_key(nonce), Aad::from(aad), plain)
            .ok()?;
        raw[HEAD + PLAIN..].copy_from_slice(tag.as_ref().get(..TAG)?);
        let mut text = [0; TEXT];
        URL_SAFE_NO_PAD.encode_slice(raw, &mut text).ok()?;
        Some(text)
    }

    /// Opens a pin; the flag says that it was sealed with a key that is not the newest. None for anything we
    /// did not seal.
    pub(super) fn open(&self, text: &[u8], aad: &[u8]) -> Option<(Sealed, bool)> {
        if text.len() != TEXT {
            return None;
        }
        let mut raw = [0; RAW + 2];
        let raw = match URL_SAFE_NO_PAD.decode_slice(text, &mut raw) {
            Ok(RAW) if raw[0] == VERSION => &raw[..RAW],
            _ => return None,
        };
        let nonce: [u8; NONCE] = raw[2..HEAD].try_into().ok()?;
        // Ids are one byte, so two keys may share one: each is tried.
        self.keys.iter().enumerate().filter(|(_, key)| key.id == raw[1]).find_map(|(at, key)| {
            let mut body = [0; PLAIN + TAG];
            body.copy_from_slice(&raw[HEAD..]);
            let plain = key
                .cipher
                .open_in_place(Nonce::assume_unique_for_key(nonce), Aad::from(aad), &mut body)
                .ok()?;
            Some((Sealed::from_bytes(plain)?, at > 0))
        })
    }
}

impl std::fmt::Debug for KeyRing {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "KeyRing({} keys, not shown)", self.keys.len())
    }
}

impl SealKey {
    fn new(secret: [u8; 32]) -> Option<Self> {
        let cipher = LessSafeKey::new(UnboundKey::new(&AES_256_GCM, &secret).ok()?);
        let id = Self::digest(&secret).as_ref().first().copied()?;
        Some(Self { id, secret, cipher })
    }

    fn digest(secret: &[u8; 32]) -> Digest {
        digest(&[b"homing key id", secret])
    }
}

fn digest(parts: &[&[u8]]) -> Digest {
    let mut context = digest::Context::new(&digest::SHA256);
    parts.iter().for_each(|part| context.update(part));
    context.finish()
}

impl Sealed {
    /// A pin that begins or goes on `now`.
    pub(super) fn new(node: u64, session: u64, first: Option<u32>, now: u64) -> Self {
        let last = dates::units(now);
        Self { node, boot: None, session, first: first.unwrap_or(last), last }
    }

    fn to_bytes(self) -> [u8; PLAIN] {
        let mut out = [0; PLAIN];
        out[..8].copy_from_slice(&self.node.to_be_bytes());
        out[8..12].copy_from_slice(&self.boot.unwrap_or(0).to_be_bytes());
        out[12..20].copy_from_slice(&self.session.to_be_bytes());
        out[20..24].copy_from_slice(&self.first.to_be_bytes());
        out[24..].copy_from_slice(&self.last.to_be_bytes());
        out
    }

    fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let bytes: &[u8; PLAIN] = bytes.try_into().ok()?;
        let long = |at: usize| bytes[at..at + 8].try_into().ok().map(u64::from_be_bytes);
        let short = |at: usize| bytes[at..at + 4].try_into().ok().map(u32::from_be_bytes);
        Some(Self {
            node: long(0)?,
            boot: Some(short(8)?).filter(|boot| *boot != 0),
            session: long(12)?,
            first: short(20)?,
            last: short(24)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_sealed_opens_again_and_nowhere_else() {
        let ring = KeyRing::generate();
        let pin = Sealed::new(7, 8, None, 1_795_258_798);
        let text = ring.seal(&pin, b"HOMING\0shop").unwrap();
        assert_eq!(ring.open(&text, b"HOMING\0shop"), Some((pin, false)));
        assert_eq!(ring.open(&text, b"HOMING\0bank"), None);
        assert_eq!(KeyRing::generate().open(&text, b"HOMING\0shop"), None);
    }

    #[test]
    fn rings_are_read_and_written() {
        let (one, two) = (KeyRing::generate(), KeyRing::generate());
        let text = format!("# newest\n{}\n{} # old\n", two.to_text().trim(), one.to_text().trim());
        let both = KeyRing::parse(&text).unwrap();
        assert_eq!(both.to_text(), two.to_text() + &one.to_text());
        let old = one.seal(&Sealed::new(1, 2, None, 3), b"").unwrap();
        assert!(both.open(&old, b"").unwrap().1);
        assert!(!format!("{both:?}").contains(one.to_text().trim()));
        for wrong in ["", "# nothing", "abc", "AAAA\n"] {
            assert!(KeyRing::parse(wrong).is_err(), "{wrong}");
        }
    }
}
