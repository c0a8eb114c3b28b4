//! Processor time of the client's side, from what Linux says about each thread.

/// Seconds that the threads whose names begin with one of these have run; `None` where that is not known.
/// `process` is an id or `self`.
#[cfg(target_os = "linux")]
pub fn seconds(process: &str, names: &[&str]) -> Option<f64> {
    let mut ticks = 0;
    for thread in std::fs::read_dir(format!("/proc/{process}/task")).ok()? {
        // A thread may end meanwhile.
        let Ok(stat) = std::fs::read_to_string(thread.ok()?.path().join("stat")) else { continue };
        // "id (name) state ...": the name may hold anything.
        let (name, rest) = stat.split_once('(')?.1.rsplit_once(')')?;
        if names.iter().any(|prefix| name.starts_with(prefix)) {
            // utime and stime are fields 14 and 15 of proc(5).
            ticks +=
                rest.split_whitespace().skip(11).take(2).filter_map(|field| field.parse::<u64>().ok()).sum::<u64>();
        }
    }
    // SAFETY: touches no memory of ours.
    let ticks_per_second = unsafe { libc::sysconf(libc::_SC_CLK_TCK) };
    (ticks_per_second > 0).then(|| ticks as f64 / ticks_per_second as f64)
}

#[cfg(not(target_os = "linux"))]
pub fn seconds(_: &str, _: &[&str]) -> Option<f64> {
    None
}
