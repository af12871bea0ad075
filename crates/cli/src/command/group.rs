//! `dozo group`.

use api::Problem;
use api::request::{ChangeGoals, ChangeGroup, ChangeRetention, CreateGroup, Members};
use base::fault::Code;

use super::protect::named;
use crate::args;
use crate::session::{DONE, Session};
use crate::show;

/// Runs `dozo group ...`.
///
/// # Errors
/// There is no such group or source, or the policy makes no sense.
pub fn run(session: &mut Session<'_>, verb: &args::Group) -> Result<u8, Problem> {
    match verb {
        args::Group::List => {
            let view = session.operations.groups()?;
            session.answer(view, show::group::list)?;
        }
        args::Group::Show { group } => {
            let view = session.operations.group(group)?;
            session.answer(view, show::group::one)?;
        }
        args::Group::Create { group, goals } => {
            let request = CreateGroup {
                name: group.clone(),
                goals: change(goals),
            };
            let view = session.operations.create_group(&request)?;
            session.answer(view, show::group::one)?;
        }
        args::Group::Set {
            group,
            goals,
            dry_run,
            yes,
        } => {
            let request = ChangeGroup {
                goals: change(goals),
                dry_run: *dry_run,
                expire: *yes,
            };
            set(session, group, &request)?;
        }
        args::Group::Add { group, sources } => {
            let request = members(session, sources);
            let view = session.operations.add_members(group, &request)?;
            session.answer(view, |view, _| show::group::members(view, "joined"))?;
        }
        args::Group::Remove { group, sources } => {
            let request = members(session, sources);
            let view = session.operations.remove_members(group, &request)?;
            session.answer(view, |view, _| show::group::members(view, "left"))?;
        }
    }
    Ok(DONE)
}

/// Changes a policy. Whether recovery points may go by that is asked where somebody is there to answer.
fn set(session: &mut Session<'_>, group: &str, request: &ChangeGroup) -> Result<(), Problem> {
    if request.dry_run {
        let view = session.operations.change_group(group, request)?;
        return session.answer(view, show::group::preview);
    }
    let view = match session.operations.change_group(group, request) {
        Err(refused) if refused.code() == Some(Code::PointsWouldExpire) && session.can_ask() => {
            let mut request = ChangeGroup {
                dry_run: true,
                ..request.clone()
            };
            let view = session.operations.change_group(group, &request)?;
            let shown = show::group::preview(&view, &session.here());
            session.say(shown.trim_end());
            let points = show::counted(view.expiring, "recovery point", "recovery points");
            if !session.ask(&format!("Delete {points}?")) {
                return Err(refused);
            }
            (request.dry_run, request.expire) = (false, true);
            session.operations.change_group(group, &request)?
        }
        answer => answer?,
    };
    session.answer(view.group, show::group::one)
}

fn members(session: &Session<'_>, sources: &[String]) -> Members {
    Members {
        sources: sources.iter().map(|s| named(session, s)).collect(),
    }
}

fn change(goals: &args::Goals) -> ChangeGoals {
    ChangeGoals {
        sync: goals.sync.clone(),
        points: goals.at.clone(),
        retention: ChangeRetention {
            days: goals.keep_days,
            daily: goals.keep_daily,
            weekly: goals.keep_weekly,
            monthly: goals.keep_monthly,
            yearly: goals.keep_yearly,
        },
    }
}
