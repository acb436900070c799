/// t
#[must_use] pub fn repr_digest_sha256(_h: &crate::response::ResponseHead<'_>) -> Option<[u8;32]> { None }
