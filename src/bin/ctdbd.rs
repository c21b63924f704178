//! ctdbd.
fn main() {}
