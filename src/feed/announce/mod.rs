//! The address that nodes announce themselves at (`server.announce`): `POST /heartbeat`, and the ranked list
//! for clients that choose their node themselves.

mod answer;
mod guard;
mod list;

use super::HeartbeatSink;
use super::heartbeat_sink::{Dialect, HeartbeatOutcome};
use super::refused::RefusedBeats;
use crate::config::files::NamedFiles;
use crate::config::model::Config;
use crate::control::members::BeatRefusal;
use crate::heartbeat::{Role, Sender, native};
use crate::listen::tls::CertStore;
use crate::serve::problem::Problem;
use crate::serve::{
    Body, Caller, ControlBody, ControlError, ControlListener, ControlOptions, ControlPlan, PlaceLimits,
    body_of, json_line,
};
use crate::upstream::own_addresses::OwnAddress;
use guard::AnnounceGuard;
pub use guard::read_common_tokens;
use http::{Method, Request, Response, StatusCode, header};
use std::net::{IpAddr, Ipv4Addr};
use std::path::Path;
use std::rc::Rc;
use std::sync::Arc;

/// Ten thousand nodes, each of which keeps its connection, and some clients.
const OPTIONS: ControlOptions = ControlOptions {
    key: "server.announce",
    places: PlaceLimits { connections: 16_384, spare: 1024 },
    always: &[],
    backlog: 1024,
    mode: None,
    pages: false,
    clear_sockets: false,
};

/// What a conf asks for, made ready.
pub type AnnouncePlan = ControlPlan<AnnounceGuard>;

/// The address, while there is one.
pub struct Announce {
    handler: Rc<AnnounceHandler>,
    listener: ControlListener<AnnounceGuard>,
}

impl Announce {
    /// Nothing is open yet.
    pub fn new(beats: Rc<HeartbeatSink>, folder: &Path) -> Self {
        let refused = RefusedBeats::of(Dialect::Native, &beats);
        let handler = AnnounceHandler { beats, refused };
        Self { handler: Rc::new(handler), listener: ControlListener::new(OPTIONS, folder) }
    }

    /// Binds the address, if it is not open already. A failure changes nothing.
    pub fn prepare(&self, config: &Config, files: &NamedFiles) -> Result<AnnouncePlan, ControlError> {
        let conf = config.server.announce.as_ref();
        let tls = conf.and_then(|conf| conf.tls()).map(|tls| (tls, files));
        let bind: Vec<&str> = conf.iter().map(|conf| conf.bind()).collect();
        let unix = conf.and_then(|conf| conf.unix());
        self.listener.prepare(&bind, (tls, unix), |binds| AnnounceGuard::new(config, binds, files))
    }

    /// Where it will be once the plan is committed.
    pub fn homes(&self, plan: &AnnouncePlan) -> Vec<OwnAddress> {
        self.listener.homes(plan)
    }

    /// Opens what was bound and closes what is not wanted any more. Returns the address opened.
    pub fn commit(&mut self, plan: AnnouncePlan) -> Option<String> {
        let handler = self.handler.clone();
        self.listener
            .commit(plan, move |guard, request, caller| answer(handler.clone(), guard, request, caller))
    }

    /// Closes the address, and waits until it is; what is under way is answered.
    pub async fn close(&mut self) {
        self.listener.close().await;
    }

    /// The certificates that it shows.
    pub fn certificates(&self) -> Vec<(String, Arc<CertStore>)> {
        self.listener.certificates()
    }
}

/// What every request needs.
struct AnnounceHandler {
    beats: Rc<HeartbeatSink>,
    refused: RefusedBeats,
}

