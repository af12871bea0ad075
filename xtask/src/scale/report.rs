//! The tables: what was measured, and what it comes to at the sizes of a large owner.
//!
//! Carried on are straight lines through the two largest sizes below, over the size for amounts, over its logarithm for
//! what goes down a tree; a share stays. Rates of lookups are carried on as the time of one. Where the size of a large owner was measured
//! too, both stand beside one another: that says what such lines are worth.

use std::fmt::Write;

use super::figures::{GarbageFigures, IndexFigures, Rate, TreeFigures};
use crate::bench::machine::Machine;

const FILES: f64 = 1e7;
/// 100 TB in chunks of 1 MiB, in round figures.
const CHUNKS: f64 = 1e8;

/// Returns where and when.
pub(super) fn conditions(machine: &Machine) -> String {
    let date = crate::bench::environment::now();
    let cold = match rustix::process::geteuid().is_root() {
        true => "",
        false => " Not root: what is called cold is as found.",
    };
    format!(
        "Measured {}: {}, {} cores, {:.0} GiB, Linux {}, {}.{cold}\n",
        date.get(..10).unwrap_or(&date),
        machine.processor,
        machine.cores,
        machine.memory_bytes as f64 / f64::from(1 << 30),
        machine.kernel,
        machine.file_system
    )
}

/// How a figure grows.
#[derive(Clone, Copy)]
enum Growth {
    Amount,
    Depth,
    /// As the time of one.
    Rate,
    /// Not any more.
    Share,
}

struct Line<'a> {
    name: &'a str,
    growth: Growth,
    decimals: usize,
    values: Vec<f64>,
}

/// Returns the table of garbage collections.
pub(super) fn garbage(all: &[GarbageFigures]) -> String {
    let mut out = String::from(
        "\n| chunks | live | packs | marking, s | peak, MB | pool, MB | given back, MB | written anew, MB | the rest, s | peak, MB |\n|---|---|---|---|---|---|---|---|---|---|\n",
    );
    for g in all {
        let row = [
            g.chunks.to_string(),
            g.live.to_string(),
            g.packs.to_string(),
            format!("{:.2}", g.mark_s),
            format!("{:.0}", mb(g.mark_peak_bytes)),
            format!("{:.0}", mb(g.pool_bytes)),
            format!("{:.0}", mb(g.freed_bytes)),
            format!("{:.0}", mb(g.copied_bytes)),
            format!("{:.1}", g.execute_s),
            format!("{:.0}", mb(g.execute_peak_bytes)),
        ];
        out.push_str(&format!("| {} |\n", row.join(" | ")));
    }
    out
}

/// Returns the table of trees.
pub(super) fn trees(all: &[TreeFigures]) -> String {
    let line = |name, growth, decimals, of: fn(&TreeFigures) -> f64| Line {
        name,
        growth,
        decimals,
        values: all.iter().map(of).collect(),
    };
    let lines = [
        line("building, s", Growth::Amount, 2, |t| t.build_s),
        line("building, peak memory, MB", Growth::Depth, 0, |t| {
            mb(t.build_peak_bytes)
        }),
        line("tree nodes stored, MB", Growth::Amount, 1, |t| {
            mb(t.node_bytes)
        }),
        line("the same for each file, bytes", Growth::Share, 1, |t| {
            t.node_bytes as f64 / t.entries as f64
        }),
        line(
            "added by a change of 100 files, MB",
            Growth::Depth,
            2,
            |t| mb(t.update_bytes),
        ),
        line(
            "listing a directory of 100, cold, ms",
            Growth::Depth,
            1,
            |t| t.list_cold_s * 1e3,
        ),
        line(
            "differences of two trees, 100 files, cold, ms",
            Growth::Depth,
            1,
            |t| t.diff_cold_s * 1e3,
        ),
        line("opening the store, cold, ms", Growth::Depth, 1, |t| {
            t.open_s * 1e3
        }),
        line("peak memory of looking, MB", Growth::Depth, 0, |t| {
            mb(t.look_peak_bytes)
        }),
        line("log, kB", Growth::Amount, 1, |t| t.log_bytes as f64 / 1e3),
        line("index, MB", Growth::Amount, 2, |t| mb(t.index_bytes)),
    ];
    let sizes: Vec<f64> = all.iter().map(|t| t.entries as f64).collect();
    table("A tree of so many files", &sizes, FILES, &lines)
}

