//! Many machines in one small world.
