//! The one binary, `warren`. What it does is in [`warren::cli`].

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> std::process::ExitCode {
    warren::cli::main()
}
