//! `event …` and `scriptstatus`.

use super::execute::{Answer, Run};
use crate::event::command::{answered, on_directory, request};
use ctdb_protocol::console::Refusal;
use ctdb_protocol::console::command::Command;

impl Run<'_> {
    /// The answer, if the command is one of these.
    pub(super) async fn event_command(&self, command: &Command) -> Option<Result<Answer, Refusal>> {
        let Command::Event(command) = command else {
            return None;
        };
        let Some(service) = self.executor.cluster.events() else {
            return Some(Err(Refusal::new("No event scripts are run here")));
        };
        let (report, code) = if let Some(request) = request(command) {
            answered(command, service.answer(&request).await)
        } else {
            let (command, directory) = (command.clone(), service.directory().clone());
            let done = tokio::task::spawn_blocking(move || on_directory(&command, &directory));
            match done.await {
                Ok(done) => done,
                Err(error) => return Some(Err(Refusal::new(error.to_string()))),
            }
        };
        // What there is to say stands in the report.
        Some(Ok(Answer::new(report).coded(code, "(see above)")))
    }
}
