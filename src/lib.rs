//! ctdb.
