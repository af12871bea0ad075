//! The whole at a glance.

use api::view::{
    ExplainView, Health, OwnerView, PoolView, SourceView, StatusView, VolumeState, VolumeView,
};
use base::Lang;
use base::units::{bytes, count};

use super::column::fields;
use super::when::Here;
use super::{counted, job, source};

/// Returns the server at a glance, and which other process owns the data directory.
pub fn status(view: &StatusView, other: Option<&OwnerView>, here: &Here) -> String {
    let health = match view.health {
        Health::Ok => promise(&view.sources),
        Health::Attention => "Something needs attention:".to_owned(),
        Health::Empty if view.sources.is_empty() => {
            "Nothing is protected yet. Try: dozo protect PATH".to_owned()
        }
        Health::Empty => format!(
            "Nothing is protected now; the recovery points of {} are kept. Try: dozo protect PATH",
            counted(view.sources.len() as u64, "source", "sources")
        ),
    };
    let mut out = format!("{health}\n");
    for sentence in &view.attention {
        out.push_str(&format!("  - {sentence}\n"));
    }
    if !view.sources.is_empty() {
        out.push('\n');
        out.push_str(&source::table(&view.sources, here));
    }
    if !view.jobs.is_empty() {
        out.push('\n');
        for job in &view.jobs {
            let source = job.source.as_deref().unwrap_or("the server");
            let doing = format!("{} {} of {source}", job::state(job.state), job.kind);
            out.push_str(&format!("{doing}: {}\n", crate::progress::describe(job)));
        }
    }
    out.push('\n');
    let next = view.next_point.map(|time| match view.scheduling {
        true => here.exact(time),
        false => format!("{}, if `dozo up` runs then", here.exact(time)),
    });
    out.push_str(&fields(&[
        ("Next point", next.unwrap_or_default()),
        ("Pool", pool_in_words(&view.pool)),
        ("Data", view.data_dir.to_string()),
        (
            "Owner",
            other.map(|other| owner(other, here)).unwrap_or_default(),
        ),
    ]));
    out
}

fn promise(sources: &[SourceView]) -> String {
    let count = |health: &str| sources.iter().filter(|s| s.health == health).count() as u64;
    let kept = match count("waiting") {
        0 => "Every member has a recovery point as new as its policy promises.".to_owned(),
        n => format!(
            "Every promise is kept; {} for the first recovery point.",
            counted(n, "member waits", "members wait")
        ),
    };
    match count("inactive") {
        0 => kept,
        n => format!(
            "{kept}\n{} protected, and the recovery points are kept.",
            counted(n, "source is not", "sources are not")
        ),
    }
}

fn owner(owner: &OwnerView, here: &Here) -> String {
    format!(
        "process {}, `{}`, since {}",
        owner.pid,
        owner.command,
        here.exact(owner.since)
    )
}

fn pool_in_words(pool: &PoolView) -> String {
    let unreadable = match pool.unreadable_packs {
        0 => String::new(),
        n => format!(", {} cannot be read", counted(n, "pack", "packs")),
    };
    let free = pool
        .free_bytes
        .map(|free| format!(", {} free", bytes(free)))
        .filter(|_| !pool.read_only);
    let read_only = if pool.read_only { ", read-only" } else { "" };
    format!(
        "{} hold {} of {}{}{read_only}{unreadable}",
        bytes(pool.bytes),
        bytes(pool.protected_bytes),
        counted(pool.points, "recovery point", "recovery points"),
        free.unwrap_or_default()
    )
}

/// Returns the storage pool.
pub fn pool(view: &PoolView) -> String {
    let ratio = if view.bytes == 0 {
        String::new()
    } else {
        let ratio = view.protected_bytes as f64 / view.bytes as f64;
        format!("{ratio:.1} bytes protected for each byte stored")
    };
    let free = match (view.free_bytes, view.total_bytes) {
        (Some(free), Some(total)) => format!("{} of {}", bytes(free), bytes(total)),
        (Some(free), None) => bytes(free),
        _ => String::new(),
    };
    fields(&[
        ("Pool", view.path.to_string()),
        (
            "State",
            String::from(if view.read_only { "read-only" } else { "" }),
        ),
        ("Used", bytes(view.bytes)),
        ("Free", free),
        ("Growth", growth(view)),
        ("Recovery points", count(view.points)),
        ("Protected", bytes(view.protected_bytes)),
        ("Saving", ratio),
        ("Packs", count(view.packs)),
        (
            "Unreadable",
            match view.unreadable_packs {
                0 => String::new(),
                n => counted(n, "pack", "packs"),
            },
        ),
        (
            "Superseded",
            match view.superseded_packs {
                0 => String::new(),
                n => format!("{}, damaged and stored anew", counted(n, "pack", "packs")),
            },
        ),
        ("Chunks", count(view.chunks)),
    ]) + &volumes(&view.volumes)
}

fn volumes(views: &[VolumeView]) -> String {
    if views.is_empty() {
        return String::new();
    }
    let mut table = super::column::Table::new(&["VOLUME", "STATE", "FREE", "PATH"]);
    for view in views {
        let free = match (view.free_bytes, view.total_bytes) {
            (Some(free), Some(total)) => format!("{} of {}", bytes(free), bytes(total)),
            _ => String::new(),
        };
        let state = match (view.state, &view.why) {
            (VolumeState::Ok, _) => "ok".to_owned(),
            (VolumeState::Draining, _) => "draining".to_owned(),
            (VolumeState::Away, Some(why)) => format!("away: {why}"),
            (VolumeState::Away, None) => "away".to_owned(),
        };
        table.row(vec![view.name.clone(), state, free, view.path.to_string()]);
    }
    format!("\n{}", table.render())
}

/// Returns how fast a pool grows, and for how long there is room.
fn growth(view: &PoolView) -> String {
    let Some(daily) = view.growth_per_day.filter(|daily| *daily > 0) else {
        return String::new();
    };
    let lasts = match view.left_bytes.map(|left| left.checked_div(daily)) {
        Some(Some(days)) if days < 3650 => {
            format!(", room for {}", counted(days, "day", "days"))
        }
        _ => String::new(),
    };
    format!("{} a day{lasts}", bytes(daily))
}

/// Returns the word for a severity, as `dozo explain CODE` says it.
fn severity(name: &str, language: Lang) -> &str {
    match (language, name) {
        (Lang::En, name) => name,
        (Lang::Ja, "critical") => "重大",
        (Lang::Ja, "warning") => "警告",
        (Lang::Ja, _) => "情報",
    }
}

/// Returns the codes of the catalogue, one a line.
pub fn codes(views: &[ExplainView], language: Lang) -> String {
    let mut table = super::column::Table::new(match language {
        Lang::En => &["CODE", "SEVERITY", "MEANING"],
        Lang::Ja => &["コード", "重大度", "内容"],
    });
    for view in views {
        table.row(vec![
            view.code.clone(),
            severity(&view.severity, language).to_owned(),
            view.what.clone(),
        ]);
    }
    table.render()
}
