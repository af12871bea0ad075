//! `big`: 4 GiB in a few files, a quarter each of random bytes, text logs, a sparse image and real binaries.

use std::fs::{self, File};
use std::io::{BufReader, BufWriter, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use super::chance::Chance;
use super::{find, scaled};

const MIB: u64 = 1 << 20;
const QUARTER: u64 = 1 << 30;

/// Makes the set in an empty directory.
///
/// # Errors
/// It cannot be written.
pub(super) fn make(dir: &Path, roots: &[PathBuf], scale: f64) -> Result<()> {
    let quarter = scaled(QUARTER, scale).max(MIB);
    for sub in ["logs", "bin"] {
        fs::create_dir(dir.join(sub)).with_context(|| format!("making {sub}"))?;
    }
    write(&dir.join("random.bin"), |out| random(out, quarter))?;
    for n in 0..8 {
        let path = dir.join(format!("logs/app{n}.log"));
        write(&path, |out| log(out, 1000 + n, quarter / 8))?;
    }
    binaries(&dir.join("bin"), roots, quarter)?;
    image(&dir.join("vm.img"), roots, quarter)
}

fn write(
    path: &Path,
    fill: impl FnOnce(&mut BufWriter<File>) -> std::io::Result<()>,
) -> Result<()> {
    let context = || format!("writing {}", path.display());
    let file = File::create(path).with_context(context)?;
    let mut out = BufWriter::with_capacity(1 << 20, file);
    fill(&mut out)
        .and_then(|()| out.flush())
        .with_context(context)
}

fn random(out: &mut dyn Write, bytes: u64) -> std::io::Result<()> {
    let mut chance = Chance::new(1);
    let mut piece = vec![0; MIB as usize];
    let mut left = bytes;
    while left > 0 {
        chance.fill(&mut piece);
        let now = left.min(MIB);
        out.write_all(&piece[..now as usize])?;
        left -= now;
    }
    Ok(())
}

const WORDS: &[&str] = &[
    "api", "v1", "v2", "users", "orders", "items", "cart", "login", "static", "img", "search",
    "admin", "report", "export", "health", "metrics", "session", "token", "profile", "billing",
    "invoice", "download", "upload", "batch", "queue", "job",
];
const BROWSERS: &[&str] = &[
    "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0",
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0 Safari/537.36",
    "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 Mobile/15E148",
    "curl/8.8.0",
    "kube-probe/1.30",
    "Prometheus/2.53.0",
    "python-requests/2.32.3",
];

/// Three lines of a web server to one of a service, as a machine that serves both would log them.
pub(super) fn log(out: &mut dyn Write, seed: u64, bytes: u64) -> std::io::Result<()> {
    let mut chance = Chance::new(seed);
    let addresses: Vec<String> = (0..4000)
        .map(|_| {
            let part = |c: &mut Chance| 1 + c.below(254);
            let c = &mut chance;
            format!("{}.{}.{}.{}", part(c), part(c), part(c), part(c))
        })
        .collect();
    let mut time_ms = 1_700_000_000_000;
    let mut left = bytes;
    while left > 0 {
        time_ms += chance.below(20);
        let line = match chance.below(4) {
            0 => service_line(&mut chance, time_ms),
            _ => web_line(&mut chance, time_ms, &addresses),
        };
        let now = left.min(line.len() as u64);
        out.write_all(&line.as_bytes()[..now as usize])?;
        left -= now;
    }
    Ok(())
}

fn request_path(c: &mut Chance) -> String {
    format!("/{}/{}/{}", c.one(WORDS), c.one(WORDS), c.below(100_000))
}

fn web_line(c: &mut Chance, time_ms: u64, addresses: &[String]) -> String {
    let s = time_ms / 1000;
    let (day, hour, minute) = (s / 86_400 % 28 + 1, s / 3600 % 24, s / 60 % 60);
    let status = if c.below(6) == 0 { 404 } else { 200 };
    format!(
        "{} - - [{day:02}/Nov/2026:{hour:02}:{minute:02}:{:02} +0000] \"GET {} HTTP/1.1\" {status} {} \"-\" \"{}\" rt=0.{:03}\n",
        c.one(addresses),
        s % 60,
        request_path(c),
        c.below(65_536),
        c.one(BROWSERS),
        c.below(1000)
    )
}

fn service_line(c: &mut Chance, time_ms: u64) -> String {
    format!(
        "{}.{:03} level=info req={:016x} svc={} msg=\"handled {}\" dur_us={} shard={} trace={:016x}{:016x}\n",
        time_ms / 1000,
        time_ms % 1000,
        c.next(),
        c.one(WORDS),
        request_path(c),
        c.below(1 << 18),
        c.below(16),
        c.next(),
        c.next()
    )
}

/// Copies real files of more than 1 and at most 300 MiB, the largest first; the last is cut off.
fn binaries(dir: &Path, roots: &[PathBuf], bytes: u64) -> Result<()> {
    let mut found = Vec::new();
    let more = ["/usr/bin", "/usr/local/bin"].map(PathBuf::from);
    for root in roots.iter().chain(&more) {
        find::walk(root, &mut |path, metadata| {
            if metadata.is_file() && metadata.len() > MIB && metadata.len() <= 300 * MIB {
                found.push((std::cmp::Reverse(metadata.len()), path.to_path_buf()));
            }
            true
        });
    }
    found.sort();
    let mut left = bytes;
    for (n, (_, path)) in found.iter().enumerate() {
        if left == 0 {
            return Ok(());
        }
        let Ok(file) = File::open(path) else {
            continue;
        };
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let mut content = file.take(left);
        write(&dir.join(format!("{n:03}-{name}")), |out| {
            left -= std::io::copy(&mut content, out)?;
            Ok(())
        })?;
    }
    if left > 0 {
        eprintln!(
            "{} MiB of binaries are missing; --root names more places",
            left / MIB
        );
    }
    Ok(())
}

/// Lays real files out as a file system in an image does: each from a block of 4 KiB on, in groups of 128 MiB
/// of which the last two fifths were never written. Those stay holes.
fn image(path: &Path, roots: &[PathBuf], bytes: u64) -> Result<()> {
    let context = || format!("writing {}", path.display());
    let mut out = File::create(path).with_context(context)?;
    out.set_len(bytes).with_context(context)?;
    let group = (bytes / 8).max(4096);
    let filled = group / 5 * 3;
    let (mut at, mut seen, mut failed) = (0, 0u64, None);
    for root in roots.iter().rev() {
        let goes_on = find::walk(root, &mut |from, metadata| {
            if !metadata.is_file() || metadata.len() == 0 || metadata.len() > 4 * MIB {
                return true;
            }
            seen += 1;
            if !seen.is_multiple_of(4) {
                return true; // other files than `src` has, mostly
            }
            if at % group > filled {
                at = (at / group + 1) * group;
            }
            if at + metadata.len() > bytes {
                return false;
            }
            match place(&mut out, at, from) {
                Ok(written) => at = (at + written).next_multiple_of(4096),
                Err(e) => failed = Some(e),
            }
            failed.is_none()
        });
        if !goes_on {
            break;
        }
    }
    failed.map_or(Ok(()), |e| Err(e).with_context(context))
}

fn place(out: &mut File, at: u64, from: &Path) -> std::io::Result<u64> {
    let Ok(file) = File::open(from) else {
        return Ok(0);
    };
    out.seek(SeekFrom::Start(at))?;
    std::io::copy(&mut BufReader::new(file).take(4 * MIB), out)
}
