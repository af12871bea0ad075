//! The tables: markdown for people, made from results alone.
//!
//! A cell is the median of its good runs; a run that failed, or a tool whose restored tree differs, is said below
//! the tables and never silently averaged. The last column divides Dozo's figure by the best peer's.

use std::collections::BTreeSet;
use std::fmt::Write;

use super::result::{Results, Sample};
use super::row::{Cache, Row, Set, Work};
use super::tool::Kind;

const BEGIN: &str = "<!-- bench: begin -->";
const END: &str = "<!-- bench: end -->";

/// Returns `page` with what stands between its marks replaced, or nothing if it has no marks.
pub(crate) fn replace_region(page: &str, text: &str) -> Option<String> {
    let (before, rest) = page.split_once(BEGIN)?;
    let (_, after) = rest.split_once(END)?;
    Some(format!("{before}{BEGIN}\n{text}{END}{after}"))
}

/// Returns the whole report.
pub(crate) fn markdown(results: &Results) -> String {
    let mut out = String::new();
    conditions(&mut out, results);
    let tools: Vec<Kind> = results.tools.iter().map(|t| t.tool).collect();
    let table = |out: &mut String, title: &str, best: &str, lines: Vec<Line>| {
        if !lines.is_empty() {
            write_table(out, title, best, &tools, &lines);
        }
    };
    table(
        &mut out,
        "Wall seconds (CPU seconds)",
        "dozo / fastest peer",
        times(results, &tools),
    );
    table(
        &mut out,
        "Peak memory, MB (largest process, largest run)",
        "dozo / smallest peer",
        peaks(results, &tools),
    );
    table(
        &mut out,
        "Repository after the full backup, MiB",
        "dozo / smallest peer",
        sizes(results, &tools),
    );
    table(
        &mut out,
        "Added to the repository by one round of changes, MiB",
        "dozo / smallest peer",
        added(results, &tools),
    );
    notes(&mut out, results);
    out
}

/// One line of a table: a name, and for every tool what is shown and what is compared.
struct Line {
    name: String,
    cells: Vec<Option<(String, f64)>>,
    is_compared: bool,
}

fn conditions(out: &mut String, results: &Results) {
    let m = &results.machine;
    let _ = writeln!(
        out,
        "Measured {}: {}, {} cores, {:.0} GiB, Linux {}, {}, {}. Median of {} {}.\n",
        results.began.get(..10).unwrap_or(&results.began),
        m.processor,
        m.cores,
        gib(m.memory_bytes),
        m.kernel,
        m.system,
        m.file_system,
        results.runs,
        if results.runs == 1 { "run" } else { "runs" },
    );
    for s in &results.sets {
        let _ = writeln!(
            out,
            "- `{}`: {} files in {} directories, {:.2} GiB ({:.2} allocated)",
            s.set.name(),
            s.files,
            s.directories,
            gib(s.bytes),
            gib(s.allocated_bytes)
        );
    }
    for t in &results.tools {
        let _ = writeln!(out, "- {}: {}", t.tool, t.version);
    }
    for kind in &results.missing {
        let _ = writeln!(out, "- {kind}: not found, left out");
    }
}

fn gib(bytes: u64) -> f64 {
    bytes as f64 / (1u64 << 30) as f64
}

/// Returns the rows that were measured: by kind of work, then by set.
fn rows(results: &Results) -> Vec<Row> {
    let mut rows: Vec<Row> = results.samples.iter().map(|s| s.row).collect();
    rows.sort_by_key(|r| (r.work, r.set, r.cache));
    rows.dedup();
    rows
}

fn good(results: &Results, row: Row, tool: Kind) -> Vec<&Sample> {
    let of = |s: &&Sample| s.row == row && s.tool == tool && s.usage.exit == 0;
    results.samples.iter().filter(of).collect()
}

fn times(results: &Results, tools: &[Kind]) -> Vec<Line> {
    lines(
        results,
        tools,
        |_| true,
        |samples| {
            let wall = median(samples.iter().map(|s| s.usage.wall_s).collect())?;
            let cpu = median(samples.iter().map(|s| s.usage.cpu_s()).collect())?;
            Some((format!("{wall:.2} ({cpu:.1})"), wall))
        },
    )
}

fn peaks(results: &Results, tools: &[Kind]) -> Vec<Line> {
    lines(
        results,
        tools,
        |_| true,
        |samples| {
            let peak = samples.iter().map(|s| s.usage.peak_bytes).max()? as f64 / 1e6;
            Some((format!("{peak:.0}"), peak))
        },
    )
}

fn added(results: &Results, tools: &[Kind]) -> Vec<Line> {
    let cell = |samples: &[&Sample]| {
        let mib = |s: &&Sample| s.added_bytes as f64 / f64::from(1 << 20);
        let added = median(samples.iter().map(mib).collect())?;
        Some((format!("{added:.1}"), added))
    };
    lines(results, tools, |row| row.work == Work::Mutated, cell)
}

