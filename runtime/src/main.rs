//! The one binary, `warren`. What it does is in [`warren::cli`].

fn main() -> std::process::ExitCode {
    warren::cli::main()
}
