//! The routes, what each needs, and the one function that every request goes through.

use std::sync::Arc;

use api::{Document, Operations, Problem, View, problem, route};
use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, FromRequest, Path, Request};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodFilter, on};
use base::Fault;
use base::fault::{Code, Lang};
use base::limits::REQUEST_BYTES_MAX;
use serde::de::DeserializeOwned;

/// What whoever asks must be allowed to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Needs {
    /// Nothing: strangers may ask.
    Nothing,
    /// See what there is.
    Read,
    /// Start and stop jobs that lose nothing.
    Operate,
    /// Read what is protected, and write it to a disk.
    Restore,
    /// Change groups and policies.
    Configure,
    /// Delete recovery points.
    Delete,
}

/// Which way a request came in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Door {
    /// The socket in the data directory: only its owner can open it.
    Socket,
    /// The network, where nobody has signed in.
    Network,
}

impl Door {
    /// Returns whether it grants what a route needs.
    pub fn grants(self, needs: Needs) -> bool {
        match self {
            Self::Socket => true,
            Self::Network => needs == Needs::Nothing,
        }
    }
}

/// Gives the operations, answering in a language.
pub type Speak = Arc<dyn Fn(Lang) -> Arc<dyn Operations> + Send + Sync>;

/// What a handler is given.
pub struct Call {
    name: Option<String>,
    body: Bytes,
    language: Lang,
}

impl Call {
    fn name(&self) -> &str {
        self.name.as_deref().unwrap_or_default()
    }

    fn read<T: DeserializeOwned>(&self) -> Result<T, Problem> {
        serde_json::from_slice(&self.body).map_err(|e| {
            let fault = Fault::new(Code::UsageError).with("detail", &e).because(e);
            Problem::of(&fault, self.language)
        })
    }
}

/// One route.
pub struct Route {
    /// The method.
    pub method: MethodFilter,
    /// The path, of [`api::route`].
    pub path: &'static str,
    /// What whoever asks must be allowed to do.
    pub needs: Needs,
    /// What its answer is, and whether it comes before the work is done.
    answer: Answer,
    /// Without one, being there is the answer.
    handle: Option<Handle>,
}

/// What an answer is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Answer {
    /// A document, when the work is done.
    Done,
    /// A document, when the work was taken on.
    Accepted,
    /// Bytes of a file.
    Bytes,
}

type Handle = fn(&dyn Operations, &Call) -> Result<Vec<u8>, Problem>;

const ALIVE: &[u8] = br#"{"schema":"dozo.health/1","status":"up"}"#;

const fn shows(path: &'static str, needs: Needs, handle: Handle) -> Route {
    answers(MethodFilter::GET, path, needs, handle)
}

const fn answers(method: MethodFilter, path: &'static str, needs: Needs, handle: Handle) -> Route {
    Route {
        method,
        path,
        needs,
        answer: Answer::Done,
        handle: Some(handle),
    }
}

const fn starts(path: &'static str, needs: Needs, handle: Handle) -> Route {
    Route {
        method: MethodFilter::POST,
        path,
        needs,
        answer: Answer::Accepted,
        handle: Some(handle),
    }
}

