//! The command `nodeferry`.

fn main() {
    std::process::exit(nodeferry::cli::run());
}
