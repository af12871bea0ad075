//! `dozo explain`: the catalogue of faults, without a server.

use api::view::{ExplainListView, ExplainView};
use base::fault::Code;
use base::{Fault, Lang};

use crate::session::{self, DONE, Manner};
use crate::show;
use crate::world::World;

/// Explains one code, or lists all.
///
/// # Errors
/// `CodeUnknown`.
pub fn run(world: &mut World, manner: Manner, code: Option<&str>) -> Result<u8, Fault> {
    let Some(text) = code else {
        let codes: Vec<ExplainView> = Code::all().iter().map(|c| view(*c, manner)).collect();
        let text = if manner.json {
            session::json(ExplainListView { codes })
        } else {
            show::status::codes(&codes, manner.language)
        };
        session::print(world, &text)?;
        return Ok(DONE);
    };
    let found = Code::search(text);
    if found.is_empty() {
        return Err(Fault::new(Code::CodeUnknown).with("code", text));
    }
    let text = if manner.json {
        let codes = found.iter().map(|code| view(*code, manner)).collect();
        session::json(ExplainListView { codes })
    } else {
        let texts: Vec<String> = found
            .iter()
            .map(|code| code.explain(manner.language).to_string())
            .collect();
        texts.join("\n")
    };
    session::print(world, &text)?;
    Ok(DONE)
}

fn view(code: Code, manner: Manner) -> ExplainView {
    let language: Lang = manner.language;
    let text = code.explain(language).text;
    ExplainView {
        code: code.name().to_owned(),
        compat_ids: code.compat().iter().map(|id| (*id).to_owned()).collect(),
        severity: code.severity().name().to_owned(),
        exit: code.exit(),
        what: text.what,
        why: text.why,
        actions: text.actions,
    }
}