/// Returns the table of indexes.
pub(super) fn indexes(all: &[IndexFigures]) -> String {
    let line = |name, growth, decimals, of: fn(&IndexFigures) -> f64| Line {
        name,
        growth,
        decimals,
        values: all.iter().map(of).collect(),
    };
    let rates = |name, of: fn(&IndexFigures) -> Rate| -> [Line<'_>; 1] {
        [Line {
            name,
            growth: Growth::Rate,
            decimals: 0,
            values: all.iter().map(|i| of(i).per_wall_s).collect(),
        }]
    };
    let mut lines = vec![
        line("index on disk, MB", Growth::Amount, 0, |i| mb(i.file_bytes)),
        line("the same for each chunk, bytes", Growth::Share, 1, |i| {
            i.file_bytes as f64 / i.chunks as f64
        }),
        line("opening, cold, ms", Growth::Depth, 1, |i| i.open_s * 1e3),
        line("peak memory of lookups, MB", Growth::Depth, 0, |i| {
            mb(i.look_peak_bytes)
        }),
        line("peak memory of filling, MB", Growth::Depth, 0, |i| {
            mb(i.fill_peak_bytes)
        }),
        line("filling, s", Growth::Amount, 1, |i| i.fill_s),
        line(
            "chunks added a second, pack by pack",
            Growth::Rate,
            0,
            |i| i.adds_per_s,
        ),
    ];
    lines.extend(rates("misses a second, file in the page cache", |i| {
        i.warm.misses
    }));
    lines.extend(rates("hits in backup order a second, the same", |i| {
        i.warm.hits
    }));
    lines.extend(rates("misses a second, nothing in memory", |i| {
        i.cold.misses
    }));
    lines.extend(rates("hits in backup order a second, the same", |i| {
        i.cold.hits
    }));
    lines.push(line(
        "CPU of a miss, file in the page cache, µs",
        Growth::Depth,
        2,
        |i| 1e6 / i.warm.misses.per_cpu_s,
    ));
    lines.push(line("CPU of a hit, the same, µs", Growth::Depth, 2, |i| {
        1e6 / i.warm.hits.per_cpu_s
    }));
    let sizes: Vec<f64> = all.iter().map(|i| i.chunks as f64).collect();
    table("An index of so many chunks", &sizes, CHUNKS, &lines)
}

fn mb(bytes: u64) -> f64 {
    bytes as f64 / 1e6
}

fn table(title: &str, sizes: &[f64], target: f64, lines: &[Line<'_>]) -> String {
    let mut out = format!("\n| {title} |");
    for size in sizes {
        let _ = write!(out, " {size:.0} |");
    }
    let below = sizes.iter().filter(|size| **size < target).count();
    let is_carried_on = below > 1;
    if is_carried_on {
        let _ = write!(out, " {target:.0}, carried on |");
    }
    let columns = sizes.len() + usize::from(is_carried_on);
    let _ = writeln!(out, "\n|---|{}", "---|".repeat(columns));
    for line in lines {
        let _ = write!(out, "| {} |", line.name);
        let beyond = is_carried_on.then(|| carry_on(line, &sizes[..below], target));
        for value in line.values.iter().copied().chain(beyond) {
            let _ = write!(out, " {value:.*} |", line.decimals);
        }
        out.push('\n');
    }
    out
}

/// Returns a figure at `target`, from those at the two largest sizes.
fn carry_on(line: &Line<'_>, sizes: &[f64], target: f64) -> f64 {
    let last = sizes.len() - 1;
    let (from, to) = (line.values[last - 1], line.values[last]);
    let straight = |x: [f64; 3], y: [f64; 2]| {
        let slope = (y[1] - y[0]) / (x[1] - x[0]);
        y[1] + slope * (x[2] - x[1])
    };
    let x = [sizes[last - 1], sizes[last], target];
    match line.growth {
        Growth::Amount => straight(x, [from, to]),
        Growth::Depth => straight(x.map(f64::ln), [from, to]).max(0.0),
        Growth::Share => to,
        Growth::Rate => straight(x.map(f64::ln), [1.0 / from, 1.0 / to]).recip(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_carried_on_as_they_grow() {
        let check = |growth, values: [f64; 2], expected: f64| {
            let line = Line {
                name: "",
                growth,
                decimals: 0,
                values: values.to_vec(),
            };
            let found = carry_on(&line, &[1e6, 1e7], 1e8);
            assert!((found - expected).abs() < 1e-6 * expected, "{found}");
        };
        check(Growth::Amount, [2e6 + 5.0, 2e7 + 5.0], 2e8 + 5.0);
        check(Growth::Depth, [3.0, 4.0], 5.0);
        check(Growth::Share, [3.0, 4.0], 4.0);
        check(Growth::Rate, [1.0 / 2.0, 1.0 / 3.0], 1.0 / 4.0);
    }

    #[test]
    fn what_was_measured_stands_beside_what_was_carried_on() {
        let line = Line {
            name: "x",
            growth: Growth::Amount,
            decimals: 1,
            values: vec![1.0, 2.0, 9.0],
        };
        let text = table("T", &[1.0, 2.0, 10.0], 10.0, &[line]);
        let head = "\n| T | 1 | 2 | 10 | 10, carried on |\n|---|---|---|---|---|\n";
        assert_eq!(text, format!("{head}| x | 1.0 | 2.0 | 9.0 | 10.0 |\n"));
    }
}
