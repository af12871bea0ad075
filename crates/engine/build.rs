//! Makes a new file in `migrations/` a reason to compile again.

fn main() {
    println!("cargo:rerun-if-changed=migrations");
}
