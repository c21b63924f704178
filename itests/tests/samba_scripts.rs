//! Samba's own integration scripts for CTDB 4.17, with our daemon in place of theirs and Debian's tool.
//!
//! Nothing of Samba's is part of this project: `CTDB_SAMBA_TREE` names the `ctdb` directory of a built source
//! tree. `docs/samba-scripts.md` says which scripts pass; those must.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use ctdb_itests::cluster::{Daemon, have_root, program};

/// The suites of scripts.
const SUITES: [&str; 3] = ["database", "failover", "simple"];
/// Names under which scripts look for our helper program.
const HELPERS: [&str; 3] = ["ctdb_mutex_fcntl_helper", "ctdb-path", "ctdb-config"];
/// Debian's programs that the scripts run.
const DEBIANS: [&str; 3] = ["/usr/bin/ctdb", "/usr/bin/ltdbtool", "/usr/bin/ping_pong"];
/// Seconds that one script may take.
const LIMIT_S: &str = "900";
/// Exit status of a script that does not apply.
const SKIPPED: i32 = 77;

/// A directory to run the scripts in; removed at the end.
struct Place {
    directory: PathBuf,
    tree: PathBuf,
}

impl Drop for Place {
    fn drop(&mut self) {
        if std::env::var_os("CTDB_TEST_KEEP").is_none() {
            let _ = fs::remove_dir_all(&self.directory);
        }
    }
}

fn link(program: &Path, to: &Path) {
    let _ = fs::remove_file(to);
    symlink(program, to).unwrap_or_else(|error| panic!("{}: {error}", to.display()));
}

/// Links every program of `from`.
fn link_all(from: &Path, bin: &Path) {
    for entry in fs::read_dir(from).into_iter().flatten().flatten() {
        let path = entry.path();
        let runs = fs::metadata(&path)
            .is_ok_and(|meta| meta.is_file() && meta.permissions().mode() & 0o111 != 0);
        if runs {
            link(&path, &bin.join(entry.file_name()));
        }
    }
}

impl Place {
    fn new(tree: PathBuf, daemon: Daemon) -> Self {
        // Short: the path of a node's socket has to fit into 107 bytes.
        let directory = PathBuf::from(format!("/tmp/scripts-{}", std::process::id()));
        let bin = directory.join("bin");
        fs::create_dir_all(&bin).expect("a directory");
        link_all(&tree.join("bin"), &bin);
        link_all(Path::new("/usr/libexec/ctdb"), &bin);
        for program in DEBIANS {
            let program = Path::new(program);
            link(program, &bin.join(program.file_name().expect("a name")));
        }
        link(&daemon.path(), &bin.join("ctdbd"));
        if daemon == Daemon::Ours {
            for name in HELPERS {
                link(&program("ctdb-helper"), &bin.join(name));
            }
        }
        Self { directory, tree }
    }

    fn output(&self, script: &str) -> PathBuf {
        self.directory.join(script.replace('/', "-"))
    }

    /// Runs a script in namespaces of its own, in which everything it started ends; answers its status.
    fn run(&self, script: &str) -> i32 {
        let output = File::create(self.output(script)).expect("a file");
        let runner = self.tree.join("tests/run_tests.sh");
        let status = Command::new("timeout")
            .args(["-s", "KILL", LIMIT_S, "unshare", "--net", "--pid", "--fork"])
            .args(["--mount", "--mount-proc", "--kill-child", "sh", "-c"])
            .arg("ip link set lo up && exec \"$@\"")
            .arg("sh")
            .arg(runner)
            // Without -e the runner ends with 0 whatever the script did.
            .args(["-e", "-H", "-V"])
            .arg(self.directory.join("v"))
            .arg(format!("INTEGRATION/{script}.sh"))
            .current_dir(&self.directory)
            .stdin(Stdio::null())
            .stdout(output.try_clone().expect("a file"))
            .stderr(output)
            .status();
        status.expect("timeout(1) runs").code().unwrap_or(-1)
    }
}

/// All scripts, as `SUITE/NAME`.
fn scripts(tree: &Path) -> Vec<String> {
    let mut all = Vec::new();
    for suite in SUITES {
        let folder = tree.join("tests/INTEGRATION").join(suite);
        for entry in fs::read_dir(&folder).into_iter().flatten().flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            if let Some(name) = name.strip_suffix(".sh") {
                all.push(format!("{suite}/{name}"));
            }
        }
    }
    all.sort();
    all
}

/// The rows of the document's table: script, then what it does with Debian's daemon and with ours.
fn expected() -> BTreeMap<String, (String, String)> {
    let document = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/samba-scripts.md");
    let text = fs::read_to_string(document).expect("the document");
    let rows = text.lines().filter_map(|line| {
        let mut cells = line.strip_prefix("| `")?.split('|').map(str::trim);
        let script = cells.next()?.trim_end_matches('`').to_owned();
        Some((script, (cells.next()?.to_owned(), cells.next()?.to_owned())))
    });
    rows.collect()
}

const fn word(status: i32) -> &'static str {
    match status {
        0 => "pass",
        SKIPPED => "skip",
        _ => "fail",
    }
}

#[test]
fn sambas_scripts_pass_as_the_document_says() {
    const NAME: &str = "sambas_scripts_pass_as_the_document_says";
    if !have_root(NAME) {
        return;
    }
    if std::env::var_os("CTDB_LONG").is_none() {
        println!("NOT RUN: {NAME}: it takes a quarter of an hour (CTDB_LONG=1)");
        return;
    }
    let Some(tree) = std::env::var_os("CTDB_SAMBA_TREE").map(PathBuf::from) else {
        println!(
            "NOT RUN: {NAME}: CTDB_SAMBA_TREE does not name the ctdb directory of a built Samba 4.17"
        );
        return;
    };
    let wanted = std::env::var("CTDB_SAMBA_SCRIPTS").unwrap_or_default();
    let daemon = Daemon::from_env();
    let place = Place::new(tree, daemon);
    let (mut expected, mut worse) = (expected(), Vec::new());
    for script in scripts(&place.tree) {
        let (debian, ours) = expected.remove(&script).unwrap_or_default();
        if !script.contains(&wanted) {
            continue;
        }
        let begin = Instant::now();
        let result = word(place.run(&script));
        println!("{result} {script} ({:.0} s)", begin.elapsed().as_secs_f64());
        let said = if daemon == Daemon::Ours { ours } else { debian };
        if said == "pass" && result == "fail" {
            let output = fs::read_to_string(place.output(&script)).unwrap_or_default();
            println!("{output}");
            worse.push(script);
        } else if said != result {
            println!("  the document says: {said}");
        }
    }
    assert!(expected.is_empty(), "no such script: {expected:?}");
    assert!(worse.is_empty(), "these should pass: {worse:?}");
}
