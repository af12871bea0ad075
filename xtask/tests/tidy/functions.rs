//! Lengths of functions, read off rustfmt's layout: a function ends at the first `}` in its own column, a signature
//! without a body at the first line in its own column that ends with `;`.

use super::tree::rust;

/// Returns functions of more than `limit` lines. Tests are measured too: they are read as often.
pub(crate) fn too_long(limit: usize) -> Vec<String> {
    let mut offences = Vec::new();
    for file in rust() {
        let lines: Vec<&str> = file.text.lines().collect();
        for (start, line) in lines.iter().enumerate().filter(|(_, l)| opens_function(l)) {
            let indent = line.len() - line.trim_start().len();
            let margin = " ".repeat(indent);
            let ends = |l: &&str| {
                let own = l.strip_prefix(&margin).filter(|l| !l.starts_with(' '));
                own.is_some_and(|l| l == "}" || l.ends_with(';'))
            };
            let length = lines[start..].iter().position(ends).map_or(1, |n| n + 1);
            if length > limit {
                offences.push(format!("{}:{}: {length} lines", file.path, start + 1));
            }
        }
    }
    offences
}

fn opens_function(line: &str) -> bool {
    let mut words = line.trim_start().split(' ').skip_while(|w| {
        w.starts_with("pub") || ["const", "async", "unsafe", "extern", "\"C\""].contains(w)
    });
    words.next() == Some("fn") && !line.ends_with(';')
}
