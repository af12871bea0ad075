//! dozo
fn main() {}
