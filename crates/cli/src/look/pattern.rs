//! Which names are looked for.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use base::Fault;
use base::fault::Code;
use base::limits::{PATTERN_BRACES_MAX, PATTERN_BYTES_MAX, PATTERN_SHOWN_CHARS};
use format::entry::FileKey;
use globset::{GlobBuilder, GlobMatcher};

/// Something to find: a part of a name, or a pattern; with a slash, of the path below the source.
///
/// Without a capital letter in it, capitals do not matter.
pub(super) struct Pattern {
    what: What,
    /// It speaks of the whole path.
    of_path: bool,
    /// What is found begins with it.
    anchored: bool,
    /// Capitals matter.
    exact: bool,
}

enum What {
    Part(Vec<u8>),
    Glob(GlobMatcher),
}

impl Pattern {
    /// Reads what a person typed.
    ///
    /// # Errors
    /// `FindPatternInvalid`.
    pub(super) fn new(text: &str) -> Result<Self, Fault> {
        let shown: String = text.chars().take(PATTERN_SHOWN_CHARS).collect();
        let invalid = |reason: &str| {
            Fault::new(Code::FindPatternInvalid)
                .with("pattern", &shown)
                .with("reason", reason)
        };
        let exact = text.chars().any(char::is_uppercase);
        let of_path = text.contains('/');
        // What is found has no slash at its beginning.
        let wanted = text.strip_prefix('/').unwrap_or(text);
        if wanted.is_empty() {
            return Err(invalid("it is empty"));
        }
        // What compiles patterns does so by recursion, and panics at what is too large.
        let braces = text.bytes().filter(|b| *b == b'{').count();
        if text.len() > PATTERN_BYTES_MAX || braces > PATTERN_BRACES_MAX {
            return Err(invalid("it is too long"));
        }
        let what = if wanted.contains(['*', '?', '[', '{', '\\']) {
            let glob = GlobBuilder::new(wanted)
                .case_insensitive(!exact)
                .literal_separator(true)
                .build()
                .map_err(|e| invalid(&e.kind().to_string()))?;
            What::Glob(glob.compile_matcher())
        } else {
            let part = match exact {
                true => wanted.to_owned(),
                false => wanted.to_lowercase(),
            };
            What::Part(part.into_bytes())
        };
        Ok(Self {
            what,
            of_path,
            anchored: text.starts_with('/'),
            exact,
        })
    }

    /// Says whether an entry is looked for. The source itself has no name, and never is.
    pub(super) fn matches(&self, key: &FileKey) -> bool {
        if key.is_root() {
            return false;
        }
        if !self.of_path {
            return self.is_in(key.name());
        }
        key.to_path().is_ok_and(|path| self.is_in(&path))
    }

    fn is_in(&self, text: &[u8]) -> bool {
        let part = match &self.what {
            What::Glob(glob) => return glob.is_match(Path::new(OsStr::from_bytes(text))),
            What::Part(part) => part.as_slice(),
        };
        let lowered;
        let text = match self.exact || text.is_ascii() {
            true => text,
            false => {
                lowered = String::from_utf8_lossy(text).to_lowercase();
                lowered.as_bytes()
            }
        };
        let same = |window: &[u8]| match self.exact {
            true => window == part,
            false => window.eq_ignore_ascii_case(part),
        };
        match self.anchored {
            true => text.get(..part.len()).is_some_and(same),
            false => text.windows(part.len()).any(same),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Lists which of `paths` a pattern finds.
    fn check(pattern: &str, expected: &[&str]) {
        const PATHS: [&str; 7] = [
            "etc/nginx/nginx.conf",
            "etc/Hosts",
            "home/ann/Report-2026.odt",
            "home/ann/report",
            "home/ann/r\u{e9}sum\u{e9}.txt",
            "home/ann/R\u{c9}SUM\u{c9}.TXT",
            "a[1]",
        ];
        let pattern = Pattern::new(pattern).unwrap();
        let found = PATHS.into_iter().filter(|path| {
            let key = FileKey::from_path(path.as_bytes()).unwrap();
            pattern.matches(&key)
        });
        assert_eq!(found.collect::<Vec<_>>(), expected);
    }

    #[test]
    fn names_are_found_as_people_type_them() {
        check("report", &["home/ann/Report-2026.odt", "home/ann/report"]);
        check("Report", &["home/ann/Report-2026.odt"]);
        check("*.conf", &["etc/nginx/nginx.conf"]);
        check("hosts", &["etc/Hosts"]);
        check("nginx", &["etc/nginx/nginx.conf"]);
        check("r?port*", &["home/ann/Report-2026.odt", "home/ann/report"]);
        check(
            "sum\u{e9}",
            &[
                "home/ann/r\u{e9}sum\u{e9}.txt",
                "home/ann/R\u{c9}SUM\u{c9}.TXT",
            ],
        );
        check("/etc/*", &["etc/Hosts"]);
        check("/etc/h", &["etc/Hosts"]);
        check("/nginx", &[]);
        check("etc/**", &["etc/nginx/nginx.conf", "etc/Hosts"]);
        check("ann/rep", &["home/ann/Report-2026.odt", "home/ann/report"]);
        check("a\\[1\\]", &["a[1]"]);
        check("a[[]1]", &["a[1]"]);
        check(
            "*.{odt,conf}",
            &["etc/nginx/nginx.conf", "home/ann/Report-2026.odt"],
        );
        check("nothing", &[]);
    }

    #[test]
    fn what_cannot_be_understood_is_refused() {
        let (long, deep) = (
            "a".repeat(PATTERN_BYTES_MAX + 1),
            "{".repeat(300) + &"}".repeat(300),
        );
        for pattern in ["", "/", "[", "a[b", "{a", &long, &deep] {
            let fault = Pattern::new(pattern).err().unwrap();
            assert_eq!(fault.code, Code::FindPatternInvalid, "{pattern}");
        }
    }
}
