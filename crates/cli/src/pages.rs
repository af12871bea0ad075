//! A list that comes in pages, as one JSON document that nobody holds: a million entries are written as they come.
//!
//! What a reader gets of a list that ended with a failure is not JSON: it lacks its end, and the exit code says why.

use api::{Problem, View};

use crate::session::{Session, json};

/// A document under way.
pub struct Pages {
    /// What its first line that has to do with the list looks like.
    begin: String,
    is_begun: bool,
    has_items: bool,
}

impl Pages {
    /// Begins a document whose list is the field `list` of its views.
    pub fn new(list: &str) -> Self {
        Self {
            begin: format!("\n  \"{list}\": ["),
            is_begun: false,
            has_items: false,
        }
    }

    /// Writes the items of a page, after all that stands before the list if it is the first, and before all that stands after
    /// the list if it is the last.
    ///
    /// # Errors
    /// The output cannot be written.
    pub fn add<T: View>(
        &mut self,
        session: &mut Session<'_>,
        page: T,
        is_last: bool,
    ) -> Result<(), Problem> {
        let text = json(page);
        let (before, list) = text
            .split_once(&self.begin)
            .expect("a page has its list, and in JSON no text has a line of its own");
        let mut out = String::new();
        if !self.is_begun {
            out = [before, &self.begin].concat();
            self.is_begun = true;
        }
        // What belongs to an item is indented further than the list's end.
        let (items, after) = match list.strip_prefix(']') {
            Some(after) => ("", after),
            None => list.split_once("\n  ]").unwrap_or((list, "")),
        };
        if !items.is_empty() {
            out.push_str(if self.has_items { "," } else { "" });
            out.push_str(items);
            self.has_items = true;
        }
        if is_last {
            out.push_str(if self.has_items { "\n  ]" } else { "]" });
            out.push_str(after);
        }
        session.print(&out)
    }
}
