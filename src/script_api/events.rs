//! `/events`: what a script posts, and the stream of what happens.

use axum::Extension;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};

use crate::domain::{Event, Seq};
use crate::edn::Value;
use crate::engine::NotTaken;
use crate::wire;

use super::body::{self, BodyError, Kind};
use super::operation::Operation;
use super::reply::{self, Format};
use super::shapes::Posted;
use super::{Api, Grant, stream, transfer};

/// `POST /events`: 202 once the events are in the journal, 507 when it cannot be written. One odd value costs neither its
/// event nor its neighbours; only a body that cannot be read at all is refused (400). What a
/// script may post, and that it posts for its own build, is the engine's business.
pub(super) async fn post(State(api): State<Api>, format: Format, request: Request) -> Response {
    let kind = Kind::of(request.headers());
    let read = match body::whole(request, api.settings()).await {
        Ok(bytes) => body::parse(bytes, move |bytes| read_events(kind, bytes)).await,
        Err(error) => Err(error),
    };
    let (events, odd) = match read {
        Ok(read) => read,
        Err(error) => {
            // A body cut off at the script's exit is everyday life.
            if !matches!(error, BodyError::CutOff) {
                api.warn_once(None, format!("events of the script were refused: {error}"));
            }
            return error.reply(format);
        }
    };
    if odd > 0 {
        api.warn_once(
            None,
            "the script posted things that are no events; they were dropped",
        );
    }
    if events.is_empty() {
        return StatusCode::ACCEPTED.into_response();
    }
    match api.engine().post(events).await {
        Ok(()) => StatusCode::ACCEPTED.into_response(),
        Err(NotTaken::Gone(_)) => reply::text(StatusCode::GONE, "the build is over\n"),
        Err(error @ NotTaken::Unrecorded) => {
            reply::text(StatusCode::INSUFFICIENT_STORAGE, format!("{error}\n"))
        }
    }
}

pub(super) fn post_operation() -> Operation {
    Operation::new("post-events", "Says what has happened")
        .describe(
            "Answered once the events are in the journal. Events of types that are not a script's \
             to post are dropped, and so are things that are no events; neither is an error.",
        )
        .takes("The events.", &Posted::example())
        .empty(202, "They are in the journal.")
        .text(410, "The build is over.", "the build is over\n")
        .text(
            507,
            "The journal cannot be written.",
            &format!("{}\n", NotTaken::Unrecorded),
        )
}

fn read_events(kind: Kind, bytes: &[u8]) -> Result<(Vec<Event>, usize), BodyError> {
    if kind != Kind::Json {
        return wire::events_from_body(bytes).map_err(|error| BodyError::Unreadable {
            format: "EDN",
            reason: transfer::chain(&error),
        });
    }
    let items = match body::from_json_body(bytes)? {
        Value::Vector(items) => items,
        one => vec![one],
    };
    let count = items.len();
    let events: Vec<Event> = items
        .into_iter()
        .filter_map(|item| wire::event_from(item).ok())
        .collect();
    let odd = count - events.len();
    Ok((events, odd))
}

/// `GET /events`: the journal as server-sent events, from its beginning or after
/// `Last-Event-ID`, and then live (script-api.md §6).
pub(super) async fn stream(
    State(api): State<Api>,
    Extension(grant): Extension<Grant>,
    headers: HeaderMap,
) -> Response {
    let body = stream::body(&api, &grant, last_event_id(&api, &headers));
    let fixed = [
        (header::CONTENT_TYPE, "text/event-stream"),
        (header::CACHE_CONTROL, "no-cache"),
        (header::HeaderName::from_static("x-accel-buffering"), "no"),
    ];
    (
        fixed.map(|(name, value)| (name, HeaderValue::from_static(value))),
        body,
    )
        .into_response()
}

pub(super) fn stream_operation() -> Operation {
    Operation::new("get-events", "What happens in the build, as it happens")
        .describe(
            "Server-sent events: first a ping, then the journal from its beginning or after \
             `Last-Event-ID`, another ping, and then what happens. Each `data:` is one event as a \
             line of EDN, each `id:` its number; pings have no number and come whenever there \
             was nothing else to say for a while. The stream ends with the build's journal. \
             `:tui/…` events, and which logs grow, are sent only to tokens with `logs:read`; \
             such tokens are served after the build's end, too.",
        )
        .header(
            "Last-Event-ID",
            "The number of the last event that was received: go on after it.",
            "17",
        )
        .stream(
            "text/event-stream",
            "The stream.",
            "data: {:type :ping}\n\nid: 1\ndata: {:type :script/initializing, :src :script}\n\n",
        )
        .with_header(200, "Cache-Control", "Not to be kept.", "no-cache")
        .with_header(200, "X-Accel-Buffering", "Not to be buffered.", "no")
}

/// Where to go on. A number that this journal has not reached, or none at all, means that
/// the client has seen nothing of it.
fn last_event_id(api: &Api, headers: &HeaderMap) -> Seq {
    headers
        .get("last-event-id")
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.trim().parse().ok())
        .filter(|seq| *seq <= api.engine().journal().last_seq())
        .unwrap_or(0)
}
