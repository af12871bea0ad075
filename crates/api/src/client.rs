//! A typed blocking client for the server of a data directory, over its unix socket.
//!
//! [`Operations`] over HTTP: each call is one request to the route of its name.
//! Calls do not retry: whoever asked decides.

mod patience;
mod socket;

use std::io;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use base::Fault;
use base::fault::{Code, Lang};
use base::limits::{ANSWER_AT_HAND_WITHIN, ANSWER_BYTES_MAX, ANSWER_WITHIN};
use serde::{Serialize, de::DeserializeOwned};
use ureq::http::{Method, Request};

use self::patience::Patience;
use crate::view::{
    DeletedView, DiffView, EntryListView, FindView, FullEntryListView, GroupChangeView,
    GroupListView, GroupView, JobListView, JobView, MemberListView, PointListView, PointView,
    PoolView, ProtectedView, RangeListView, RestorePlanView, SourceListView, SourceView,
    StatusView,
};
use crate::{Document, Operations, Problem, View, request, route};

/// A connection to the server that owns a data directory.
#[derive(Clone, Debug)]
pub struct Client {
    agent: ureq::Agent,
    socket: PathBuf,
    language: Lang,
    /// A connection on which nothing is said: it tells the server that somebody still counts on it.
    _presence: Arc<UnixStream>,
}

impl Client {
    /// Connects to the socket at `path`, whatever the length of the path. Texts come in `language`.
    ///
    /// # Errors
    /// Nobody listens there: `NotFound` or `ConnectionRefused`; or the directory cannot be entered.
    pub fn connect(path: &Path, language: Lang) -> io::Result<Self> {
        // Tried once here, so that a dead socket is told from a failing request.
        let presence = socket::connect(path)?;
        Ok(Self {
            agent: agent(path, Patience::default()),
            socket: path.to_owned(),
            language,
            _presence: Arc::new(presence),
        })
    }

    /// Returns one that asks `goes_on` again and again while it waits for an answer, with how long that has been so
    /// far, and gives up when it says so.
    #[must_use]
    pub fn patient(self, goes_on: impl Fn(Duration) -> bool + Send + Sync + 'static) -> Self {
        Self {
            agent: agent(&self.socket, Patience::new(goes_on)),
            ..self
        }
    }

    /// Asks for what the server has at hand.
    fn get<T: View>(&self, path: &str) -> Result<T, Problem> {
        self.call(Method::GET, path, Vec::new(), ANSWER_AT_HAND_WITHIN)
    }

    fn send<T: View>(
        &self,
        method: Method,
        path: &str,
        body: &impl Serialize,
    ) -> Result<T, Problem> {
        let body = serde_json::to_vec(body).map_err(|e| self.bug(e))?;
        self.call(method, path, body, ANSWER_WITHIN)
    }

    fn call<T: View>(
        &self,
        method: Method,
        path: &str,
        body: Vec<u8>,
        within: Duration,
    ) -> Result<T, Problem> {
        let bytes = self.exchange(method, path, body, within)?;
        self.parse::<Document<T>>(&bytes)?
            .into_body()
            .map_err(|e| self.bug(e))
    }

    /// Returns the body of an answer, whatever it is.
    fn exchange(
        &self,
        method: Method,
        path: &str,
        body: Vec<u8>,
        within: Duration,
    ) -> Result<Vec<u8>, Problem> {
        let request = Request::builder()
            .method(&method)
            // The host is a word for the header; the socket decides where it goes.
            .uri(format!("http://dozo{path}"))
            .header("content-type", "application/json")
            .header("accept-language", self.language.tag())
            .body(body)
            .map_err(|e| self.bug(e))?;
        let agent = &self.agent;
        let request = agent
            .configure_request(request)
            .timeout_send_request(Some(within))
            .timeout_send_body(Some(within))
            .timeout_recv_response(Some(within))
            .timeout_recv_body(Some(within))
            .build();
        let mut answer = match method {
            // These have no body, and ureq knows that by the type.
            Method::GET | Method::DELETE => agent.run(request.map(|_: Vec<u8>| ())),
            _ => agent.run(request),
        }
        .map_err(|e| self.unreachable(e))?;
        let status = answer.status();
        let bytes = answer
            .body_mut()
            .with_config()
            .limit(ANSWER_BYTES_MAX)
            .read_to_vec()
            .map_err(|e| self.unreachable(e))?;
        if !status.is_success() {
            return Err(self
                .parse::<Problem>(&bytes)
                .unwrap_or_else(|problem| problem));
        }
        Ok(bytes)
    }

