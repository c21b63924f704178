//! Monitor: the stages of a node's life up to service, and the health of the services on it.

mod flapping;
pub mod io;
pub mod machine;

#[cfg(test)]
mod tests;
