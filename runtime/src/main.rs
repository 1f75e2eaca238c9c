//! The one binary, `warren`. What it does is in [`warren::cli`].

/// Tasks are allocated on one thread and freed on another, thousands a second: the system's allocator spends a sixth of the
/// runtime's time on that, most of it on its locks (`docs/performance.md`).
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> std::process::ExitCode {
    warren::cli::main()
}
