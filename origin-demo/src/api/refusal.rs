//! How the api says no: a status, a code for programs and a sentence for people.

use crate::{model::Refusal, store};
use axum::{
    Json,
    http::StatusCode,
    response::{IntoResponse, Response},
};

/// A refusal on its way out.
#[derive(Debug)]
pub struct Refused(StatusCode, Refusal);

impl Refused {
    /// There is no such thing.
    pub fn not_found() -> Self {
        Self::new(
            StatusCode::NOT_FOUND,
            "not-found",
            "There is no such thing.",
        )
    }

    /// What was sent does not make sense.
    pub fn invalid(message: impl Into<String>) -> Self {
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid", message)
    }

    fn new(status: StatusCode, code: &str, message: impl Into<String>) -> Self {
        Self(
            status,
            Refusal {
                code: code.to_owned(),
                message: message.into(),
            },
        )
    }
}

impl From<store::Error> for Refused {
    fn from(error: store::Error) -> Self {
        use store::Error as E;
        let message = error.to_string();
        match error {
            E::OutOfStock { .. } => Self::new(StatusCode::CONFLICT, "out-of-stock", message),
            E::EmptyCart => Self::new(StatusCode::CONFLICT, "empty-cart", message),
            E::CartFull => Self::new(StatusCode::CONFLICT, "cart-full", message),
            E::NoProduct => Self::not_found(),
            _ => {
                crate::complain!("api: {message}");
                Self::new(
                    StatusCode::SERVICE_UNAVAILABLE,
                    "unavailable",
                    "The database did not answer.",
                )
            }
        }
    }
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        (self.0, Json(self.1)).into_response()
    }
}
