//! The `dozo` program: gives the command line the real world.

use std::ffi::OsString;
use std::process::ExitCode;

use cli::World;
use tracing_subscriber::EnvFilter;

#[expect(clippy::disallowed_methods, reason = "the program's edge")]
fn main() -> ExitCode {
    sources::hold_little_memory();
    let filter = std::env::var("DOZO_LOG").unwrap_or_else(|_| "off".to_owned());
    tracing_subscriber::fmt()
        .with_writer(std::io::stderr)
        .with_env_filter(EnvFilter::new(filter))
        .init();
    let args: Vec<OsString> = std::env::args_os().collect();
    match World::real(&args) {
        Ok(mut world) => ExitCode::from(cli::run(&args, &mut world)),
        Err(error) => {
            let (lines, exit) = cli::cannot_start(error);
            eprint!("{lines}");
            ExitCode::from(exit)
        }
    }
}
