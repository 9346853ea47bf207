//! What the kernel says of a process.

use std::time::Duration;

use anyhow::Context;

/// At one moment.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Usage {
    /// CPU time so far, user and system.
    pub(crate) cpu: Duration,
    pub(crate) resident_kib: u64,
    /// The most it ever held.
    pub(crate) peak_kib: u64,
    pub(crate) files: u64,
}

impl Usage {
    /// `proc(5)`: `stat`, `status` and `fd`.
    pub(crate) fn of(process: u32) -> anyhow::Result<Self> {
        let directory = format!("/proc/{process}");
        let status = std::fs::read_to_string(format!("{directory}/status"))
            .context("the process has ended")?;
        Ok(Usage {
            cpu: cpu(&std::fs::read_to_string(format!("{directory}/stat"))?)?,
            resident_kib: kib(&status, "VmRSS:")?,
            peak_kib: kib(&status, "VmHWM:")?,
            files: std::fs::read_dir(format!("{directory}/fd"))?.count() as u64,
        })
    }
}

/// Fields 14 and 15 of `stat`, in the kernel's ticks of 10 ms.
pub(crate) fn cpu(stat: &str) -> anyhow::Result<Duration> {
    let after_name = stat.rsplit_once(')').context("no name in stat")?.1;
    let fields: Vec<&str> = after_name.split_whitespace().collect();
    let ticks = |index: usize| -> anyhow::Result<u64> {
        Ok(fields.get(index).context("too few fields")?.parse()?)
    };
    Ok(Duration::from_millis((ticks(11)? + ticks(12)?) * 10))
}

fn kib(status: &str, name: &str) -> anyhow::Result<u64> {
    let line = status.lines().find(|line| line.starts_with(name));
    let number = line.and_then(|line| line.split_whitespace().nth(1));
    Ok(number.with_context(|| format!("no {name}"))?.parse()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_spaces_and_brackets_hides_nothing() {
        let stat = "7 (a (b) c) S 1 2 3 4 5 6 7 8 9 10 150 25 0 0 20 0 1 0 100 1000 50";
        assert_eq!(cpu(stat).unwrap(), Duration::from_millis(1750));
    }

    #[test]
    fn this_process_can_be_asked() {
        let usage = Usage::of(std::process::id()).unwrap();
        assert!(
            usage.resident_kib > 0 && usage.peak_kib >= usage.resident_kib && usage.files > 2,
            "{usage:?}"
        );
    }
}
