//! The project's own chores.

mod toolchain;

fn main() {
    match toolchain::find() {
        Ok(found) => println!("{}, {}", found.compiler, found.linker.display()),
        Err(missing) => println!("{missing}"),
    }
}
