//! `many`: 1,000,000 files in 10,000 directories; three of four are empty, one has 16 to 200 unique bytes.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};

use super::chance::Chance;
use super::scaled;

/// Makes the set in an empty directory.
///
/// # Errors
/// It cannot be written.
pub(super) fn make(dir: &Path, scale: f64) -> Result<()> {
    let mut chance = Chance::new(3);
    for number in 0..scaled(10_000, scale).max(1) {
        let dir = dir
            .join(format!("{:03}", number / 100))
            .join(format!("d{number:05}"));
        fs::create_dir_all(&dir).with_context(|| format!("making {}", dir.display()))?;
        for file in 0..100 {
            let path = dir.join(format!("f{file:03}-{:08x}.dat", chance.next() >> 32));
            let content = match file % 4 {
                0 => hexadecimal(&mut chance),
                _ => String::new(),
            };
            fs::write(&path, content).with_context(|| format!("writing {}", path.display()))?;
        }
    }
    Ok(())
}

/// Returns 16 to 200 characters, an even number of them.
fn hexadecimal(chance: &mut Chance) -> String {
    let bytes = 8 + chance.below(93);
    (0..bytes)
        .map(|_| format!("{:02x}", chance.below(256)))
        .collect()
}