/// Every route there is.
pub const ROUTES: &[Route] = &[
    Route {
        method: MethodFilter::GET,
        path: route::HEALTH,
        needs: Needs::Nothing,
        answer: Answer::Done,
        handle: None,
    },
    shows(route::STATUS, Needs::Read, |o, _| json(o.status()?)),
    shows(route::POOL, Needs::Read, |o, _| json(o.pool()?)),
    starts(route::POOL_VERIFY, Needs::Operate, |o, c| {
        json(o.verify_pool(&c.read()?)?)
    }),
    answers(
        MethodFilter::POST,
        route::POOL_VOLUMES,
        Needs::Configure,
        |o, c| json(o.add_volume(&c.read()?)?),
    ),
    starts(route::POOL_VOLUME_DRAIN, Needs::Operate, |o, c| {
        json(o.drain_volume(c.name())?)
    }),
    answers(
        MethodFilter::POST,
        route::POOL_VOLUME_REMOVE,
        Needs::Configure,
        |o, c| json(o.remove_volume(c.name(), &c.read()?)?),
    ),
    starts(route::POOL_GC, Needs::Operate, |o, c| {
        json(o.collect_garbage(&c.read()?)?)
    }),
    starts(route::PROTECT, Needs::Configure, |o, c| {
        json(o.protect(&c.read()?)?)
    }),
    shows(route::SOURCES, Needs::Read, |o, _| json(o.sources()?)),
    shows(route::SOURCE, Needs::Read, |o, c| json(o.source(c.name())?)),
    starts(route::SOURCE_SYNC, Needs::Operate, |o, c| {
        json(o.sync(c.name())?)
    }),
    shows(route::SOURCE_POINTS, Needs::Read, |o, c| {
        json(o.points(Some(c.name()))?)
    }),
    starts(route::SOURCE_POINTS, Needs::Operate, |o, c| {
        json(o.create_point(c.name())?)
    }),
    answers(
        MethodFilter::POST,
        route::SOURCE_POINT_CHOICE,
        Needs::Read,
        |o, c| json(o.choose_point(c.name(), &c.read()?)?),
    ),
    starts(route::SOURCE_CHECK, Needs::Operate, |o, c| {
        json(o.check(c.name())?)
    }),
    answers(
        MethodFilter::POST,
        route::SOURCE_ACCEPT,
        Needs::Configure,
        |o, c| json(o.accept(c.name())?),
    ),
    shows(route::POINTS, Needs::Read, |o, _| json(o.points(None)?)),
    shows(route::POINT, Needs::Read, |o, c| json(o.point(c.name())?)),
    answers(MethodFilter::DELETE, route::POINT, Needs::Delete, |o, c| {
        json(o.delete_point(c.name())?)
    }),
    answers(
        MethodFilter::PUT,
        route::POINT_HOLD,
        Needs::Configure,
        |o, c| json(o.hold_point(c.name(), &c.read()?)?),
    ),
    answers(
        MethodFilter::DELETE,
        route::POINT_HOLD,
        Needs::Delete,
        |o, c| json(o.release_point(c.name())?),
    ),
    answers(
        MethodFilter::POST,
        route::POINT_BROWSE,
        Needs::Restore,
        |o, c| json(o.browse(c.name(), &c.read()?)?),
    ),
    answers(
        MethodFilter::POST,
        route::POINT_ENTRIES,
        Needs::Restore,
        |o, c| json(o.entries(c.name(), &c.read()?)?),
    ),
    Route {
        method: MethodFilter::POST,
        path: route::POINT_READ,
        needs: Needs::Restore,
        answer: Answer::Bytes,
        handle: Some(|o, c| o.read(c.name(), &c.read()?)),
    },
    answers(
        MethodFilter::POST,
        route::POINT_RANGES,
        Needs::Restore,
        |o, c| json(o.ranges(c.name(), &c.read()?)?),
    ),
    answers(
        MethodFilter::POST,
        route::POINT_DIFF,
        Needs::Restore,
        |o, c| json(o.diff(c.name(), &c.read()?)?),
    ),
    answers(MethodFilter::POST, route::FIND, Needs::Restore, |o, c| {
        json(o.find(&c.read()?)?)
    }),
    answers(
        MethodFilter::POST,
        route::RESTORE_PLAN,
        Needs::Restore,
        |o, c| json(o.plan_restore(&c.read()?)?),
    ),
    starts(route::RESTORES, Needs::Restore, |o, c| {
        json(o.restore(&c.read()?)?)
    }),
    shows(route::GROUPS, Needs::Read, |o, _| json(o.groups()?)),
    answers(
        MethodFilter::POST,
        route::GROUPS,
        Needs::Configure,
        |o, c| json(o.create_group(&c.read()?)?),
    ),
    shows(route::GROUP, Needs::Read, |o, c| json(o.group(c.name())?)),
    answers(
        MethodFilter::PATCH,
        route::GROUP,
        Needs::Configure,
        |o, c| json(o.change_group(c.name(), &c.read()?)?),
    ),
    answers(
        MethodFilter::POST,
        route::GROUP_MEMBERS,
        Needs::Configure,
        |o, c| json(o.add_members(c.name(), &c.read()?)?),
    ),
    answers(
        MethodFilter::POST,
        route::GROUP_MEMBERS_REMOVE,
        Needs::Configure,
        |o, c| json(o.remove_members(c.name(), &c.read()?)?),
    ),
    shows(route::JOBS, Needs::Read, |o, _| json(o.jobs()?)),
    shows(route::JOB, Needs::Read, |o, c| json(o.job(c.name())?)),
    answers(
        MethodFilter::POST,
        route::JOB_CANCEL,
        Needs::Operate,
        |o, c| json(o.cancel_job(c.name())?),
    ),
];

