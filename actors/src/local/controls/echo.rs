//! The control that waits and sends its data back, for tests.

use super::{Answer, Ask};
use ctdb_protocol::client::srvid_message::EchoData;
use ctdb_protocol::client::{ControlReply, Opcode};
use std::time::Duration;

pub(super) fn answer(ask: &Ask<'_>) -> Option<Answer> {
    if ask.opcode != Opcode::EchoData {
        return None;
    }
    let whole = ask.data.to_vec();
    Some(match ask.parse::<EchoData>() {
        Err(refused) => Err::<ControlReply, _>(refused).into(),
        Ok(echo) => Answer::later(async move {
            tokio::time::sleep(Duration::from_millis(echo.timeout_ms.into())).await;
            ControlReply::ok(whole)
        }),
    })
}
