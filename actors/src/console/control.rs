//! The node's dispatcher of controls as the console's.

use super::Control;
use crate::local::ControlHandle;
use ctdb_protocol::client::{ControlReply, Opcode};
use futures_util::FutureExt;
use futures_util::future::LocalBoxFuture;

impl Control for ControlHandle {
    fn call(
        &self,
        dest: u32,
        opcode: Opcode,
        data: Vec<u8>,
    ) -> LocalBoxFuture<'static, ControlReply> {
        let handle = self.clone();
        async move { Self::call(&handle, dest, opcode, data).await }.boxed_local()
    }
}
