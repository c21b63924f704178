//! The first process of a namespace: it keeps it alive, reaps orphans, and ends with its standard input, so
//! that everything inside ends with the program that made the namespace, however that one ends.

use std::io::{Read, Write};
use std::time::Duration;

use rustix::process::{WaitOptions, wait};

/// Prints READY, then stays until standard input ends.
pub fn hold() -> std::io::Result<()> {
    let mut stdout = std::io::stdout();
    stdout.write_all(b"READY\n")?;
    stdout.flush()?;
    std::thread::spawn(|| {
        loop {
            // Blocks while there are children; an error means that there are none.
            if wait(WaitOptions::empty()).is_err() {
                std::thread::sleep(Duration::from_millis(50));
            }
        }
    });
    let mut buffer = [0; 64];
    while std::io::stdin().read(&mut buffer)? > 0 {}
    Ok(())
}
