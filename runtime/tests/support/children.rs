//! The processes that this one has started: the compilations that are under way.

/// Their ids. Counts all that the whole test process has, so that a suite needs a process for each test, as nextest has it.
pub fn children() -> Vec<String> {
    let threads = std::fs::read_dir("/proc/self/task").unwrap().map(|task| task.unwrap().path().join("children"));
    // A thread may be gone by now.
    let lists = threads.filter_map(|file| std::fs::read_to_string(file).ok());
    lists.flat_map(|ids| ids.split_whitespace().map(str::to_owned).collect::<Vec<_>>()).collect()
}
