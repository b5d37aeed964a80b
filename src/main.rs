//! The `homing` command.

fn main() {
    std::process::exit(homing::cli::main());
}