    fn parse<T: DeserializeOwned>(&self, bytes: &[u8]) -> Result<T, Problem> {
        serde_json::from_slice(bytes).map_err(|e| self.bug(e))
    }

    fn unreachable(&self, error: ureq::Error) -> Problem {
        if let Some(waited) = patience::silence(&error) {
            let fault = Fault::new(Code::ServerSilent)
                .with("address", self.socket.display())
                .with("limit", waited.as_secs());
            return Problem::of(&fault, self.language);
        }
        let fault = Fault::new(Code::ServerUnreachable)
            .with("address", self.socket.display())
            .with("reason", &error)
            .because(error);
        Problem::of(&fault, self.language)
    }

    fn bug(&self, error: impl std::error::Error + Send + Sync + 'static) -> Problem {
        let fault = Fault::new(Code::Internal)
            .with("detail", &error)
            .because(error);
        Problem::of(&fault, self.language)
    }
}

/// Returns what speaks HTTP over the socket at `path`.
fn agent(path: &Path, patience: Patience) -> ureq::Agent {
    let config = ureq::Agent::config_builder()
        .http_status_as_error(false)
        .proxy(None)
        .max_redirects(0)
        .build();
    let connector = socket::UnixConnector::new(path, patience);
    ureq::Agent::with_parts(config, connector, socket::NoResolver)
}

impl Operations for Client {
    fn status(&self) -> Result<StatusView, Problem> {
        self.get(route::STATUS)
    }

    fn pool(&self) -> Result<PoolView, Problem> {
        self.get(route::POOL)
    }

    fn protect(&self, request: &request::Protect) -> Result<ProtectedView, Problem> {
        self.send(Method::POST, route::PROTECT, request)
    }

    fn sources(&self) -> Result<SourceListView, Problem> {
        self.get(route::SOURCES)
    }

    fn source(&self, name: &str) -> Result<SourceView, Problem> {
        self.get(&route::fill(route::SOURCE, name))
    }

    fn sync(&self, source: &str) -> Result<JobView, Problem> {
        self.send(Method::POST, &route::fill(route::SOURCE_SYNC, source), &())
    }

    fn create_point(&self, source: &str) -> Result<JobView, Problem> {
        self.send(
            Method::POST,
            &route::fill(route::SOURCE_POINTS, source),
            &(),
        )
    }

    fn verify_pool(&self, request: &request::VerifyPool) -> Result<JobView, Problem> {
        self.send(Method::POST, route::POOL_VERIFY, request)
    }

    fn add_volume(&self, request: &request::AddVolume) -> Result<PoolView, Problem> {
        self.send(Method::POST, route::POOL_VOLUMES, request)
    }

    fn drain_volume(&self, name: &str) -> Result<JobView, Problem> {
        let path = route::fill(route::POOL_VOLUME_DRAIN, name);
        self.send(Method::POST, &path, &())
    }

    fn remove_volume(
        &self,
        name: &str,
        request: &request::RemoveVolume,
    ) -> Result<PoolView, Problem> {
        let path = route::fill(route::POOL_VOLUME_REMOVE, name);
        self.send(Method::POST, &path, request)
    }

    fn collect_garbage(&self, request: &request::CollectGarbage) -> Result<JobView, Problem> {
        self.send(Method::POST, route::POOL_GC, request)
    }

    fn check(&self, source: &str) -> Result<JobView, Problem> {
        self.send(Method::POST, &route::fill(route::SOURCE_CHECK, source), &())
    }

    fn accept(&self, source: &str) -> Result<SourceView, Problem> {
        self.send(
            Method::POST,
            &route::fill(route::SOURCE_ACCEPT, source),
            &(),
        )
    }

    fn points(&self, source: Option<&str>) -> Result<PointListView, Problem> {
        match source {
            Some(source) => self.get(&route::fill(route::SOURCE_POINTS, source)),
            None => self.get(route::POINTS),
        }
    }

