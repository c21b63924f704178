//! Identifiers: newtypes so that one kind of number is never taken for another.

use serde::{Deserialize, Serialize};

/// Physical node number: the position of a node's line in the `nodes` file, from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Pnn(pub u32);
