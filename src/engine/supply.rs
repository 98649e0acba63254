//! A worker's tool, and how to make another when the worker has failed with it or is to go on with another.

use super::exchange::{Coming, Exchange, Exchanged};

/// Makes another of the same kind, or says in a sentence why not.
pub type Maker<T> = Box<dyn FnMut() -> Result<T, String> + Send>;

/// What a worker begins with, and where a new one comes from: after a panic nobody knows what state the old one
/// is in, and one that hangs never comes back.
pub struct Supply<T> {
    first: Option<T>,
    maker: Option<Maker<T>>,
    coming: Option<Coming<T>>,
}

impl<T> Supply<T> {
    /// Begins with `first`; another comes from `maker`.
    pub fn renewable(first: T, maker: impl FnMut() -> Result<T, String> + Send + 'static) -> Self {
        Self { first: Some(first), maker: Some(Box::new(maker)), coming: None }
    }

    /// The same supply, and what puts another in its place while the worker goes on.
    pub fn exchangeable(self) -> (Self, Exchange<T>) {
        let (exchange, coming) = Exchange::new();
        (Self { coming: Some(coming), ..self }, exchange)
    }

    /// The first one, then those that the maker makes; `None` where there is no other.
    pub(super) fn next(&mut self) -> Option<Result<T, String>> {
        match self.first.take() {
            Some(first) => Some(Ok(first)),
            None => self.maker.as_mut().map(|maker| maker()),
        }
    }

    /// Whether there is another.
    pub(super) fn has_next(&self) -> bool {
        self.first.is_some() || self.maker.is_some()
    }

    /// Whether another supply has come since this was last asked: it then stands in this one's place.
    ///
    /// # Errors
    /// Why it could not be made; this one stays.
    pub(super) fn exchanged(&mut self) -> Option<Result<Exchanged, String>> {
        let made = self.coming.as_ref()?.newest()?;
        Some(made.map(|(supply, exchanged)| {
            (self.first, self.maker) = (supply.first, supply.maker);
            exchanged
        }))
    }
}

/// Begins with it; there is no other.
impl<T> From<T> for Supply<T> {
    fn from(first: T) -> Self {
        Self { first: Some(first), maker: None, coming: None }
    }
}