fn lines(
    results: &Results,
    tools: &[Kind],
    is_meant: impl Fn(&Row) -> bool,
    cell: impl Fn(&[&Sample]) -> Option<(String, f64)>,
) -> Vec<Line> {
    let line = |row: Row| Line {
        name: row.to_string(),
        cells: tools
            .iter()
            .map(|tool| cell(&good(results, row, *tool)))
            .collect(),
        is_compared: true,
    };
    let meant = rows(results).into_iter().filter(is_meant);
    meant.map(line).collect()
}

fn sizes(results: &Results, tools: &[Kind]) -> Vec<Line> {
    let mib = |bytes: u64| {
        let mib = bytes as f64 / f64::from(1 << 20);
        (format!("{mib:.1}"), mib)
    };
    let of = |row: Row, bytes: &dyn Fn(&Sample) -> u64| {
        let cell = |tool: &Kind| good(results, row, *tool).last().map(|s| mib(bytes(s)));
        tools.iter().map(cell).collect()
    };
    let mut lines = Vec::new();
    for row in rows(results).into_iter().filter(|r| r.work == Work::Full) {
        let set = row.set.name();
        lines.push(Line {
            name: format!("`{set}`"),
            cells: of(row, &|s| s.repository_bytes),
            is_compared: true,
        });
        lines.push(Line {
            name: format!("`{set}`, caches and keys beside it"),
            cells: of(row, &|s| s.local_bytes),
            is_compared: false,
        });
    }
    lines
}

fn write_table(out: &mut String, title: &str, best: &str, tools: &[Kind], lines: &[Line]) {
    let _ = write!(out, "\n| {title} |");
    for tool in tools {
        let _ = write!(out, " {tool} |");
    }
    let _ = writeln!(out, " {best} |");
    let _ = writeln!(out, "|---|{}---|", "---|".repeat(tools.len()));
    for line in lines {
        let _ = write!(out, "| {} |", line.name);
        for cell in &line.cells {
            let text = cell.as_ref().map_or("-", |(text, _)| text);
            let _ = write!(out, " {text} |");
        }
        let ratio = ratio(tools, line).filter(|_| line.is_compared);
        let _ = writeln!(out, " {} |", ratio.unwrap_or_else(|| "-".into()));
    }
}

/// Returns Dozo's figure divided by the best peer's, and whose that is.
fn ratio(tools: &[Kind], line: &Line) -> Option<String> {
    let figures = tools.iter().zip(&line.cells);
    let figures = figures.filter_map(|(tool, cell)| Some((*tool, cell.as_ref()?.1)));
    let (dozo, peers): (Vec<_>, Vec<_>) = figures.partition(|(tool, _)| *tool == Kind::Dozo);
    let (_, ours) = dozo.first()?;
    let (peer, theirs) = peers.into_iter().min_by(|a, b| a.1.total_cmp(&b.1))?;
    Some(format!("{:.2} ({peer})", ours / theirs))
}

fn notes(out: &mut String, results: &Results) {
    out.push('\n');
    comparisons(out, results);
    for failure in &results.failures {
        let _ = writeln!(out, "- Failed: {failure}");
    }
    fewer_runs(out, results);
    let most = |of: fn(&Sample) -> f64| results.samples.iter().map(of).fold(0.0, f64::max);
    let _ = writeln!(
        out,
        "- Noise: other programs used at most {:.0} % of a core while a command ran; `sync` after a command took at most {:.1} s (not in the table).",
        most(|s| 100.0 * s.other_cpu_s / s.usage.wall_s.max(0.1)),
        most(|s| s.sync_s)
    );
    if results.samples.iter().any(|s| s.row.cache == Cache::Found) {
        let _ = writeln!(
            out,
            "- The page cache could not be dropped: no row is cold."
        );
    }
}

fn comparisons(out: &mut String, results: &Results) {
    for set in Set::ALL {
        let of_set = results.comparisons.iter().filter(|c| c.set == set);
        let (same, differ): (Vec<_>, Vec<_>) = of_set.partition(|c| c.differences == 0);
        if !same.is_empty() {
            let names: Vec<&str> = same.iter().map(|c| c.tool.name()).collect();
            let _ = writeln!(
                out,
                "- Restored `{}` compared with the original, equal: {}.",
                set.name(),
                names.join(", ")
            );
        }
        for c in differ {
            let _ = writeln!(
                out,
                "- **Restored `{}` differs with {}**: {} entries, the first: {}.",
                set.name(),
                c.tool,
                c.differences,
                c.examples.first().map_or("", String::as_str)
            );
        }
    }
}

fn fewer_runs(out: &mut String, results: &Results) {
    let mut fewer = BTreeSet::new();
    for row in rows(results) {
        for t in &results.tools {
            let good = good(results, row, t.tool).len();
            if good > 0 && good < results.runs as usize {
                fewer.insert(format!("{row} with {}: {good}", t.tool));
            }
        }
    }
    if !fewer.is_empty() {
        let all: Vec<String> = fewer.into_iter().collect();
        let _ = writeln!(out, "- Fewer good runs than asked for: {}.", all.join("; "));
    }
}

fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    match values.len() {
        0 => None,
        n if n % 2 == 0 => Some((values[middle - 1] + values[middle]) / 2.0),
        _ => Some(values[middle]),
    }
}

#[cfg(test)]
mod tests;
