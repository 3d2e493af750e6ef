//! What a request has proved, and what of it is told to whom.

/// What a request has proved.
#[derive(Default)]
pub struct Granted {
    /// Fields the origin gets.
    pub request: Vec<(Box<[u8]>, Vec<u8>)>,
    /// Header lines the client gets with its response.
    pub response_lines: Vec<u8>,
    /// Claims of a token that templates name, in the order of [`crate::plan::Plan::claims`].
    pub claims: Vec<Option<Box<[u8]>>>,
}

impl Granted {
    /// Whether the origin is told who asks: what it answers then is for nobody else.
    pub fn names_somebody(&self) -> bool {
        !self.request.is_empty()
    }
}
