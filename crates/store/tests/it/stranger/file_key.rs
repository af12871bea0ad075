//! "File keys": from a key to a path, refusing what is none.

use super::Read;

const KEY_LEN_MAX: usize = 128 << 10;
const NAME_LEN_MAX: usize = 1024;
const DEPTH_MAX: usize = 4096;

/// Returns the path of a key, with `/` between names; that of the root is empty.
pub(crate) fn path(key: &[u8]) -> Read<Vec<u8>> {
    if key.len() > KEY_LEN_MAX {
        return Err(String::from("a key above 128 KiB"));
    }
    if key.is_empty() {
        return Ok(Vec::new());
    }
    let split = key.iter().position(|byte| *byte == 0);
    let (directories, name) = key.split_at(split.ok_or("a key without a name")?);
    let mut names = components(directories)?;
    names.push(name[1..].to_vec());
    if names.len() > DEPTH_MAX {
        return Err(String::from("a path that is too deep"));
    }
    for name in &names {
        check(name)?;
    }
    Ok(names.join(&b'/'))
}

/// Takes `encode(c1) 01 encode(c2) ..` apart.
fn components(directories: &[u8]) -> Read<Vec<Vec<u8>>> {
    let mut names = Vec::new();
    if directories.is_empty() {
        return Ok(names);
    }
    let mut name = Vec::new();
    let mut bytes = directories.iter();
    while let Some(byte) = bytes.next() {
        match byte {
            1 => names.push(std::mem::take(&mut name)),
            2 => match bytes.next() {
                Some(escaped @ (1 | 2)) => name.push(*escaped),
                _ => return Err(String::from("an escape of nothing")),
            },
            _ => name.push(*byte),
        }
    }
    names.push(name);
    Ok(names)
}

fn check(name: &[u8]) -> Read<()> {
    let forbidden = name.contains(&0) || name.contains(&b'/') || name == b"." || name == b"..";
    if name.is_empty() || name.len() > NAME_LEN_MAX || forbidden {
        return Err(format!("a name that is none: {}", name.escape_ascii()));
    }
    Ok(())
}
