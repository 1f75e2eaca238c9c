//! What processes have used, from `/proc`: Linux tells it, of other systems nothing is known here.

use std::{fs, time::Duration};

/// Ticks a second in `/proc`: `USER_HZ`, which is 100 on every architecture that warren is built for.
const TICKS: u64 = 100;

/// The time that a process has had a processor, and those of its children that it has waited for. None if it is not known.
pub fn cpu_of(process: u32) -> Option<Duration> {
    cpu_in(&fs::read_to_string(format!("/proc/{process}/stat")).ok()?)
}

/// The same of all processes with that name together, as the system cuts it: `postgres`, `beam.smp`. None if none of them is
/// to be seen from here. What one has used that ends meanwhile is kept by its parent.
pub fn cpu_of_all(name: &str) -> Option<Duration> {
    let processes = fs::read_dir("/proc").ok()?.flatten();
    let times = processes.filter_map(|process| {
        // One may end between the two looks.
        let named = fs::read_to_string(process.path().join("comm")).is_ok_and(|comm| comm.trim_end() == name);
        cpu_in(&fs::read_to_string(process.path().join("stat")).ok().filter(|_| named)?)
    });
    times.reduce(|all, one| all + one)
}

/// The memory of a process in bytes: what is resident, and the most that ever was. None if it is not known.
pub fn memory_of(process: u32) -> Option<(u64, u64)> {
    let status = fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let bytes = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name))?;
        line.split_whitespace().next()?.parse::<u64>().ok()?.checked_mul(1_024)
    };
    Some((bytes("VmRSS:")?, bytes("VmHWM:")?))
}

/// Fields 14 to 17 of proc(5)'s `stat`: in user and in kernel mode, its own and that of its children. The name, which may hold
/// anything, ends with the last bracket; field 3 stands behind it.
fn cpu_in(stat: &str) -> Option<Duration> {
    let (_, fields) = stat.rsplit_once(')')?;
    let ticks: Vec<u64> = fields.split_whitespace().skip(11).take(4).map_while(|ticks| ticks.parse().ok()).collect();
    let [user, kernel, of_children @ ..] = ticks.as_slice() else { return None };
    let all = user + kernel + of_children.iter().sum::<u64>();
    Some(Duration::from_millis(all * 1_000 / TICKS))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fields_stand_behind_a_name_with_anything_in_it() {
        let stat = "4711 (a) b (c)) S 1 2 3 4 5 6 7 8 9 10 150 20 7 3 20 0 1 0 0";
        assert_eq!(cpu_in(stat), Some(Duration::from_millis(1_800)));
        assert_eq!(cpu_in("4711 (x) S 1 2"), None);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn this_process_has_used_something() {
        let (resident, most) = memory_of(std::process::id()).unwrap();
        assert!(resident > 0 && most >= resident);
        assert!(cpu_of(std::process::id()).is_some() && cpu_of_all("no such process").is_none());
    }
}
