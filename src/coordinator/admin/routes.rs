//! The paths of the server, and what answers them.

use super::head::HttpRequest;
use super::response::{MediaType, StatusCode};
use super::token::HttpToken;
use super::view::AdminView;

/// Response to a request.
pub(super) enum HttpAnswer {
    Text(StatusCode, MediaType, String),
    Page,
    Metrics,
    Status,
    Events,
}

/// Returns the response to a request. All paths but those of health need the token.
pub(super) fn route(
    request: &HttpRequest,
    token: Option<&HttpToken>,
    view: &AdminView<'_>,
) -> HttpAnswer {
    let is_open = matches!(&*request.path, "/healthz" | "/readyz");
    if let Some(token) = token.filter(|_| !is_open)
        && !token.is_shown_by(request.authorization.as_deref())
    {
        return HttpAnswer::refusal(StatusCode::Unauthorized);
    }
    match &*request.path {
        "/" => HttpAnswer::Page,
        "/metrics" => HttpAnswer::Metrics,
        "/events" => HttpAnswer::Events,
        "/healthz" => HttpAnswer::text(StatusCode::Ok, "ok\n".to_owned()),
        "/readyz" => match view.readiness().reasons {
            reasons if reasons.is_empty() => HttpAnswer::text(StatusCode::Ok, "ready\n".to_owned()),
            reasons => HttpAnswer::text(StatusCode::Unavailable, reasons.join("\n") + "\n"),
        },
        "/status.json" => HttpAnswer::Status,
        _ => HttpAnswer::refusal(StatusCode::NotFound),
    }
}

impl HttpAnswer {
    fn text(status: StatusCode, text: String) -> Self {
        Self::Text(status, MediaType::Text, text)
    }

    fn refusal(status: StatusCode) -> Self {
        Self::text(status, status.body().to_owned())
    }
}
