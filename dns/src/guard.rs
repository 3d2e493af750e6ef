//! What keeps answers from being abused, and what tells where clients are.

use crate::cookie::CookieSecrets;
use crate::geo::Geo;
use crate::rrl::{Rrl, RrlOptions};
use std::sync::Arc;

/// Cookies, limits on answers, and a geographical database.
#[derive(Default)]
pub struct Guard {
    pub(crate) cookies: Option<CookieSecrets>,
    pub(crate) rrl: Option<Rrl>,
    pub(crate) geo: Option<Arc<dyn Geo>>,
}

impl Guard {
    /// With cookies, with limits, with both or neither.
    pub fn new(cookies: Option<CookieSecrets>, rrl: Option<RrlOptions>) -> Self {
        Self {
            cookies,
            rrl: rrl.map(Rrl::new),
            geo: None,
        }
    }

    /// Knows where clients are.
    pub fn with_geo(mut self, geo: Arc<dyn Geo>) -> Self {
        self.geo = Some(geo);
        self
    }
}
