//! The valid name closest to a mistyped one, as an owned text for an error.

/// See [`ctdb_protocol::nearest::nearest`].
pub(super) fn nearest<'a>(
    name: &str,
    candidates: impl IntoIterator<Item = &'a str>,
) -> Option<String> {
    ctdb_protocol::nearest::nearest(name, candidates).map(str::to_owned)
}