/// Returns every route as `door` lets it be used.
pub fn router(door: Door, speak: &Speak) -> Router {
    let mut router = Router::new();
    for route in ROUTES {
        let speak = Arc::clone(speak);
        let handler = move |name: Option<Path<String>>, request: Request| {
            enter(door, route, Arc::clone(&speak), name, request)
        };
        router = router.route(route.path, on(route.method, handler));
    }
    router.layer(DefaultBodyLimit::max(REQUEST_BYTES_MAX))
}

/// Lets a request in, or not: whoever may not ask is told so before anything that was sent is read.
async fn enter(
    door: Door,
    route: &'static Route,
    speak: Speak,
    name: Option<Path<String>>,
    request: Request,
) -> Response {
    let language = language(request.headers());
    if !door.grants(route.needs) {
        let fault = Fault::new(Code::PermissionMissing)
            .with("operation", route.path)
            .with("needs", format!("{:?}", route.needs).to_lowercase());
        return refusal(&Problem::of(&fault, language));
    }
    let Some(handle) = route.handle else {
        return answer(route.answer, ALIVE.to_vec());
    };
    match Bytes::from_request(request, &()).await {
        Ok(body) => {
            let name = name.map(|Path(name)| name);
            let call = Call {
                name,
                body,
                language,
            };
            respond(route, handle, speak, call).await
        }
        Err(rejection) => rejection.into_response(),
    }
}

async fn respond(route: &'static Route, handle: Handle, speak: Speak, call: Call) -> Response {
    let language = call.language;
    let work = tokio::task::spawn_blocking(move || {
        let operations = speak(call.language);
        handle(&*operations, &call)
    });
    match work.await {
        Ok(Ok(body)) => answer(route.answer, body),
        Ok(Err(problem)) => refusal(&problem),
        Err(panic) => {
            tracing::error!(path = route.path, %panic, "a request ended in a panic");
            let fault = Fault::new(Code::Internal).with("detail", panic);
            refusal(&Problem::of(&fault, language))
        }
    }
}

fn answer(kind: Answer, body: Vec<u8>) -> Response {
    let (status, media) = match kind {
        Answer::Done => (StatusCode::OK, "application/json"),
        Answer::Accepted => (StatusCode::ACCEPTED, "application/json"),
        Answer::Bytes => (StatusCode::OK, "application/octet-stream"),
    };
    (status, [(header::CONTENT_TYPE, media)], body).into_response()
}

fn refusal(problem: &Problem) -> Response {
    let status = StatusCode::from_u16(problem.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let body = serde_json::to_vec(problem).expect("a problem holds only texts and numbers");
    (status, [(header::CONTENT_TYPE, problem::MEDIA_TYPE)], body).into_response()
}

fn json<T: View>(view: T) -> Result<Vec<u8>, Problem> {
    Ok(serde_json::to_vec(&Document::of(view)).expect("views have texts for keys"))
}

fn language(headers: &HeaderMap) -> Lang {
    headers
        .get(header::ACCEPT_LANGUAGE)
        .and_then(|value| value.to_str().ok())
        .map_or_else(Lang::default, Lang::from_locale)
}
