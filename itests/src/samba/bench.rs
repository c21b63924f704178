//! Opens of one directory through all nodes at once.

use std::net::IpAddr;
use std::time::Duration;

use super::Samba;

impl Samba<'_> {
    /// How often a second four connections, each to the next address, open and close the share's own directory.
    pub fn path_contention(&self, addresses: &[IpAddr], seconds: u64) -> f64 {
        let limit = Duration::from_secs(seconds + 30);
        let time = format!("--timelimit={seconds}");
        let name = "smb2.bench.path-contention-shared";
        let suite = self.torture(
            name,
            addresses,
            limit,
            &[&time, "--option=torture:nprocs=4"],
        );
        last_rate(&suite.text).unwrap_or_else(|| panic!("no rate: {}", suite.text))
    }
}

/// The last rate that it prints, that of the whole time.
fn last_rate(text: &str) -> Option<f64> {
    let lines = text.lines().flat_map(|line| line.split('\r'));
    let rate = |line: &str| {
        let (_, rest) = line.split_once("open[num/s=")?;
        rest.split(',').next()?.trim().parse().ok()
    };
    lines.filter_map(rate).next_back()
}