async fn answer(
    handler: Rc<AnnounceHandler>,
    guard: Rc<AnnounceGuard>,
    request: Request<ControlBody>,
    caller: Caller,
) -> Response<Body> {
    let path = request.uri().path().to_owned();
    let mut parts = path.split('/').skip(1);
    let answer = match [parts.next(), parts.next(), parts.next(), parts.next()] {
        [Some("heartbeat"), None, ..] if request.method() == Method::POST => {
            handler.heartbeat(&guard, request, caller).await
        }
        [Some("heartbeat"), None, ..] => Err(not_allowed("A heartbeat is sent by POST.", "POST")),
        [Some("clusters"), Some(cluster), Some("nodes"), None]
            if matches!(*request.method(), Method::GET | Method::HEAD) =>
        {
            list::respond(&handler.beats.table(), &guard, cluster, &caller, request.headers())
        }
        [Some("clusters"), Some(_), Some("nodes"), None] => {
            Err(not_allowed("The list is read by GET.", "GET, HEAD"))
        }
        _ => {
            Err(Problem::new(StatusCode::NOT_FOUND, "Here are POST /heartbeat and GET /clusters/NAME/nodes."))
        }
    };
    answer.unwrap_or_else(Problem::into_response)
}

fn not_allowed(detail: &str, allow: &'static str) -> Problem {
    Problem::new(StatusCode::METHOD_NOT_ALLOWED, detail).header("allow", allow)
}

impl AnnounceHandler {
    async fn heartbeat(
        &self,
        guard: &AnnounceGuard,
        request: Request<ControlBody>,
        caller: Caller,
    ) -> Result<Response<Body>, Problem> {
        // a process of this machine, over a Unix socket
        let from = caller.peer.address().map_or(IpAddr::V4(Ipv4Addr::LOCALHOST), |address| address.ip());
        // who has nothing to show is not listened to any further
        let Some(shown) = guard.credentials(&caller, request.headers()) else {
            return Err(self.refuse(HeartbeatOutcome::Denied, from, guard::unauthorized()));
        };
        let wants_list =
            request.uri().query().is_some_and(|query| query.split('&').any(|part| part == "nodes=1"));
        let kind = request
            .headers()
            .get(header::CONTENT_TYPE)
            .and_then(|kind| kind.to_str().ok())
            .map(str::to_owned);
        let body = body_of(request.into_body(), native::LARGEST)
            .await
            .map_err(|problem| self.refuse(HeartbeatOutcome::Malformed, from, problem))?;
        let heard = native::read(kind.as_deref(), &body).map_err(|refusal| {
            self.refuse(
                HeartbeatOutcome::Malformed,
                from,
                Problem::new(refusal.status(), format!("{refusal}.")),
            )
        })?;
        let proof = match &heard.speaker {
            Sender::Named { cluster, node, .. } => guard.admit(cluster, Some(node), &shown),
            Sender::Address { .. } => Err(guard::unauthorized()),
        };
        let proof = proof.map_err(|problem| self.refuse(HeartbeatOutcome::Denied, from, problem))?;
        let heard_by = self.beats.apply(&heard, from, proof).await;
        let mut known = heard_by.map_err(|refusal| self.refuse((&refusal).into(), from, problem(refusal)))?;
        self.beats.counts.note(Dialect::Native, HeartbeatOutcome::Taken);
        known.once_saved().await;
        let list = wants_list || known.node.has_role(Role::Lb);
        Ok(json_line(&answer::to(&known.cluster, &known.node, &heard.beat, list)))
    }

    fn refuse(&self, outcome: HeartbeatOutcome, from: IpAddr, problem: Problem) -> Problem {
        self.refused.note(from, outcome, &problem.detail());
        problem
    }
}

fn problem(refusal: BeatRefusal) -> Problem {
    match refusal {
        BeatRefusal::Unknown(why) => Problem::new(StatusCode::NOT_FOUND, format!("There is {why}.")),
        BeatRefusal::Replayed => {
            let detail = "This heartbeat was heard before, or a later one was: it changes nothing. `sequence` has to grow, and `boot` \
                          to change when the node restarts.";
            Problem::new(StatusCode::CONFLICT, detail)
        }
        BeatRefusal::Denied(why) => Problem::new(StatusCode::FORBIDDEN, format!("{why}.")),
        BeatRefusal::Misplaced(why) => Problem::new(StatusCode::BAD_REQUEST, format!("{why}.")),
        BeatRefusal::Wrong(why) => Problem::new(StatusCode::CONFLICT, format!("Not as it is: {why}.")),
        BeatRefusal::Busy => {
            let detail = "Too many nodes join at one time: announce it again in a moment.";
            Problem::new(StatusCode::SERVICE_UNAVAILABLE, detail).header("retry-after", "2")
        }
    }
}