    fn choose_point(
        &self,
        source: &str,
        choice: &request::PointChoice,
    ) -> Result<PointView, Problem> {
        self.send(
            Method::POST,
            &route::fill(route::SOURCE_POINT_CHOICE, source),
            choice,
        )
    }

    fn point(&self, name: &str) -> Result<PointView, Problem> {
        self.get(&route::fill(route::POINT, name))
    }

    fn browse(&self, point: &str, request: &request::Browse) -> Result<EntryListView, Problem> {
        self.send(
            Method::POST,
            &route::fill(route::POINT_BROWSE, point),
            request,
        )
    }

    fn entries(
        &self,
        point: &str,
        request: &request::Entries,
    ) -> Result<FullEntryListView, Problem> {
        self.send(
            Method::POST,
            &route::fill(route::POINT_ENTRIES, point),
            request,
        )
    }

    fn read(&self, point: &str, request: &request::Read) -> Result<Vec<u8>, Problem> {
        let body = serde_json::to_vec(request).map_err(|e| self.bug(e))?;
        let path = route::fill(route::POINT_READ, point);
        self.exchange(Method::POST, &path, body, ANSWER_WITHIN)
    }

    fn ranges(&self, point: &str, request: &request::Ranges) -> Result<RangeListView, Problem> {
        self.send(
            Method::POST,
            &route::fill(route::POINT_RANGES, point),
            request,
        )
    }

    fn diff(&self, point: &str, request: &request::Diff) -> Result<DiffView, Problem> {
        self.send(
            Method::POST,
            &route::fill(route::POINT_DIFF, point),
            request,
        )
    }

    fn find(&self, request: &request::Find) -> Result<FindView, Problem> {
        self.send(Method::POST, route::FIND, request)
    }

    fn hold_point(&self, name: &str, request: &request::Hold) -> Result<PointView, Problem> {
        self.send(Method::PUT, &route::fill(route::POINT_HOLD, name), request)
    }

    fn release_point(&self, name: &str) -> Result<PointView, Problem> {
        let path = route::fill(route::POINT_HOLD, name);
        self.call(Method::DELETE, &path, Vec::new(), ANSWER_WITHIN)
    }

    fn delete_point(&self, name: &str) -> Result<DeletedView, Problem> {
        let path = route::fill(route::POINT, name);
        self.call(Method::DELETE, &path, Vec::new(), ANSWER_WITHIN)
    }

    fn plan_restore(&self, request: &request::Restore) -> Result<RestorePlanView, Problem> {
        self.send(Method::POST, route::RESTORE_PLAN, request)
    }

    fn restore(&self, request: &request::Restore) -> Result<JobView, Problem> {
        self.send(Method::POST, route::RESTORES, request)
    }

    fn groups(&self) -> Result<GroupListView, Problem> {
        self.get(route::GROUPS)
    }

    fn group(&self, name: &str) -> Result<GroupView, Problem> {
        self.get(&route::fill(route::GROUP, name))
    }

    fn create_group(&self, request: &request::CreateGroup) -> Result<GroupView, Problem> {
        self.send(Method::POST, route::GROUPS, request)
    }

    fn change_group(
        &self,
        name: &str,
        request: &request::ChangeGroup,
    ) -> Result<GroupChangeView, Problem> {
        self.send(Method::PATCH, &route::fill(route::GROUP, name), request)
    }

    fn add_members(
        &self,
        group: &str,
        request: &request::Members,
    ) -> Result<MemberListView, Problem> {
        self.send(
            Method::POST,
            &route::fill(route::GROUP_MEMBERS, group),
            request,
        )
    }

    fn remove_members(
        &self,
        group: &str,
        request: &request::Members,
    ) -> Result<MemberListView, Problem> {
        self.send(
            Method::POST,
            &route::fill(route::GROUP_MEMBERS_REMOVE, group),
            request,
        )
    }

    fn jobs(&self) -> Result<JobListView, Problem> {
        self.get(route::JOBS)
    }

    fn job(&self, name: &str) -> Result<JobView, Problem> {
        // Asked again and again: a job that goes on is not lost sight of because the machine slept.
        let path = route::fill(route::JOB, name);
        self.call(Method::GET, &path, Vec::new(), ANSWER_WITHIN)
    }

    fn cancel_job(&self, name: &str) -> Result<JobView, Problem> {
        self.send(Method::POST, &route::fill(route::JOB_CANCEL, name), &())
    }
}
