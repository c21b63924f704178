//! The shell through which everything is started: `onnode.conf` is a shell script, and `ONNODE_SSH` may have words
//! of its own.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::thread;

/// Runs its arguments as those of ssh. A program takes the place of the shell, so that signals for the one reach the
/// other; a function of `onnode.conf` can't.
const ON_NODE: &str = r#"
[ ! -r "$0" ] || . "$0"
set -- ${ONNODE_SSH:-ssh} "$@"
case $(command -v "$1") in
  /*) exec "$@" ;;
  *) "$@" ;;
esac
"#;

/// Pushes files of the names in the second argument to the node that is the first.
const PUSH: &str = r#"
[ -z "$ONNODE_SSH" ] || export RSYNC_RSH="$ONNODE_SSH"
code=0
for file in $2; do
  case $file in
    /*) path=$file ;;
    *) path=$PWD/$file ;;
  esac
  [ -z "$3" ] || echo "Pushing $file"
  rsync "$path" "[$1]:$path" || code=$?
done
exit "$code"
"#;

/// Starts commands.
#[derive(Debug, Clone)]
pub(super) struct Shell {
    conf: PathBuf,
    program: &'static str,
}

impl Shell {
    /// With the `onnode.conf` of that directory.
    pub(super) fn new(base: &Path) -> Self {
        // Where there is one it may be what onnode.conf was written for.
        let program = if Path::new("/bin/bash").exists() {
            "/bin/bash"
        } else {
            "/bin/sh"
        };
        Self {
            conf: base.join("onnode.conf"),
            program,
        }
    }

    /// What runs a command on a node; `stdin`: it may read our standard input.
    pub(super) fn on_node(&self, node: &str, command: &str, stdin: bool) -> Command {
        let mut started = Command::new(self.program);
        started.arg("-c").arg(ON_NODE).arg(&self.conf);
        if !stdin {
            started.arg("-n");
        }
        started.args([node, command]);
        started
    }

    /// What pushes files to a node; `is_named`: it names them.
    pub(super) fn push(&self, node: &str, files: &str, is_named: bool) -> Command {
        let mut started = Command::new(self.program);
        started.arg("-c").arg(PUSH).arg("onnode");
        started.args([node, files, if is_named { "-v" } else { "" }]);
        started
    }

    /// The number of the node whose daemon is the first to tell it.
    pub(super) fn first_pnn(&self, nodes: &[String]) -> Option<usize> {
        let (found, answers) = mpsc::channel();
        let mut children = Vec::new();
        for node in nodes {
            let mut command = self.on_node(node, "ctdb pnn", false);
            command.stdout(Stdio::piped()).stderr(Stdio::null());
            let Ok(mut child) = command.spawn() else {
                continue;
            };
            let output = child.stdout.take();
            children.push(child);
            let found = found.clone();
            thread::spawn(move || {
                let mut text = String::new();
                if let Some(mut output) = output {
                    // What is no text is no number either.
                    let _ = output.read_to_string(&mut text);
                }
                let pnn = text.lines().find_map(|line| line.trim().parse().ok());
                let _ = found.send(pnn);
            });
        }
        drop(found);
        let first = answers.iter().flatten().next();
        for mut child in children {
            let _ = child.kill();
            let _ = child.wait();
        }
        first
    }
}

/// What `ctdb -X status` prints here.
pub(super) fn status() -> Result<String, String> {
    let unknown = |why: &str| format!("the state of the nodes is not known: {why}");
    let output = Command::new("ctdb").args(["-X", "status"]).output();
    let output = output.map_err(|error| unknown(&format!("ctdb: {error}")))?;
    if !output.status.success() {
        return Err(unknown(String::from_utf8_lossy(&output.stderr).trim()));
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}
