//! Nodes in this process with their real socket, files and links, real clients and Debian's own tool.
//! The record machine is a double: it makes this node dmaster of whatever is called.

mod addresses;
mod clients;
mod cluster;
mod double;
mod duties;
mod golden;
mod node;
mod raw;
mod slow;
mod tool;
